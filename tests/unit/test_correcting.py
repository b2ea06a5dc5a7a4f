"""Corrections by a person and by an oracle: what they name, refuse, write and leave alone."""

import json

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from seewhy.captioning import correcting
from seewhy.captioning.checkpoint import load_captioner, save_captioner
from seewhy.captioning.correcting import (
    choose_cases,
    correct_cases,
    open_refiner,
    read_corrections,
    refine_captioner,
)
from seewhy.captioning.decode import caption_clips
from seewhy.captioning.model import Captioner, CaptionerShape
from seewhy.captioning.refinement_table import (
    SHARES,
    _intervals,
    _shares,
    tabulate_refinement,
)
from seewhy.captioning.refining import Clips, Refiner
from seewhy.captioning.tables import references_of
from seewhy.errors import InputError
from seewhy.scores.captions import CaptionScorer
from seewhy.text.strict import TopicWords
from seewhy.text.tokens import Vocabulary
from seewhy.worlds.puppets.caption_truth import ClipTruth, Done

pytestmark = pytest.mark.usefixtures("short_fits")
WORDS = ["cat", "dog", "walks", "sleeps", "animal", "flies"]
PLAN = dict(
    direction="contribution", weights="neuron", dose=30.0, margin=0.5, parts=2, most=400.0,
    threshold=0.1, rise=0.3, mu=0.01, anchor=0.01, anchor_clips=2, steps=2, learning_rate=0.01,
)  # fmt: skip
DECODING = {"beam": 2, "max_words": 4, "length_power": 1.0}
COUNTS = {"train": 20, "val": 8, "test": 10}


def save_random_captioner(path, seed):
    torch.manual_seed(seed)
    vocabulary = Vocabulary(WORDS)
    shape = CaptionerShape(
        vocabulary=len(vocabulary), topics=3, cnn=6, encoder=4, embedding=3, decoder=5, attention=4,
        interpreter=7,
    )  # fmt: skip
    captioner = Captioner(shape).eval()
    with torch.no_grad():
        captioner.decoder.W_p.weight[:, 5 : 5 + shape.neurons] *= 20  # it says what neurons say
        captioner.decoder.W_p.bias.zero_()
    save_captioner(path, captioner, vocabulary, backbone="made up")


@pytest.fixture
def world(tmp_path, made_features):
    """Two captioners with random weights, features, topics and human captions."""
    for model, seed in (("I", 2), ("B", 5)):
        save_random_captioner(tmp_path / f"{model}-seed0.safetensors", seed)
    features = {
        split: made_features(clips=count, n=6, d=6, split=split, seed=len(split))
        for split, count in COUNTS.items()
    }
    random = np.random.default_rng(3)
    rows = []
    for split, count in COUNTS.items():
        s = random.integers(0, 2, (count, 3))
        s[0] = 1
        with h5py.File(features[split], "r+") as file:
            file["features"][:, :, :3] += 4 * s[:, None, :]  # so that f has topics to read
        rows += [(f"{split}{k:05d}", split, *row) for k, row in enumerate(s)]
    names = ["cat", "dog", "sleeps"]
    pd.DataFrame(rows, columns=["clip", "split", *names]).to_csv(
        tmp_path / "vectors.csv", index=False
    )
    topic_word = np.array(
        [[6, 0.1, 1, 0.1, 2, 0.1], [0.1, 6, 1, 0.1, 2, 0.1], [0, 0, 1, 6, 2, 0.1]]
    )
    topic_word /= topic_word.sum(axis=1, keepdims=True)
    with h5py.File(tmp_path / "topics.h5", "w") as file:
        file["topic_word"] = topic_word
    about = {
        "topics": [{"name": name, "strict": [name]} for name in names],
        "vocabulary": WORDS,
        "settings": {},
    }
    (tmp_path / "topics.json").write_text(json.dumps(about))
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    clips = pd.DataFrame([row[:2] for row in rows], columns=["clip", "split"])
    clips.assign(video="x.mp4").to_csv(corpus / "clips.csv", index=False)
    said_by = {"cat": range(4), "dog": range(1), "sleeps": range(2, 4)}  # of the four people
    captions = [
        (
            f"{clip}.{k}",
            clip,
            " ".join(
                ["a", *(n for n, has in zip(names, s, strict=True) if has and k in said_by[n]), "x"]
            ),
        )
        for clip, _, *s in rows
        for k in range(4)
    ]
    pd.DataFrame(captions, columns=["caption", "clip", "text"]).to_csv(
        corpus / "captions.csv", index=False
    )
    return tmp_path, features


