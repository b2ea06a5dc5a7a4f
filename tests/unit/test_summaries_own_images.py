"""Images of one's own: no key points, images without captions, a network that makes no mistake."""

import logging
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from still_layouts import OWN_NETWORK, own_images

from seewhy.corpora.importing import import_corpus
from seewhy.dissection.run import open_model
from seewhy.errors import InputError
from seewhy.summaries.activations import load_activations, read_activations
from seewhy.summaries.drawing import FIGURES, draw_summaries
from seewhy.summaries.filters import filter_attributes
from seewhy.summaries.images import crop_images
from seewhy.summaries.lacks import COLUMN
from seewhy.summaries.split import labels_of_outputs
from seewhy.summaries.study import open_study
from seewhy.summaries.tables import score_summaries, write_filters
from seewhy.text.attribute_mining import mine_attributes

SPLITS = "train", "val", "test"
TABLES = ("table1", "table2", "table3", "sentences", "classes", "triage", "evidence", "failures")
MODEL = {
    "name": "brightest:build", "weights": None, "size": None, "mean": [0, 0, 0],
    "std": [1, 1, 1], "layer": "last", "linear": "fc",
}  # fmt: skip


def study_of(folder, source, **changes):
    """Files as the rules make them, and all that is known of them."""
    (folder / "brightest.py").write_text(OWN_NETWORK)
    model = MODEL | changes
    import_corpus("images", source, folder / "corpus")
    opened = open_model(None, model)
    for split in SPLITS:
        crop_images(folder / "corpus", split, folder / f"{split}.h5", size=16)
        read_activations(
            opened.network, folder / f"{split}.h5", folder / f"{split}.act.h5",
            layer="last", linear="fc", prepare=opened.prepare, classes=opened.classes,
        )  # fmt: skip
    mine_attributes(
        folder / "corpus", attributes_path=folder / "a.h5", table_path=folder / "a.csv",
        figure_path=folder / "a.png", tagger="textblob", min_df=1,
    )  # fmt: skip
    for preset in ("paper", "t"):
        write_filters(folder / f"{preset}.h5", preset, crops=folder / "train.h5",
                      activations=folder / "train.act.h5", attributes=folder / "a.h5")  # fmt: skip
    return open_study(
        corpus=folder / "corpus", crops=[folder / f"{split}.h5" for split in SPLITS],
        activations=[folder / f"{split}.act.h5" for split in SPLITS],
        attributes=folder / "a.h5", filters=[folder / "paper.h5", folder / "t.h5"],
        weights=None, model=model,
    )  # fmt: skip


def scored(study, folder, *, figures=False):
    outputs = {name: folder / f"{name}.csv" for name in TABLES}
    score_summaries(outputs, study, faults=None, top=6,
                    evaluation={"resamples": 20, "confidence": 0.9, "seed": 0})  # fmt: skip
    tables = {name: pd.read_csv(path, keep_default_na=False) for name, path in outputs.items()}
    if not figures:
        return tables
    draw_summaries(
        {name: folder / f"{name}.png" for name in FIGURES}, train=study.train, test=study.test,
        tables=study.tables, attributes=study.attributes, network=study.opened.network,
        layer="last", prepare=study.opened.prepare, pages=tables["failures"], seed=0,
    )  # fmt: skip
    for name in FIGURES:
        assert Image.open(folder / f"{name}.png").size[0] > 100
    return tables


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "brightest", raising=False)
    return tmp_path


def test_a_good_network_on_images_without_key_points_and_some_without_captions(here, caplog):
    caplog.set_level(logging.WARNING)
    study = study_of(here, own_images(here / "own"))
    assert study.test.right.all()
    assert study.test.classes == ("red", "green", "blue")
    assert study.test.described.sum() == 18
    tables = scored(study, here, figures=True)
    needs = "key points of the images' parts, which this corpus has none of"
    assert tables["table1"].to_dict("list") == {COLUMN: [needs]}
    assert f"Table 1 is not made: it needs {needs}" in caplog.text
    for name in ("triage", "evidence"):
        assert list(tables[name]) == [COLUMN]
        assert "and of the validation images it mistakes 0" in tables[name][COLUMN][0]
    assert "the triage of mistakes is skipped: it needs images that the network mis" in caplog.text
    assert len(tables["failures"]) == 0
    second = tables["table2"].set_index("row")
    assert second.loc["t", "images"] == "18"  # those of which captions say anything
    third = tables["table3"]
    third = third[(third["row"] == "t") & (third["measure"] == "BLEU-1")].set_index("captions")
    assert third.loc["all", "images"] == "18"
    assert float(third.loc["all", "overall"]) > 0
    assert third.loc["all", "verdict"] == "untried: it takes right and wrong images"
    assert len(tables["sentences"]) == 2 * 24  # of every image, described or not
    red = tables["sentences"].query("preset == 't' and said == 'red'")
    assert red["sentence"].str.contains("red").all()


