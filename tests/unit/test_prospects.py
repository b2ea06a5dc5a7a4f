"""What the plan knows of a person's own corpus before any work starts."""

import copy
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from gensim.parsing.preprocessing import STOPWORDS
from layouts import own_folder, ucf101, write

from seewhy.corpora.canonical import read_table
from seewhy.corpora.importing import import_corpus
from seewhy.corpora.own import read_own
from seewhy.corpora.prospects import (
    check_corrections,
    lacking,
    look_ahead,
    remarks_on,
    why_lacking,
)
from seewhy.errors import InputError
from seewhy.scaled_defaults import least_clips_of_a_topic, least_clips_of_a_word
from seewhy.text.stop_words import STOP_WORDS
from seewhy.text.topics import _vocabulary as mined_words
from seewhy.text.topics import document
from seewhy.text.words_left import words_left
from seewhy.vision import check_frame_size

DEFAULT = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text())
SHARES = {"shares": {"train": 0.8, "val": 0.1, "test": 0.1}, "seed": 0}
NOUNS = ("dog", "cat", "horse", "bird", "ball", "car", "table", "woman", "onion", "guitar", "pan")


def settings(source=None, **changes):
    config = copy.deepcopy(DEFAULT)
    if source is not None:
        config["corpus"] = {"name": "folder", "source": str(source)}
    for section, values in changes.items():
        config[section] |= values
    return config


def own(folder, rows, header="video,caption,split"):
    """captions.csv and empty videos."""
    write(folder / "captions.csv", "\n".join([header, *rows]) + "\n")
    for row in rows:
        write(folder / row.split(",")[0], "")
    return folder


def rich(folder, train=12, val=4, test=4, test_captions=None):
    """A folder whose captions leave enough words."""
    rows = []
    for split, count in {"train": train, "val": val, "test": test}.items():
        for k in range(count):
            told = split != "test" or test_captions is None or k < test_captions
            words = " ".join(NOUNS[(k + n) % len(NOUNS)] for n in range(5))
            rows.append(f"{split}{k}.mp4,{f'a {words}' if told else ''},{split}")
    return own(folder, rows)


def test_the_stop_words_are_gensims():
    assert STOP_WORDS == STOPWORDS


@pytest.mark.parametrize("max_df", [0.3, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("min_df", [1, 2, 4])
@pytest.mark.parametrize("clips", [12, 25, 60])
def test_the_words_left_are_those_that_are_mined(clips, min_df, max_df):
    words = [*NOUNS, "the", "a", "computer", "x", "Über", "top", "he's", "42"]
    random = np.random.default_rng([clips, min_df])
    clips = [
        [" ".join(random.choice(words, 4)) for _ in range(random.integers(1, 4))]
        for _ in range(clips)
    ]
    found = words_left(clips, min_df=min_df, max_df=max_df)
    documents = [document(texts) for texts in clips]
    left_out = STOPWORDS - set(mined_words.__globals__["KEPT_WORDS"])
    choice = {"left_out": left_out, "min_df": min_df, "max_df": max_df, "min_word_length": 2}
    if len(found) < 10:
        with pytest.raises(InputError, match=f"only {len(found)} words of the descriptions of"):
            mined_words(documents, **choice)
    else:
        assert mined_words(documents, **choice) == found


@pytest.mark.parametrize(
    ("clips", "of_a_word", "of_a_topic"),
    [(3, 2, 1), (20, 2, 2), (57, 2, 5), (70, 3, 7), (199, 9, 8), (200, 10, 8), (1800, 10, 8)],
)
def test_defaults_scale_with_the_corpus(clips, of_a_word, of_a_topic):
    assert least_clips_of_a_word("auto", clips) == of_a_word
    assert least_clips_of_a_topic("auto", clips) == of_a_topic
    assert least_clips_of_a_word(5, clips) == least_clips_of_a_topic(5, clips) == 5


@pytest.mark.parametrize("columns", ["split", "dealt", "group"])
def test_the_plan_reads_the_clips_as_they_are_imported(columns, tmp_path):
    if columns == "group":
        rows = [f"more/v{k}.mp4,a man,g{k // 3}" for k in range(30)] + ["./x y.mp4,it,g1"]
        own(tmp_path / "own", rows, header="video,caption,group")
    else:
        own_folder(tmp_path / "own", split=columns == "split")
    import_corpus("folder", tmp_path / "own", tmp_path / "corpus", **SHARES)
    clips = read_table(tmp_path / "corpus", "clips").set_index("clip")
    found = read_own(tmp_path / "own", **SHARES)
    assert found.split == clips["split"].to_dict()
    assert found.video == clips["video"].to_dict()
    captions = read_table(tmp_path / "corpus", "captions").groupby("clip")["text"].agg(list)
    assert found.captions == captions.to_dict()


@pytest.mark.parametrize(
    "text",
    [
        "video, caption ,split\na.mp4,x y,train\nb.mp4,,val\nc.mp4,z,test\n",
        "\ufeff split ,video,caption\ntrain,a.mp4,x y\nval,b.mp4,\ntest,c.mp4,z\n",
        "\n,,\nvideo,caption,split\na.mp4,x y,train\n,,\nb.mp4,,val\n   \nc.mp4,z,test\n",
    ],
)
def test_what_the_importer_reads_is_looked_at(text, tmp_path):
    """Blanks around names of columns, and blank lines, keep nothing from being told in time."""
    own(tmp_path, ["a.mp4", "b.mp4", "c.mp4"])
    write(tmp_path / "captions.csv", text)
    for read in (
        lambda: import_corpus("folder", tmp_path, tmp_path / "corpus", **SHARES),
        lambda: look_ahead(settings(tmp_path)),
    ):
        with pytest.raises(InputError, match=r"b\.mp4 is in split val but has no caption"):
            read()


def test_a_pipe_in_place_of_captions_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "captions.csv")
    assert read_own(tmp_path, **SHARES) is None


def test_the_plan_needs_no_package_to_look_ahead():
    asked = (
        "import sys, seewhy.corpora.prospects, seewhy.dissection.given, seewhy.summaries.given\n"
        "print([one for one in ('numpy', 'pandas', 'torch', 'PIL', 'h5py') if one in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", asked], text=True).strip() == "[]"