def opened(world, **changes):
    folder, features = world
    return open_refiner(
        folder / "I-seed0.safetensors", features, folder / "vectors.csv", plan=PLAN | changes,
        decoding=DECODING, seed=0,
    )  # fmt: skip


def cases(world, **changes):
    folder, features = world
    settings = dict(cases=5, seed=0, decoding=DECODING) | changes
    models = [folder / f"{model}-seed0.safetensors" for model in ("B", "I")]
    choose_cases(models, features["test"], folder / "corpus", folder / "topics.json",
                 folder / "vectors.csv", folder / "cases.csv", **settings)  # fmt: skip
    return pd.read_csv(folder / "cases.csv")


def test_topics_are_found_by_their_names_and_words(world):
    topics = TopicWords.load(world[0] / "topics.json")
    assert topics.strict == (("cat",), ("dog",), ("sleeps",))
    assert topics.find("dog") == 1
    assert topics.find("flies") in (0, 1, 2)
    with pytest.raises(
        InputError, match="'dogg' is neither a topic nor a word of one; did you mean"
    ):
        topics.find("dogg")


def literal_cases(folder, features, least=0.3, halves=(0, 1)):
    """What `choose_cases` chooses, clip by clip: clips, and the topics they can be cases of."""
    captions = pd.read_csv(folder / "corpus/captions.csv")
    vectors = pd.read_csv(folder / "vectors.csv").set_index("clip")
    said = [correcting._said_of_halves(folder / f"{model}-seed0.safetensors", features["test"],
                                       DECODING, "cpu") for model in ("B", "I")]  # fmt: skip
    found = {}
    for clip in said[0]:
        human = [set(text.split()) for text in captions.loc[captions["clip"] == clip, "text"]]
        known = set.union(*human)
        if any(set(WORDS) & one[clip][1] <= known for one in said):
            continue
        missed = {}
        for topic in ("cat", "dog", "sleeps"):
            agreed = np.mean([topic in own for own in human])
            spoken = any(topic in one[clip][half] for one in said for half in halves)
            if vectors.loc[clip, topic] and agreed >= least and not spoken:
                missed[topic] = agreed
        if missed:
            found[clip] = max(missed, key=missed.get)
    return found


def test_cases_are_clips_that_all_get_wrong_with_the_topic_that_most_people_name(
    world, monkeypatch
):
    """With captioners that say words at random."""
    folder, features = world
    random = np.random.default_rng(0)
    told = set()
    for _ in range(20):
        said = {
            folder / f"{model}-seed0.safetensors": {
                f"test{k:05d}": [set(random.choice(WORDS, 2)), set(random.choice(WORDS, 2))]
                for k in range(COUNTS["test"])
            }
            for model in ("B", "I")
        }
        monkeypatch.setattr(
            correcting, "_said_of_halves", lambda path, *rest, said=said: said[path]
        )
        found = cases(world, cases=100)
        expected = literal_cases(folder, features)
        assert dict(zip(found["clip"], found["topic"], strict=True)) == expected
        assert found["words"].tolist() == found["topic"].tolist()
        assert found["agreed"].tolist() == [{"cat": 1, "sleeps": 0.5}[t] for t in found["topic"]]
        told |= {"few agree"} if literal_cases(folder, features, least=0.2) != expected else set()
        told |= {"halves"} if literal_cases(folder, features, halves=[1]) != expected else set()
    assert told == {"few agree", "halves"}, "these captioners do not tell the rules apart"


