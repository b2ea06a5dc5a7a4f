"""The word network and the pointing of noun phrases, on made-up clips."""

import itertools
import json

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from seewhy.corpora.truth import TruthWriter
from seewhy.errors import InputError
from seewhy.grounding import stages
from seewhy.grounding.checkpoint import load_word_network, save_action_network
from seewhy.grounding.clips import ClipFile
from seewhy.grounding.networks import VGGShape, vgg_action_network
from seewhy.grounding.phrase_scores import Asks, ground_phrases, partners_of, score_phrases
from seewhy.grounding.phrase_table import summary, tabulate_phrases
from seewhy.grounding.phrases import (
    Phrase,
    PhraseTruth,
    group_of,
    head_of,
    linked_phrases,
    nouns_of,
    spoken_phrases,
)
from seewhy.grounding.say import caption_by_words, say
from seewhy.grounding.train_words import WordSchedule, train_word_network
from seewhy.grounding.word_figure import draw_words
from seewhy.text.tokens import BOS, EOS, PAD, UNK, Vocabulary

SIZE, FRAMES = 16, 4
SHAPE = VGGShape(groups=((4,), (6,)), linear=(8,), size=SIZE)
TEXTS = {"red": "a man in a red shirt waves on the grass", "blue": "a dog is near a car"}
CLIPS = [f"{split}{k}" for split in ("train", "val", "test") for k in range(4)]


