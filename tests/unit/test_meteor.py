"""METEOR's formula against the program's own, and the program under hostile circumstances."""

import stat
import time
from pathlib import Path

import numpy as np
import pytest

from seewhy.errors import InputError
from seewhy.scores.captions import score_captions
from seewhy.scores.meteor import STATISTICS, Meteor, meteor_score


@pytest.fixture(scope="module")
def meteor():
    """METEOR in a German environment, where an ordinary Java writes 0,5 for 0.5."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LC_ALL", "de_DE.UTF-8")
        patch.setenv("LANG", "de_DE.UTF-8")
        patch.setenv("_JAVA_OPTIONS", "-Duser.language=de -Duser.country=DE")
        with Meteor() as running:
            yield running


HYPOTHESES = [
    "a man rides a horse",
    "a man is riding a horse",  # its reference, word for word
    "the dog eats fast",
    "zebra",
    "",
    "someone is quickly cooking food in the kitchen with a big pan",
    "horse a riding is man a",
]
REFERENCES = [
    ["a person is riding a horse", "the man rode horses"],
    ["a man is riding a horse"],
    ["a hound is eating quickly", "dogs eat"],
    ["a cat"],
    ["a cat sleeps"],
    ["a person prepares a meal in a large frying pan", "a woman cooks"],
    ["a man is riding a horse"],
]


def test_formula_equals_the_programs_own(meteor):
    statistics = meteor.statistics(HYPOTHESES, REFERENCES)
    assert statistics.shape == (len(HYPOTHESES), STATISTICS)
    assert statistics[:, 4:20].reshape(-1, 4, 4).any(axis=(0, 2)).all()  # all four modules matched
    each, together = meteor.scores(statistics)
    np.testing.assert_allclose(meteor_score(statistics), each, atol=1e-12)
    assert meteor_score(statistics.sum(0)) == pytest.approx(together, abs=1e-12)
    assert each[1] == 1.0
    assert each[3] == each[4] == 0.0
    assert 0.2 < together < 0.9


def test_formula_equals_the_programs_own_on_resamples(meteor):
    statistics = meteor.statistics(HYPOTHESES, REFERENCES)
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(statistics), size=(20, 9))
    ours = meteor_score(statistics[drawn].sum(1))
    theirs = [meteor.scores(statistics[row])[1] for row in drawn]
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_a_perfect_caption_counts_alike_alone_and_in_the_programs_raw_form(meteor):
    # The program's raw answer has one chunk; we count none, which its own sum does as well.
    ours = meteor.statistics(HYPOTHESES[:2], REFERENCES[:2])
    raw = ours.copy()
    raw[1, 20] = 1.0
    assert ours[1, 20] == 0.0
    assert meteor.scores(raw)[1] == pytest.approx(float(meteor_score(ours.sum(0))), abs=1e-12)


def test_weird_text_gets_an_answer(meteor):
    weird = [
        "a ||| b ||| c",
        "|||",
        "||||",
        "two\nlines\r\nof text",
        "日本語 ünï \u2028 \x85 \x0b text",
        "half a pair \ud800",
        "nul \x00 byte",
        "SCORE ||| EVAL",
        "a " * 300,
    ]
    statistics = meteor.statistics(weird, [["a man ||| rides\nhere"]] * len(weird))
    assert statistics.shape == (len(weird), STATISTICS)
    assert list(statistics[:4, 0]) == [3, 0, 1, 4]  # words of each, none lost to the bars
    # and it still answers the next question rightly
    assert meteor.scores(meteor.statistics(["a cat"], [["a cat"]]))[1] == 1.0


def test_many_captions_do_not_fill_the_pipes(meteor):
    statistics = meteor.statistics(["a man rides a horse"] * 1500, [REFERENCES[0] * 10] * 1500)
    assert (statistics == statistics[0]).all()


def test_scores_by_clip_hold_meteor(meteor):
    references = {str(i): texts for i, texts in enumerate(REFERENCES)}
    scores = score_captions(
        {str(i): h for i, h in enumerate(HYPOTHESES)}, references, meteor=meteor
    )
    each, together = meteor.scores(meteor.statistics(HYPOTHESES, REFERENCES))
    np.testing.assert_allclose(scores.table()["METEOR"], each, atol=1e-12)
    assert scores.corpus()["METEOR"] == pytest.approx(together, abs=1e-12)
    drawn = scores.weighted([[2, 1, *[0] * (len(scores.clips) - 2)]])["METEOR"][0]
    assert drawn == pytest.approx(meteor.scores(scores.meteor[[0, 0, 1]])[1], abs=1e-12)


def test_a_clip_without_references_is_named(meteor):
    with pytest.raises(InputError, match="'a dog' has no reference"):
        meteor.statistics(["a dog"], [[" "]])


def fake_java(folder: Path, script: str) -> Path:
    path = folder / "java"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_java_that_cannot_start(tmp_path):
    with (
        pytest.raises(InputError, match="no-java: Java cannot be started"),
        Meteor(java=tmp_path / "no-java"),
    ):
        pass


def test_java_that_dies_is_quoted():
    with Meteor(memory="1k") as tiny, pytest.raises(InputError, match=r"Java stopped .*heap"):
        tiny.statistics(["a dog"], [["a dog"]])


def test_java_that_says_too_much_does_not_block_us(tmp_path):
    # 200 kB of complaints would fill the pipe of a program that does not read them.
    java = fake_java(tmp_path, 'yes complaint | head -c 200000 >&2; echo "0 1 2"; sleep 60')
    with (
        Meteor(java=java, timeout=20) as chatty,
        pytest.raises(InputError, match=r"Java stopped \(0 1 2 complaint"),
    ):
        chatty.statistics(["a dog"], [["a dog"]])


def test_silent_java_times_out_and_is_ended(tmp_path):
    java = fake_java(tmp_path, "exec sleep 60")
    start = time.perf_counter()
    with Meteor(java=java, timeout=0.3) as silent:
        process = silent._process
        # Far more text than a pipe holds, to a program that does not read.
        with pytest.raises(InputError, match=r"METEOR: no answer in 0\.3 s"):
            silent.statistics(["a dog " * 50] * 5000, [["a dog"]] * 5000)
    assert process.poll() is not None
    assert time.perf_counter() - start < 20


def test_the_process_ends_with_the_block_also_after_an_error(tmp_path):
    java = fake_java(tmp_path, "exec sleep 60")
    running = Meteor(java=java)
    processes = []

    def fail():
        with running:
            processes.append(running._process)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert processes[0].poll() is not None
    with pytest.raises(RuntimeError, match="outside its with block"):
        running.statistics(["a"], [["a"]])