def test_halves_are_captioned_by_themselves(world):
    folder, features = world
    path = folder / "I-seed0.safetensors"
    said = correcting._said_of_halves(path, features["test"], DECODING, "cpu")
    with h5py.File(features["test"], "r+") as file:
        cnn = file["features"][:]
    for half in (0, 1):
        with h5py.File(features["test"], "r+") as file:
            file["features"][:, :3] = cnn[:, 3 * half : 3 * half + 3]
            file["lengths"][:] = 3
        caption_clips(path, features["test"], folder / "half.jsonl", beam=2, max_words=4)
        lines = [json.loads(line) for line in (folder / "half.jsonl").read_text().splitlines()]
        assert {line["clip"]: set(line["caption"].split()) for line in lines} == {
            clip: halves[half] for clip, halves in said.items()
        }


def test_of_many_cases_some_are_drawn(world):
    every = cases(world, cases=100)
    some = cases(world, cases=2)
    assert len(every) > len(some) == 2
    assert set(some["clip"]) < set(every["clip"])


def correct(world, name, start=None, **settings):
    """What `correct_cases` writes, by name: ``I-seed0.own``."""
    folder, _ = world
    path = folder / f"{name}.json"
    settings = dict(split="test", in_turn=2) | settings
    correct_cases(start or opened(world), folder / "cases.csv", path, **settings)
    return json.loads(path.read_text())


def towards(start, topic):
    """The direction of a topic, by its name."""
    return start.refiner.direction(list(start.vectors.columns).index(topic), start.words([topic]))


@pytest.fixture
def asked(monkeypatch):
    """What `Refiner.correct` and `accept` were given, in order."""
    calls = []
    usual, accept = Refiner.correct, Refiner.accept

    def spy(self, seen, direction, words, dose=None):
        calls.append((seen, direction, words, dose))
        return usual(self, seen, direction, words, dose)

    def spy_accept(self, correction, seen):
        calls.append("accepted")
        return accept(self, correction, seen)

    monkeypatch.setattr(Refiner, "correct", spy)
    monkeypatch.setattr(Refiner, "accept", spy_accept)
    return calls


def test_a_correction_sees_the_first_half_of_its_clip_alone(world, asked):
    found = cases(world)
    start = opened(world)
    record = correct(world, "I-seed0.own", start)
    file = start.files["test"]
    whole = [start.clips("test", [file.row[clip]]) for clip in found["clip"]]
    given = [call for call in asked if call != "accepted"]
    assert len(given) == len(found) + 2
    for (seen, *_), clip in zip(given, [*whole, *whole[:2]], strict=True):
        assert seen.lengths.tolist() == [3]
        assert torch.equal(seen.cnn, clip.cnn[:, :3])
    assert asked[len(found) :: 2] == given[len(found) :]  # then one upon the other
    assert asked[len(found) + 1 :: 2] == ["accepted"] * 2
    assert record["in_turn"]["cases"] == found["clip"].tolist()[:2]
    # The halves are judged by captions of what was not seen.
    start = opened(world)
    refiner = start.refiner
    for case, clip in zip(record["cases"], whole, strict=True):
        first, second = (Clips(cnn, torch.tensor([3])) for cnn in clip.cnn.split(3, dim=1))
        encoder = refiner.correct(first, towards(start, case["topic"]), []).encoder
        texts = [start.decode(refiner.caption(e, second))[0]
                 for e in (refiner.captioner.encoder, encoder)]  # fmt: skip
        assert texts == [case["before"], case["after"]]


