"""From a small aviary to all tables of the summaries, and what ties their files together."""

from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from seewhy.corpora.canonical import read_table
from seewhy.corpora.importing import import_corpus
from seewhy.dissection.network import ResidualNetwork, save_network
from seewhy.dissection.run import open_model
from seewhy.errors import InputError
from seewhy.summaries.activations import read_activations
from seewhy.summaries.distributions import load_filter_attributes
from seewhy.summaries.filters import filter_attributes
from seewhy.summaries.images import crop_images
from seewhy.summaries.split import open_split
from seewhy.summaries.study import open_study
from seewhy.summaries.tables import (
    grounding_table,
    image_probabilities,
    say,
    score_summaries,
    write_filters,
)
from seewhy.text.attributes import Attributes, extract_attributes
from seewhy.worlds.aviary import render_aviary

SPLITS = "train", "val", "test"
MODEL = {
    "name": None, "weights": None, "size": None, "mean": [0, 0, 0], "std": [1, 1, 1],
    "layer": "block4", "linear": "fc",
}  # fmt: skip
OUTPUTS = (
    "table1", "table2", "table3", "sentences", "classes", "triage", "evidence", "failures",
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Files as the rules make them, of an untrained network."""
    folder = tmp_path_factory.mktemp("summaries")
    render_aviary(folder / "aviary", seed=3, birds={"train": 96, "val": 40, "test": 24}, workers=1)
    import_corpus("aviary", folder / "aviary", folder / "corpus")
    for split in SPLITS:
        crop_images(folder / "corpus", split, folder / f"{split}.h5", size=32)
    with h5py.File(folder / "train.h5") as file:
        classes = [str(name) for name in file["label"].attrs["classes"]]
    torch.manual_seed(0)
    save_network(folder / "net.safetensors", ResidualNetwork((4, 6, 8, 12), classes))
    opened = open_model(folder / "net.safetensors", MODEL)
    for split in SPLITS:
        read_activations(
            opened.network, folder / f"{split}.h5", folder / f"{split}.act.h5",
            layer="block4", linear="fc", prepare=opened.prepare, classes=opened.classes,
        )  # fmt: skip
    clips = read_table(folder / "corpus", "clips")
    captions = read_table(folder / "corpus", "captions").groupby("clip")["text"].agg(list)
    train = set(clips.loc[clips["split"] == "train", "clip"])
    extract_attributes(captions.to_dict(), fitted=train, tagger="textblob").save(
        folder / "attributes.h5"
    )
    for preset in ("paper", "t", "joint"):
        write_filters(
            folder / f"{preset}.h5", preset, crops=folder / "train.h5",
            activations=folder / "train.act.h5", attributes=folder / "attributes.h5",
        )  # fmt: skip
    return folder


def opened(made, split="test"):
    attributes = Attributes.load(made / "attributes.h5")
    return open_split(made / f"{split}.h5", made / f"{split}.act.h5", made / "corpus", attributes)


def test_a_split_knows_its_images(made):
    split, attributes = opened(made), Attributes.load(made / "attributes.h5")
    with h5py.File(made / "test.h5") as file:
        np.testing.assert_array_equal(split.images([5, 2, 5]), file["image"][:][[5, 2, 5]])
    captions = read_table(made / "corpus", "captions").groupby("clip")["text"].agg(list)
    place = attributes.images.index(split.names[7])
    assert list(split.captions[7]) == captions[split.names[7]]
    assert (split.presence[7] != attributes.presence[place]).nnz == 0
    assert split.right.tolist() == (split.found.logits.argmax(1) == split.labels).tolist()
    assert len(split.parts) == split.points.shape[1] == 15


def test_files_of_different_images_are_refused(made):
    attributes = Attributes.load(made / "attributes.h5")
    with pytest.raises(InputError, match=r"val\.act\.h5: of 40 images, .*test\.h5 has 24; read"):
        open_split(made / "test.h5", made / "val.act.h5", made / "corpus", attributes)
    fewer = extract_attributes({"x": ["a red crown"] * 5}, tagger="textblob", min_df=1)
    with pytest.raises(InputError, match="the attributes know no image test"):
        open_split(made / "test.h5", made / "test.act.h5", made / "corpus", fewer)


def test_filters_are_those_of_the_train_images(made):
    train, attributes = opened(made, "train"), Attributes.load(made / "attributes.h5")
    table = load_filter_attributes(made / "paper.h5")
    expected = filter_attributes(
        "paper", train.found.phi, train.presence, attributes.names, prior=attributes.prior()
    )
    np.testing.assert_array_equal(table.scores, expected.scores)
    assert (table.tagger, table.network) == (attributes.tagger, train.found.network)


def test_image_probabilities_are_eq_5_by_a_loop(made):
    split, table = opened(made), load_filter_attributes(made / "joint.h5")
    found, p = image_probabilities(split, table), table.distributions()
    for i in (0, 11):
        parts = split.found.phi[i] * split.found.weight[split.found.decided[i]]
        parts = np.maximum(parts, 0) / max(np.maximum(parts, 0).sum(), 1e-30)
        np.testing.assert_allclose(found[i], sum(a * b for a, b in zip(parts, p, strict=True)),
                                   rtol=1e-4, atol=1e-7)  # fmt: skip


def test_attributes_are_located_by_distributions_as_eqs_5_and_7_weigh_them(made):
    split, train = opened(made), opened(made, "train")
    table = load_filter_attributes(made / "joint.h5")
    loud = table.scores.copy()
    loud[0] *= 1e6  # the same distribution: more of everything says nothing of any attribute
    maps = [np.random.default_rng(0).random((24, len(loud), 4, 4))]
    draws = {"resamples": 20, "confidence": 0.9, "seed": 0}
    found = [
        grounding_table(train, split, {"joint": one}, maps, top=6, draws=draws)
        for one in (table, replace(table, scores=loud))
    ]
    pd.testing.assert_frame_equal(*found)


def test_all_tables_are_scored(made, tmp_path):
    study = open_study(
        corpus=made / "corpus",
        crops=[made / f"{split}.h5" for split in SPLITS],
        activations=[made / f"{split}.act.h5" for split in SPLITS],
        attributes=made / "attributes.h5",
        filters=[made / f"{preset}.h5" for preset in ("paper", "t", "joint")],
        weights=made / "net.safetensors",
        model=MODEL,
    )
    score_summaries(
        {name: tmp_path / f"{name}.csv" for name in OUTPUTS}, study,
        faults=made / "aviary/birds.csv", top=6,
        evaluation={"resamples": 40, "confidence": 0.9, "seed": 0},
    )  # fmt: skip
    tables = {name: pd.read_csv(tmp_path / f"{name}.csv") for name in OUTPUTS}
    for name in ("table1", "table2", "table3"):
        kinds = tables[name].groupby("row")["kind"].first()
        assert (kinds[["t", "joint"]] == "method").all(), name
    assert "mean of the part" in set(tables["table1"]["row"])
    assert "class profile" in set(tables["table2"]["row"])
    assert len(tables["sentences"]) == 3 * 24
    assert tables["sentences"]["sentence"].str.startswith("This is a").all()
    assert len(tables["classes"]) == 3 * 32
    assert tables["classes"]["sentence"].str.startswith("This is a").all()
    assert {"triage", "majority", "confidence alone"} <= set(tables["triage"]["row"])
    birds = pd.read_csv(made / "aviary/birds.csv", keep_default_na=False).set_index("image")
    failures = tables["failures"]
    given = failures["image"].map(birds["fault"]).replace("", "missing")
    assert (failures["truth"] == given).all()
    assert len(failures) == (~opened(made).right).sum()


def test_a_sentence_is_written_of_names(made):
    attributes = Attributes.load(made / "attributes.h5")
    text = say(attributes)("blue_jay", list(attributes.names[:2]))
    assert text.startswith("This is a blue jay because it")