def kind_of(clip):
    return "red" if int(clip[-1]) % 2 == 0 else "blue"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Clips of a man on grass (even) or of a dog and a car (odd), with frames, truth and CNN."""
    folder = tmp_path_factory.mktemp("words")
    corpus = folder / "corpus"
    corpus.mkdir()
    write = lambda name, rows: pd.DataFrame(rows).to_csv(corpus / f"{name}.csv", index=False)  # noqa: E731
    write("clips", [{"clip": c, "split": c[:-1], "video": f"{c}.mp4"} for c in CLIPS])
    write(
        "captions",
        [
            {"caption": f"{c}_{k}", "clip": c, "text": text, "correct": k != 1}
            for c in CLIPS
            for k, text in enumerate(
                (TEXTS[kind_of(c)], "a car is on the grass", *[TEXTS[kind_of(c)]] * 4)
            )
        ],
    )
    phrases, instances = [], []
    for c in CLIPS:
        if kind_of(c) == "red":
            phrases += [(f"{c}_0", 0, 6, "instance", "1"), (f"{c}_0", 8, 10, "stuff", "grass")]
            instances += [(c, 1, "man", "actor")]
        else:
            phrases += [(f"{c}_0", 0, 2, "instance", "1"), (f"{c}_0", 4, 6, "instance", "2")]
            instances += [(c, 1, "dog", "actor"), (c, 2, "car", "object")]
        phrases += [(f"{c}_1", 0, 2, "instance", "1")]
    names = ["caption", "first", "last", "kind", "refers_to"]
    write("phrases", pd.DataFrame(phrases, columns=names))
    write("instances", pd.DataFrame(instances, columns=["clip", "instance", "class", "role"]))
    (corpus / "corpus.json").write_text(json.dumps({"name": "made up"}))
    elements = [
        {"instance": 0, "class": "grass"}, {"instance": 1, "class": "man"},
        {"instance": 2, "class": "car"},
    ]  # fmt: skip
    about = {"part": "", "colour": "", "texture": "", "rgb": np.zeros((2, 3), np.uint8)}
    with TruthWriter(corpus / "truth.h5") as writer:
        for c in CLIPS:
            code = np.zeros((2 * FRAMES, 2 * SIZE, 2 * SIZE), np.uint8)
            code[:FRAMES, 4:12, 4:12] = 1  # gone in the second half
            boxes = [(t, 1, (4, 4, 8, 8)) for t in range(FRAMES)]
            if kind_of(c) == "blue":
                code[:, 20:28, 16:30] = 2
                boxes += [(t, 2, (16, 20, 14, 8)) for t in range(2 * FRAMES)]
            frame, instance, box = zip(*boxes, strict=True)
            boxes = {"frame": frame, "instance": instance, "box": np.array(box, float)}
            writer.append(c, boxes=boxes, code=code, elements=[{**e, **about} for e in elements])
    rng = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        own = [c for c in CLIPS if c.startswith(split)]
        frames = rng.integers(0, 60, (len(own), FRAMES, SIZE, SIZE, 3), dtype=np.uint8)
        for k, c in enumerate(own):
            frames[k, ..., 0 if kind_of(c) == "red" else 2] += 150
        with h5py.File(folder / f"{split}.h5", "w") as file:
            file["frames"], file["clip"] = frames, own
            file["lengths"] = np.full(len(own), FRAMES)
            file["counts"] = np.full(len(own), 2 * FRAMES)
            file["shapes"] = np.full((len(own), 2), 2 * SIZE)
            file.attrs["fit"] = "squash"
    torch.manual_seed(0)
    save_action_network(folder / "cnn.safetensors", vgg_action_network(SHAPE, ["a", "b"]), SHAPE)
    return folder


def train(world, output, *, schedule=None, **settings):
    train_word_network(
        output, output.with_suffix(".json"), output.with_suffix(".csv"),
        corpus=world / "corpus", train=world / "train.h5", val=world / "val.h5",
        cnn=world / "cnn.safetensors", embedding=8, hidden=16, steps=FRAMES,
        schedule=schedule or WordSchedule(decoder=60, all=20, clips=4, captions=2, frames=2),
        precision="float32", **settings,
    )  # fmt: skip
    return output


@pytest.fixture(scope="module")
def trained(world):
    schedule = WordSchedule(decoder=150, all=0, decoder_rate=0.02, clips=8, captions=2)
    return train(world, world / "words.safetensors", schedule=schedule, min_count=1)


def test_a_killed_training_ends_where_an_unbroken_one_ends(world, tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "A_ROUND", 10)
    whole = train(world, tmp_path / "whole.safetensors")
    saves = itertools.count()

    def save(self, history, **more):
        kept(self, history, **more)
        if next(saves) == 6:  # in the second stage
            raise KeyboardInterrupt

    kept = stages.Unfinished.save
    with monkeypatch.context() as patch:
        patch.setattr(stages.Unfinished, "save", save)
        with pytest.raises(KeyboardInterrupt):
            train(world, tmp_path / "broken.safetensors")
    broken = train(world, tmp_path / "broken.safetensors")
    for suffix in (".safetensors", ".csv", ".json"):
        assert broken.with_suffix(suffix).read_bytes() == whole.with_suffix(suffix).read_bytes()
    assert not list(tmp_path.glob("*.pt"))


def test_it_learns_what_the_frames_show(world, trained, tmp_path):
    caption_by_words(trained, world / "test.h5", tmp_path / "said.jsonl", steps=FRAMES, beam=3)
    said = [json.loads(line) for line in (tmp_path / "said.jsonl").read_text().splitlines()]
    assert [line["clip"] for line in said] == ClipFile(world / "test.h5").clips
    assert "man" in said[0]["caption"]
    assert said[0]["caption"] == said[2]["caption"] != said[1]["caption"]


def test_a_wider_beam_of_everything_finds_the_best_caption():
    """Against all sentences of up to two of three words."""

    class Toy:
        """Scores hang on the word before alone."""

        table = torch.log_softmax(torch.randn(7, 7, generator=torch.Generator().manual_seed(3)), 1)
        lstm1 = lstm2 = staticmethod(lambda x, state: (x, (x[:, 0], x[:, 0])))

        def read(self, word, pooled):
            return self.table[word]

        def classifier(self, h):
            return h

    def score(words):
        steps = [Toy.table[a, b].item() for a, b in itertools.pairwise([BOS, *words, EOS])]
        return sum(steps) / len(steps)

    sentences = [[], *([a] for a in (4, 5, 6)), *itertools.product((4, 5, 6), repeat=2)]
    best = max(sentences, key=score)
    assert say(Toy(), torch.zeros(2, 1), beam=16, max_words=2) == [list(best)] * 2
    greedy = say(Toy(), torch.zeros(1, 1), beam=1, max_words=5)[0]
    word, expected = BOS, []
    while len(expected) < 5:
        row = Toy.table[word].clone()
        row[[PAD, BOS, UNK]] = -torch.inf
        word = int(row.argmax())
        if word == EOS:
            break
        expected.append(word)
    assert greedy == expected


def test_frames_of_another_size_are_refused(world, tmp_path):
    with h5py.File(tmp_path / "large.h5", "w") as file:
        file["frames"] = np.zeros((1, FRAMES, 32, 32, 3), np.uint8)
        file["lengths"], file["clip"] = [FRAMES], ["train0"]
    with pytest.raises(InputError, match=r"frames of 32 pixels, but the CNN of .* reads 16"):
        train_word_network(
            tmp_path / "w", tmp_path / "m", tmp_path / "h", corpus=world / "corpus",
            train=tmp_path / "large.h5", val=world / "val.h5", cnn=world / "cnn.safetensors",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "head"),
    [("the red dress", 2), ("a man in a black shirt", 1), ("a boy in red", 1), ("water", 0)],
)
def test_the_head_noun_stands_before_the_first_preposition(text, head):
    words = text.split()
    assert head_of(words, 0, len(words)) == head
    assert head_of(["x", *words], 1, len(words) + 1) == head + 1


def test_positions_count_the_start_word():
    phrase = Phrase(
        "c", 0, ("there", "is", "a", "red", "car"), 2, 5, "instance", frozenset("1"),
        frozenset(["car"]),
    )  # fmt: skip
    vocabulary = Vocabulary(["a", "red", "car", "there", "is"])
    encoded = vocabulary.encode("there is a red car")
    assert [vocabulary.words[encoded[p]] for p in phrase.positions("head")] == ["car"]
    assert [vocabulary.words[encoded[p]] for p in phrase.positions("sum")] == ["a", "red", "car"]
    with pytest.raises(InputError, match="'noun' is not one of head, sum"):
        phrase.positions("noun")


def test_groups():
    assert [group_of(c) for c in ("girl", "people", "horse", "car", "guitar")] == [
        "people", "people", "animals", "vehicles", "objects",
    ]  # fmt: skip


def test_phrases_are_of_one_right_caption_a_clip(world):
    phrases = linked_phrases(world / "corpus", ClipFile(world / "test.h5"), count=100)
    assert {" ".join(phrase.words) for phrase in phrases} == set(TEXTS.values())
    assert len(phrases) == 8
    assert {phrase.words[phrase.head] for phrase in phrases} == {"man", "grass", "dog", "car"}
    few = linked_phrases(world / "corpus", ClipFile(world / "test.h5"), count=1)
    assert len({phrase.clip for phrase in few}) == 1


def test_generated_nouns_stand_for_all_that_people_call_so(world):
    file = ClipFile(world / "test.h5")
    captions = {"test0": "a dog waves on the grass", "test1": "a car"}
    phrases, there = spoken_phrases(world / "corpus", file, captions, ["test0", "test1"])
    assert [(p.words[p.head], p.refers_to) for p in phrases] == [
        ("grass", frozenset(["grass"])),
        ("car", frozenset(["2"])),  # it is wrong captions that call the dog a car, too
    ]
    assert there.to_dict("list") == {"clip": ["test0", "test1"], "box": [0.0, 1.0]}


def test_rare_names_of_a_noun_do_not_count():
    rows = [("the car", "car")] * 39 + [("a car", "dog")]
    table = pd.DataFrame(
        [
            {"words": tuple(t.split()), "first": 0, "last": 2, "kind": "instance",
             "refers_to": "1", "name": name}
            for t, name in rows
        ]
    )  # fmt: skip
    assert nouns_of(table) == {"car": ("instance", frozenset(["car"]))}


def test_truth_is_that_of_the_frames_that_are_read(world):
    file = ClipFile(world / "test.h5")
    phrase = linked_phrases(world / "corpus", file, count=100)
    man = next(p for p in phrase if "man" in p.words and p.kind == "instance")
    grass = next(p for p in phrase if p.kind == "stuff")
    with PhraseTruth(world / "corpus", file, FRAMES) as truth:
        # of 8 frames the four that are read are 1, 3, 5, 7; the man is there in the first 4
        assert [len(step) for step in truth.boxes(man)] == [1, 1, 0, 0]
        assert truth.boxes(man)[0] == [[2, 2, 4, 4]]
        assert truth.masks(man).sum(axis=(1, 2)).tolist() == [16, 16, 0, 0]
        assert truth.masks(man)[0, 2:6, 2:6].all()
        assert truth.masks(grass).sum(axis=(1, 2)).tolist() == [240, 240, 256, 256]


def test_cropped_frames_are_refused(world, tmp_path):
    path = tmp_path / "test.h5"
    path.write_bytes((world / "test.h5").read_bytes())
    with h5py.File(path, "a") as file:
        file.attrs["fit"] = "crop"
    with pytest.raises(InputError, match=r"set grounding\.frames\.fit to squash"):
        PhraseTruth(world / "corpus", ClipFile(path), FRAMES)


class Pointer(Asks):
    """Asks whose maps are made up: one pixel of each is bright."""

    def __init__(self, phrases, captioner, places):
        self.phrases, self.captioner, self.places = phrases, captioner, places

    def maps(self, numbers, x):
        maps = torch.zeros(len(numbers), FRAMES, SIZE, SIZE)
        for k, number in enumerate(numbers):
            maps[(k, slice(None), *self.places[number])] = 1.0
        return {"made up": maps}


def test_hits_by_hand(world, trained):
    file = ClipFile(world / "test.h5")
    both = [p for p in linked_phrases(world / "corpus", file, count=100) if "dog" in p.words][:2]
    dog, car = sorted(both, key=lambda p: p.first)
    captioner, _ = load_word_network(trained)
    assert partners_of([dog, car]) == [[1], [0]]
    with PhraseTruth(world / "corpus", file, FRAMES) as truth:
        # the dog's map points at the dog, the car's too
        asks = Pointer([dog, car], captioner, [(3, 3), (3, 3)])
        found = score_phrases(asks, file, truth, FRAMES)
    items = found["made up"]
    assert items["phrase"].tolist() == [0, 0, 1, 1, 1, 1]  # the dog is gone in two frames of four
    assert items["box"].tolist() == items["mask"].tolist() == [1, 1, 0, 0, 0, 0]
    np.testing.assert_array_equal(items["two"], [1, 1, 0, 0, np.nan, np.nan])
    assert items["group"].tolist() == ["animals"] * 2 + ["vehicles"] * 4
    np.testing.assert_allclose(found["random point"]["box"], [1 / 16] * 2 + [7 * 4 / 256] * 4)


def test_the_mean_is_over_frames_and_stuff_stands_apart():
    items = pd.DataFrame(
        {
            "clip": ["a", "a", "b", "b"],
            "phrase": [0, 0, 1, 2],
            "group": ["people", "people", "animals", "stuff"],
            "box": [1, 0, 1, np.nan],
            "mask": [1, 0, 0, 1],
            "two": [1, np.nan, 0, np.nan],
        }
    )
    row = summary(items, resamples=50, level=0.9, seed=0)
    assert (row["clips"], row["phrases"], row["items"]) == (2, 2, 3)
    assert row["all"] == pytest.approx(2 / 3)
    assert row["mask"] == pytest.approx(1 / 3)
    assert row["two things"] == 0.5
    assert "people" not in row  # of one clip there is no interval


@pytest.mark.parametrize("asked", ["head", "sum"])
def test_all_of_table_5(world, trained, tmp_path, asked):
    said = {c: TEXTS[kind_of(c)] for c in CLIPS if c.startswith("test")}
    (tmp_path / "said.jsonl").write_text(
        "".join(json.dumps({"clip": c, "caption": text}) + "\n" for c, text in said.items())
    )
    ground_phrases(
        trained, world / "corpus", world / "test.h5", tmp_path / "said.jsonl",
        tmp_path / "scores.csv", tmp_path / "maps.h5", steps=FRAMES, count=100, asked=asked,
    )  # fmt: skip
    tabulate_phrases(tmp_path / "scores.csv", tmp_path / "table5.csv", name="made up", resamples=20)
    table = pd.read_csv(tmp_path / "table5.csv")
    own = table[table["block"] == "reference captions"].set_index("row")
    assert own["all"].iloc[:10].between(0, 1).all()
    assert (table["kind"].str.startswith("published")).sum() == 4
    assert table.loc[table["block"] == "generated captions", "nouns there"].eq(1).all()
    with h5py.File(tmp_path / "maps.h5") as file:
        assert file["000"]["maps"].shape[0] == FRAMES
        assert file["000"].attrs["word"] in ("dog", "car")
    draw_words(tmp_path / "maps.h5", tmp_path / "words.png")
    assert (tmp_path / "words.png").stat().st_size > 5000


def test_captions_that_name_nothing_leave_the_human_ones(world, trained, tmp_path):
    said = {c: "nothing at all" for c in CLIPS if c.startswith("test")}
    (tmp_path / "said.jsonl").write_text(
        "".join(json.dumps({"clip": c, "caption": text}) + "\n" for c, text in said.items())
    )
    ground_phrases(
        trained, world / "corpus", world / "test.h5", tmp_path / "said.jsonl",
        tmp_path / "scores.csv", tmp_path / "maps.h5", steps=FRAMES, count=100,
    )  # fmt: skip
    tabulate_phrases(tmp_path / "scores.csv", tmp_path / "table5.csv", name="made up", resamples=20)
    draw_words(tmp_path / "maps.h5", tmp_path / "words.png")
    assert (tmp_path / "words.png").stat().st_size > 5000


def test_padding_behind_a_caption_changes_nothing(world, trained):
    """Phrases of captions of unlike length in one batch get the maps they get alone."""
    file = ClipFile(world / "test.h5")
    phrases = linked_phrases(world / "corpus", file, count=100)
    captioner, vocabulary = load_word_network(trained)
    asks = Asks(captioner, vocabulary, phrases, asked="head", layer=None, seed=0)
    x = captioner.preprocess(file.steps([p.row for p in phrases], FRAMES))
    together = asks.maps(range(len(phrases)), x)
    for number in range(len(phrases)):
        alone = asks.maps([number], x[number : number + 1])
        for row, maps in alone.items():
            torch.testing.assert_close(maps[0], together[row][number], rtol=1e-4, atol=1e-6)


def test_a_corpus_without_linked_phrases_is_refused(world, tmp_path):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for path in (world / "corpus").iterdir():
        (corpus / path.name).write_bytes(path.read_bytes())
    (corpus / "phrases.csv").write_text("caption,first,last,kind,refers_to\n")
    with pytest.raises(InputError, match="no phrase is linked to a thing"):
        linked_phrases(corpus, ClipFile(world / "test.h5"), count=5)


def test_other_scores_are_refused(tmp_path):
    (tmp_path / "s.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="not scores of phrases"):
        tabulate_phrases(tmp_path / "s.csv", tmp_path / "t.csv", name="x")