def test_controls_push_as_hard_elsewhere(world, asked):
    found = cases(world)
    record = correct(world, "I-seed0.own")
    own = [call[1] for call in asked if call != "accepted"][: len(found)]
    doses = [case["dose"] for case in record["cases"]]
    vectors = pd.read_csv(world[0] / "vectors.csv").set_index("clip")
    for control in ("random", "other"):
        asked.clear()
        made = correct(world, f"I-seed0.{control}", control=control,
                       control_for=world[0] / "I-seed0.own.json")  # fmt: skip
        given = [call for call in asked if call != "accepted"]
        pushed = {case["clip"]: case for case in made["cases"] if case["dose"] is not None}
        assert pushed
        rows = [row for row, clip in enumerate(found["clip"]) if clip in pushed]
        for row, (_, direction, _, dose) in zip(rows, given, strict=False):
            assert dose == doses[row] == pushed[found["clip"][row]]["dose"]
            assert not torch.allclose(direction, own[row])
            if control == "random":
                assert torch.equal(direction.sort().values, own[row].sort().values)
                continue
            torch.testing.assert_close(direction.norm(), own[row].norm())
            likeness = [torch.cosine_similarity(direction, d, dim=0) for d in own]
            other = found["topic"][int(torch.stack(likeness).argmax())]
            assert max(likeness) > 0.9999
            assert not vectors.loc[found["clip"][row], other]
    for case in record["cases"]:
        case["clip"] += "x"
    (world[0] / "I-seed0.own.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"has no case test.*; correct the cases again"):
        correct(world, "x", control="random", control_for=world[0] / "I-seed0.own.json")


def test_what_a_correction_changes_is_counted_over_all_clips(world):
    """Against captions of every clip by the refined encoder, asked anew."""
    folder, features = world
    cases(world)
    record = correct(world, "I-seed0.own")
    searched = correct(world, "searched", opened(world, dose="caption"), in_turn=0)
    caption_clips(folder / "I-seed0.safetensors", features["test"], folder / "whole.jsonl", beam=2,
                  max_words=4)  # fmt: skip
    whole = [json.loads(line) for line in (folder / "whole.jsonl").read_text().splitlines()]
    before = {line["clip"]: line["caption"] for line in whole}
    assert record["before"] == before
    assert any(case["changed"] for case in record["cases"])
    vectors = pd.read_csv(folder / "vectors.csv").set_index("clip")
    start = opened(world)
    file = start.files["test"]
    clips = start.clips("test", range(len(file.clips)))
    for case in record["cases"]:
        topic = case["topic"]
        seen = clips.rows([file.row[case["clip"]]]).halves()[0]
        encoder = start.refiner.correct(seen, towards(start, topic), []).encoder
        texts = start.decode(start.refiner.caption(encoder, clips))
        now = dict(zip(file.clips, texts, strict=True))
        assert case["whole"] == now.pop(case["clip"])
        assert case["changed"] == {clip: t for clip, t in now.items() if t != before[clip]}
        counts = dict.fromkeys(("gained", "without", "helped", "missing", "lost", "having"), 0)
        for clip, text in now.items():
            did, does = topic in before[clip].split(), topic in text.split()
            if not vectors.loc[clip, topic]:
                counts["without"] += 1
                counts["gained"] += does and not did
            elif did:
                counts["having"] += 1
                counts["lost"] += not does
            else:
                counts["missing"] += 1
                counts["helped"] += does
        assert {name: case[name] for name in counts} == counts
    for case in record["cases"] + searched["cases"]:
        assert case["corrected"] == (case["topic"] in case["after"].split())
        if case["dose"] is None:
            assert case["before"] == case["after"]
            assert not case["changed"]


def test_corrections_in_turn_are_of_one_captioner(world):
    found = cases(world)
    record = correct(world, "I-seed0.own")["in_turn"]
    start = opened(world)
    refiner, file = start.refiner, start.files["test"]
    halves = [start.clips("test", [file.row[clip]]).halves() for clip in found["clip"][:2]]
    clips = start.clips("test", range(10))
    before = start.decode(refiner.caption(refiner.captioner.encoder, clips))
    for (first, _), topic in zip(halves, found["topic"], strict=False):
        refiner.accept(refiner.correct(first, towards(start, topic), []), first)
    encoder = refiner.captioner.encoder
    after = start.decode(refiner.caption(encoder, clips))
    pairs = zip(file.clips, before, after, strict=True)
    assert record["changed"] == {clip: new for clip, old, new in pairs if new != old}
    assert record["doses"] == dict.fromkeys(found["clip"][:2], 30.0)
    said = [start.decode(refiner.caption(encoder, second))[0].split() for _, second in halves]
    named = [topic in own for topic, own in zip(found["topic"], said, strict=False)]
    assert record["corrected"] == sum(named)


def test_shares_are_those_of_the_record():
    """By hand: three cases, one of them not answered, among five clips."""
    words = [["cat"], ["dog"], ["sleeps"]]
    human = {"a": ["a cat sleeps"], "b": ["a dog", "a dog sleeps"], "c": ["a cat"]}
    case = dict(gained=0, without=2, helped=0, missing=0, lost=0, having=0, changed={})
    record = {
        "before": dict.fromkeys("abcde", "x"),
        "cases": [
            # It named a cat and that it sleeps, rightly, and a dog, wrongly; the cat is left.
            case | dict(clip="a", dose=1.0, corrected=True, before="cat sleeps dog walking",
                        after="cat dog", changed={"d": "y"}, gained=1, helped=1, missing=4),
            case | dict(clip="b", dose=2.0, corrected=False, before="dog", after="dog", lost=1,
                        having=2),
            case | dict(clip="c", dose=None, corrected=False, before="cat", after="cat"),
        ],
        "in_turn": {"cases": ["a", "b"], "corrected": 1},
    }  # fmt: skip
    # In the clip a dog sleeps beside a cat; of what is said before, one thing is wrong.
    drawn = ClipTruth(frozenset(["cat", "dog"]), (Done("dog", "sit", ""),), "road")
    assert _shares(record, human, words, {"a": drawn}) == {
        "corrected": pytest.approx(1 / 3),
        "true": 1,
        "true of who": 1,
        "true of what": 1,
        "true of where": 1,
        "true before": 0,
        "kept": pytest.approx((1 / 2 + 1) / 2),
        "unanswered": pytest.approx(1 / 3),
        "others changed": pytest.approx(1 / 4 / 3),
        "false positives": pytest.approx(1 / 2 / 3),
        "helped": pytest.approx(1 / 4),
        "lost": pytest.approx(1 / 2),
        "corrected in turn": pytest.approx(1 / 2),
    }


def test_networks_variants_and_controls_are_compared(world):
    folder, _ = world
    cases(world)
    own = correct(world, "I-seed0.own")
    control = dict(control_for=folder / "I-seed0.own.json")
    correct(world, "I-seed0.random", control="random", **control)
    correct(world, "I-seed0.other", control="other", **control)
    strong = opened(world, threshold=0.0)
    correct(world, "I-seed0.wide", strong)
    # As if the other network had not been helped by anything, to tell the two apart in the table.
    for variant in ("own", "wide"):
        other = json.loads((folder / f"I-seed0.{variant}.json").read_text())
        for case in other["cases"]:
            case["corrected"] = False
        (folder / f"B-seed0.{variant}.json").write_text(json.dumps(other))
    names = ("I-seed0.own", "B-seed0.own", "I-seed0.random", "I-seed0.other", "I-seed0.wide",
             "B-seed0.wide")  # fmt: skip
    tabulate_refinement(
        folder / "corpus", folder / "topics.json",
        [folder / f"{name}.json" for name in names], folder / "table.csv",
        split="test", name="folder", resamples=100, confidence=0.9, seed=0,
    )  # fmt: skip
    table = pd.read_csv(folder / "table.csv")
    assert table.loc[table["kind"] == "network", "row"].tolist() == [
        "LSTM-I", "LSTM-B", "LSTM-I, random neurons", "LSTM-I, another topic", "LSTM-I, wide",
        "LSTM-B, wide",
    ]  # fmt: skip
    differences = table[table["kind"] == "paired difference"].set_index("row")
    assert list(differences.index) == [
        "LSTM-I minus LSTM-B", "LSTM-I minus LSTM-I, random neurons",
        "LSTM-I minus LSTM-I, another topic", "LSTM-I minus LSTM-I, wide",
        "LSTM-I minus LSTM-B, wide", "LSTM-I, wide minus LSTM-B, wide",
    ]  # fmt: skip
    row = table.set_index(["row", "kind"]).loc[("LSTM-I", "network")]
    assert row["corrected"] == pytest.approx(
        np.mean([case["corrected"] for case in own["cases"]]), abs=1e-4
    )
    assert row["others changed"] == pytest.approx(
        np.mean([len(case["changed"]) / 9 for case in own["cases"]]), abs=1e-4
    )
    assert differences.loc["LSTM-I minus LSTM-B", "corrected"] == pytest.approx(row["corrected"])
    assert row["made"] == 2
    human = references_of(folder / "corpus", "test")
    halves = CaptionScorer({case["clip"]: human[case["clip"]] for case in own["cases"]},
                           meteor=None)  # fmt: skip
    scores = {
        f"halves {when}": halves.score({case["clip"]: case[when] for case in own["cases"]})
        for when in ("before", "after")
    }
    whole = CaptionScorer(human, meteor=None)
    scores["before"] = whole.score(own["before"])
    scores["in turn"] = whole.score(own["before"] | own["in_turn"]["changed"])
    for name, score in scores.items():
        assert row[f"BLEU-4 {name}"] == pytest.approx(score.corpus()["BLEU-4"], abs=1e-4)
    after = [
        whole.score(own["before"] | case["changed"] | {case["clip"]: case["whole"]}).corpus()
        for case in own["cases"]
    ]
    assert row["BLEU-4 after"] == pytest.approx(np.mean([s["BLEU-4"] for s in after]), abs=1e-4)
    assert row["BLEU-4 before low"] <= row["BLEU-4 before"] <= row["BLEU-4 before high"]
    assert row["BLEU-4 change low"] <= row["BLEU-4 change"] <= row["BLEU-4 change high"]


def test_intervals_of_shares_end_at_0_and_1():
    by_seed = [dict.fromkeys(SHARES, value) for value in (1.0, 0.9, 1.0)]
    assert _intervals(by_seed, 0.95, bounds=(0.0, 1.0))["corrected high"] == 1.0
    assert _intervals(by_seed, 0.95, bounds=(0.0, 1.0))["corrected low"] < 0.9


def test_no_case_is_a_table_without_shares(world):
    folder, _ = world
    pd.DataFrame(columns=correcting.CASE).to_csv(folder / "cases.csv", index=False)
    correct(world, "I-seed0.own")
    tabulate_refinement(
        folder / "corpus", folder / "topics.json", [folder / "I-seed0.own.json"],
        folder / "table.csv", split="test", name="folder", resamples=100, confidence=0.9, seed=0,
    )  # fmt: skip
    row = pd.read_csv(folder / "table.csv").iloc[0]
    assert row["cases"] == 0
    assert np.isnan(row["corrected"])


def refine(world, text, **changes):
    folder, _ = world
    (folder / "corrections.yaml").write_text(text)
    refine_captioner(opened(world, **changes), folder / "corrections.yaml",
                     folder / "topics.json", folder / "refined.safetensors",
                     folder / "refined.csv")  # fmt: skip
    return pd.read_csv(folder / "refined.csv")


def test_a_person_s_corrections_are_made_and_kept(world):
    folder, features = world
    table = refine(world, "- {clip: test00003, topics: [dog]}\n- {clip: train00002, topics: cat}\n")
    assert table[["clip", "split", "topic"]].values.tolist() == [
        ["test00003", "test", "dog"],
        ["train00002", "train", "cat"],
    ]
    assert (table["dose"] == 30).all()
    caption_clips(folder / "refined.safetensors", features["test"], folder / "new.jsonl", beam=2,
                  max_words=4)  # fmt: skip
    lines = [json.loads(line) for line in (folder / "new.jsonl").read_text().splitlines()]
    now = {line["clip"]: line["caption"] for line in lines}
    assert table.loc[0, "after"] == now["test00003"]
    assert table.loc[0, "said"] == ("dog" in now["test00003"].split())
    old, new = (load_captioner(folder / f"{n}.safetensors")[0] for n in ("I-seed0", "refined"))
    assert new.shape.corrections == 2
    for name, value in old.state_dict().items():
        assert torch.equal(new.state_dict()[name], value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; write a list"),
        ("- {clip: test00003, topics: [dog, dog]}", "which is there twice"),
        ("clip: test00001", "is not a list of entries"),
        ("- test00001", "entry 1: is not of the form"),
        ("- {clip: test00001}", "entry 1: is not of the form"),
        ("- {clip: test00001, topics: []}", r"entry 1 \(test00001\): names no topic"),
        ("- {clip: test00001, topics:}", r"entry 1 \(test00001\): names no topic"),
        ("- {clip: a, topics: cat}\n- {clip: a, topics: dog}", "twice"),
        ("- {clip: [", "not YAML"),
        ("- {clip: test0003, topics: [dog]}", "test0003: there is no .* did you mean test00003"),
        ("- {clip: test00003, topics: [dogs]}", "'dogs' is neither a .* did you mean dog"),
        ("- {clip: test00003, topics: [zzzz]}", "topics.json lists them"),
    ],
)  # fmt: skip
def test_corrections_that_say_nothing_or_nonsense_are_refused(world, text, message):
    with pytest.raises(InputError, match=message):
        refine(world, text)
    assert not (world[0] / "refined.safetensors").exists()