def test_mistakes_are_sorted_where_the_network_makes_some(here):
    study = study_of(here, own_images(here / "own", wrong=4))
    tables = scored(study, here)
    assert (~study.val.right).sum() == 4
    assert tables["triage"]["row"].iloc[0] == "triage"
    assert len(tables["failures"]) == 4
    assert not set(tables["failures"]["kind"]) & {"unsorted"}


def test_test_mistakes_without_validation_mistakes_are_listed_and_not_sorted(here):
    source = own_images(here / "own")
    rows = (source / "images.csv").read_text().splitlines()
    wrong = [row.replace(",red,test", ",blue,test") for row in rows]
    (source / "images.csv").write_text("\n".join(wrong) + "\n")
    tables = scored(study_of(here, source), here, figures=True)
    assert len(tables["failures"]) == 8
    assert set(tables["failures"]["kind"]) == {"unsorted"}
    assert tables["failures"]["says"].iloc[0] == "blue taken for red: unsorted"
    assert list(tables["triage"]) == [COLUMN]


def test_one_caption_an_image_leaves_out_the_oracle_alone(here):
    tables = scored(study_of(here, own_images(here / "own", captions=1, silent=0)), here)
    third = tables["table3"]
    assert set(third["captions"]) == {"all", ""}
    assert {"paper", "t", "class profile"} <= set(third["row"])


def test_test_images_without_captions_leave_the_tables_of_captions_alone_out(here):
    source = own_images(here / "own")
    lines = (source / "captions.csv").read_text().splitlines()
    (source / "captions.csv").write_text("\n".join(x for x in lines if "test/" not in x) + "\n")
    tables = scored(study_of(here, source), here)
    assert "captions of test images" in tables["table2"][COLUMN][0]
    assert tables["table3"][COLUMN][0] == "captions of two test images or more; 0 have any"
    assert len(tables["sentences"]) == 2 * 24


def test_images_without_captions_say_nothing_of_the_filters(here):
    """What p(t|f) is of the described train images alone, and not as if the others lacked all."""
    study = study_of(here, own_images(here / "own", silent=4))
    train, known = study.train, study.train.described
    assert known.sum() == 12
    assert train.presence[~known].nnz == 0
    expected = filter_attributes("t", train.found.phi[known], train.presence[known],
                                 study.attributes.names)  # fmt: skip
    np.testing.assert_array_equal(study.tables["t"].scores, expected.scores)
    for c in range(3):  # by a loop
        mine = [k for k in range(24) if train.labels[k] == c and train.captions[k]]
        mean = train.presence[mine].toarray().mean(axis=0)
        np.testing.assert_allclose(train.profile[c], mean)
    np.testing.assert_allclose(train.frequency, train.presence[known].toarray().mean(axis=0))


def test_labels_are_the_networks_outputs_by_name_and_not_by_place(here):
    study = study_of(here, own_images(here / "own"))
    found = load_activations(here / "test.act.h5")
    assert found.classes == ("red", "green", "blue")  # of the network; blue, green, red of the file
    names = [study.test.classes[k] for k in study.test.labels]
    assert sorted(names) == ["blue"] * 8 + ["green"] * 8 + ["red"] * 8
    assert (found.decided == study.test.labels).all()


@pytest.mark.parametrize(
    ("known", "outputs", "line"),
    [
        ([], 1000, "has 3 classes, the network 1000 outputs without names; name the outputs"),
        (["red", "green", "tan"], 3, "'blue' is a class of the images alone; give both the sa"),
        (["red", "green", "blue", "tan"], 4, "'tan' is a class of the network alone; give bo"),
    ],
)
def test_classes_that_do_not_agree_are_refused(known, outputs, line):
    with pytest.raises(InputError, match=line):
        labels_of_outputs(np.zeros(2, int), ["blue", "green", "red"], known, outputs=outputs,
                          where="train.h5")  # fmt: skip
