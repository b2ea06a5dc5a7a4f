"""The table of the word network's captions, on captions whose scores are known."""

import json

import pandas as pd
import pytest

from seewhy.corpora.canonical import write_tables
from seewhy.grounding.caption_table import tabulate_word_captions
from seewhy.scores.captions import score_captions

THINGS = ("dog", "cat", "horse")
EVALUATION = {"name": "made up", "resamples": 100, "confidence": 0.9, "seed": 0}


def write_corpus(folder, per_clip):
    clips, captions = [], []
    for split, count in (("train", 6), ("val", 6), ("test", 6)):
        for i in range(count):
            clip, thing = f"{split}{i}", THINGS[i % 3]
            clips.append({"clip": clip, "split": split, "video": "x.mp4"})
            texts = [f"a {thing} is running on the grass", f"the {thing} runs over a green field",
                     f"some {thing} runs"]  # fmt: skip
            captions += [
                {"caption": f"{clip}.{k}", "clip": clip, "text": text}
                for k, text in enumerate(texts[:per_clip])
            ]
    write_tables(folder, {"clips": pd.DataFrame(clips), "captions": pd.DataFrame(captions)})
    return folder


def tabulated(folder, said, per_clip=3):
    corpus = write_corpus(folder / "corpus", per_clip)
    lines = [json.dumps({"clip": clip, "caption": text}) for clip, text in said.items()]
    (folder / "said.jsonl").write_text("\n".join(lines) + "\n")
    tabulate_word_captions(corpus, folder / "said.jsonl", folder / "table.csv", **EVALUATION)
    return pd.read_csv(folder / "table.csv")


def test_rows_are_the_model_the_floor_the_ceiling_and_the_published(tmp_path):
    said = {f"test{i}": f"a {THINGS[i % 3]} is running on the grass" for i in range(5)}
    said["test4"] = "a horse is running on the grass"  # wrong: it is a cat
    table = tabulated(tmp_path, said | {"train0": "of another split"})
    own = table[table["corpus"] == "made up"].set_index("kind")
    assert list(own.index) == ["model", "floor", "ceiling"]
    assert (own["clips"] == 5).all()  # test5 was not captioned, train0 is not asked
    references = pd.read_csv(tmp_path / "corpus/captions.csv").groupby("clip")["text"].agg(list)
    references = {clip: references[clip] for clip in said}
    expected = score_captions(said, references, meteor=False).corpus()
    for score in ("BLEU-4", "CIDEr"):
        assert own.loc["model", score] == pytest.approx(expected[score], abs=1e-4)
        low, high = own.loc["model", [f"{score} low", f"{score} high"]]
        assert low <= own.loc["model", score] <= high
    floor = own.loc["floor", "row"].removeprefix("constant: ")
    assert floor in {text for texts in pd.read_csv(tmp_path / "corpus/captions.csv")
                     .groupby("clip")["text"].agg(list) for text in texts}  # fmt: skip
    constant = score_captions(dict.fromkeys(said, floor), references, meteor=False).corpus()
    assert own.loc["floor", "BLEU-4"] == pytest.approx(constant["BLEU-4"], abs=1e-4)
    assert own.loc["model", "METEOR"] > own.loc["floor", "METEOR"]
    published = table[table["kind"].str.startswith("published")].set_index(["row", "corpus"])
    assert (
        published.loc[("mean pooling, VGG-16 (Bargal et al. 2018)", "MSR-VTT"), "METEOR"] == 0.265
    )


def test_one_caption_a_clip_has_no_ceiling(tmp_path):
    table = tabulated(tmp_path, {f"test{i}": "a dog is running" for i in range(6)}, per_clip=1)
    assert list(table["kind"][:2]) == ["model", "floor"]
    assert "ceiling" not in set(table["kind"])