def test_a_topic_that_is_said_already_or_no_more_is_told(world, caplog):
    """With a captioner that says `cat` of all clips, whatever happens."""
    folder, _ = world
    captioner, vocabulary, backbone = load_captioner(folder / "I-seed0.safetensors")
    with torch.no_grad():
        captioner.decoder.W_p.bias[vocabulary.index("cat")] = 1e4
    save_captioner(folder / "I-seed0.safetensors", captioner, vocabulary, backbone=backbone)
    corrections = "- {clip: test00003, topics: [cat, dog]}\n"
    table = refine(world, corrections, dose="caption").set_index("topic")
    assert table.loc["cat", "dose"] == 0
    assert np.isnan(table.loc["dog", "dose"])
    assert "test00003: cat: says it already; nothing is changed for it" in caplog.text
    assert "test00003: dog: no dose makes it say that; nothing is changed" in caplog.text
    assert load_captioner(folder / "refined.safetensors")[0].shape.corrections == 0
    caplog.clear()
    refine(world, corrections)
    assert "test00003: after all corrections it no longer says dog; give fewer" in caplog.text


def test_an_empty_list_refines_nothing(world):
    table = refine(world, "[]")
    assert table.empty
    folder, _ = world
    old, new = (load_captioner(folder / f"{n}.safetensors")[0] for n in ("I-seed0", "refined"))
    for name, value in new.state_dict().items():
        assert torch.equal(value, old.state_dict()[name])


def test_a_missing_file_of_corrections_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file; write a list"):
        read_corrections(tmp_path / "corrections.yaml")


@pytest.mark.parametrize(
    "changes", [{"direction": "spoken"}, {"weights": "encoder", "dose": 1.0}], ids=str
)
def test_a_captioner_of_signed_features_is_refined_too(world, changes):
    folder, _ = world
    captioner, vocabulary, backbone = load_captioner(folder / "I-seed0.safetensors")
    signed = Captioner(CaptionerShape(**{**vars(captioner.shape), "features": "signed"}))
    save_captioner(folder / "I-seed0.safetensors", signed, vocabulary, backbone=backbone)
    refine(world, "- {clip: test00003, topics: [dog]}\n", **changes)
    refined = load_captioner(folder / "refined.safetensors")[0]
    assert refined.shape.features == "signed"