@pytest.mark.parametrize(
    "text", ["film,caption\na,b\n", "video,caption\na.mp4\n", "video,caption\na,b,c\n", "", "\0"]
)
def test_what_the_importer_refuses_is_left_to_it(text, tmp_path):
    write(tmp_path / "captions.csv", text)
    assert read_own(tmp_path, **SHARES) is None
    assert look_ahead(settings(tmp_path)).described is None


def test_a_folder_that_will_do_is_counted(tmp_path):
    known = look_ahead(settings(rich(tmp_path / "own", test_captions=2)))
    assert known.described == {"train": 12, "val": 4, "test": 2}
    assert {"dog", "guitar"} <= known.words
    assert not lacking(settings(tmp_path / "own"), known)


@pytest.mark.parametrize(
    ("rows", "changes", "message"),
    [
        (["a.mp4,x y,train", "b.mp4,z,val"], {}, r"no video is in split test; put at least one"),
        (
            ["a.mp4,,train", "b.mp4,z,val", "c.mp4,,test"],
            {},
            r"a\.mp4 is in split train but has no caption; add one",
        ),
        (
            ["a.mp4,!!,train", "b.mp4,z,val", "c.mp4,,test"],
            {},
            r"a\.mp4 is in split train but has no caption; add one",
        ),
        (
            ["a.mp4,one two three,train", "b.mp4,z,val", "c.mp4,,test"],
            {"captioner": {"max_words": 3}},
            r"none of the 1 captions of the train videos has fewer than captioner\.max_words \(3\)",
        ),
        (
            ["a.mp4,one two three,train", "b.mp4,z,val", "c.mp4,,test"],
            {"captioner": {"min_count": 2}},
            r"none of the 3 words of the train captions is there captioner\.min_count \(2\) times",
        ),
        (
            [f"t{k}.mp4,a man rides,train" for k in range(20)] + ["b.mp4,z,val", "c.mp4,,test"],
            {},
            r"only 0 words of the descriptions of 20 train clips are left, and 10 are the least "
            r"\(min_df 2, max_df 0\.8\); lower topics\.min_df",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_learnt_from_is_told_in_one_line(rows, changes, message, tmp_path):
    own(tmp_path / "own", rows)
    with pytest.raises(InputError, match=message) as said:
        look_ahead(settings(tmp_path / "own", **changes))
    assert str(said.value).startswith(str(tmp_path / "own/captions.csv"))


def test_videos_that_are_not_there_are_told(tmp_path):
    folder = rich(tmp_path / "own")
    (folder / "train3.mp4").unlink()
    config = settings(folder)
    remarks = " ".join(remarks_on(look_ahead(config), config))
    assert "1 of 20 videos are not there (the first: " in remarks
    assert "60 topics for 12 train clips" in remarks
    for path in folder.glob("val*.mp4"):
        path.unlink()
    with pytest.raises(InputError, match="none of the 4 videos of split val is there"):
        look_ahead(config)


@pytest.mark.parametrize(
    ("counts", "output", "message"),
    [
        ({"test_captions": 1}, "results/table2.csv", r"1 test clips .* Table 2, .* needs 2"),
        ({"test_captions": 0}, "results/refinement.csv", r"0 test clips .* experiment"),
        ({"val": 1}, "results/lambda.csv", r"1 val clips .* choice of lambda"),
        ({"val": 1}, "results/interpretability.csv", r"least_clips \(1 with a topic, 1 without\)"),
        ({"test_captions": 1}, "results/neurons/captioner/I-seed0.plain.csv", "needs 2; put more"),
        ({"test_captions": 1}, "results/figures/neurons.png", r"captions\.csv: 1 test clips"),
    ],
)  # fmt: skip
def test_what_too_few_clips_do_not_allow_is_told(counts, output, message, tmp_path):
    config = settings(rich(tmp_path / "own", **counts))
    found = lacking(config, look_ahead(config))
    assert why_lacking(found, ["results/captions/captioner/I-seed0.test.jsonl"]) is None
    assert re.search(message, why_lacking(found, [output]))


def test_puppets_are_counted_by_the_settings():
    config = settings()
    assert not lacking(config, look_ahead(config))
    config["puppets"]["clips"] = {"train": 20, "val": 4, "test": 1}
    found = lacking(config, look_ahead(config))
    assert "params.yaml: puppets.clips: 1 test clips" in why_lacking(found, ["results/table2.csv"])


@pytest.mark.parametrize(
    ("corpus", "table5", "captions"),
    [("puppets", None, None), ("flickr30k", None, None), ("msrvtt", "no phrases", None)],
)
def test_what_a_corpus_of_words_lacks(corpus, table5, captions):
    config = settings()
    config["grounding"]["words"]["corpus"] = {"name": corpus, "source": "x"}
    found = lacking(config, look_ahead(config))
    for output, expected in (
        ("results/grounding/table5.csv", table5),
        ("results/figures/words.png", table5),
        ("results/grounding/captions.csv", captions),
    ):
        why = why_lacking(found, [output])
        assert (why is None) if expected is None else (f"{corpus} has {expected}" in why)


def test_actions_without_captions_or_boxes(tmp_path):
    config = settings()
    ucf101(tmp_path / "a")
    config["grounding"]["corpus"] = {"name": "ucf101", "source": str(tmp_path / "a")}
    found = lacking(config, look_ahead(config))
    assert "ucf101 has no captions" in why_lacking(found, ["results/grounding/captions.csv"])
    assert "puppets has none of them" in why_lacking(found, ["results/grounding/table3.csv"])
    assert why_lacking(found, ["results/grounding/table1.csv"]) is None
    (tmp_path / "a/pyannot.pkl").unlink()
    found = lacking(config, look_ahead(config))
    assert "there is no pyannot.pkl" in why_lacking(found, ["data/grounding/scores/EB.csv"])
    config["grounding"]["untrimmed"]["corpus"]["name"] = "thumos14"
    assert "results/grounding/table3.csv" not in lacking(config, look_ahead(config))
    config["grounding"]["corpus"]["name"] = "puppets"
    found = lacking(config, look_ahead(config))
    assert "thumos14 has none of them" in why_lacking(found, ["results/grounding/table4.csv"])


@pytest.mark.parametrize(
    ("corrections", "message"),
    [
        ([("tset0.mp4", ["dog"])], r"\(folder\) has no such clip; did you mean test0\.mp4\?"),
        ([("test0.mp4", ["gutar"])], r"'gutar' is no word that enough .*did you mean guitar\?"),
        ([("test0.mp4", ["the"])], r"'the' is no word that enough"),
    ],
)  # fmt: skip
def test_corrections_that_name_nothing_are_told(corrections, message, tmp_path):
    config = settings(rich(tmp_path / "own"))
    known = look_ahead(config)
    check_corrections([("test0.mp4", ["dog", "guitar_pan"])], "c.yaml", config, known)
    with pytest.raises(InputError, match=r"^c\.yaml: .*" + message):
        check_corrections(corrections, "c.yaml", config, known)


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("puppets", "test00399", "test00400"),
        ("puppets", "val00000", "dog.avi"),
        ("msvd", "vid1970", "vid1971"),
        ("msrvtt", "video7010", "test00064"),
    ],
)
def test_clips_of_data_sets_are_known_by_their_names(name, right, wrong):
    config = settings()
    config["corpus"]["name"] = name
    check_corrections([(right, ["x"])], "c.yaml", config, look_ahead(config))
    with pytest.raises(InputError, match=rf"c\.yaml: {wrong}: the corpus \({name}\) has no such"):
        check_corrections([(wrong, ["x"])], "c.yaml", config, look_ahead(config))


def test_frames_have_the_size_that_the_backbone_reads():
    check_frame_size("googlenet", 224)
    check_frame_size("slim_inception", 64)
    with pytest.raises(InputError, match=r"frames\.size: 64, but the backbone googlenet reads 224"):
        check_frame_size("googlenet", 64)
