"""Failure triage on planted mistakes whose kind is known, and its scores against literal counts."""

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from seewhy.errors import InputError
from seewhy.summaries.evidence import describe_train, gather_evidence
from seewhy.summaries.image_statistics import image_statistics
from seewhy.summaries.triage import (
    AMBIGUOUS,
    KINDS,
    Thresholds,
    fit_thresholds,
    macro_f1,
    say_evidence,
    triage,
    true_kinds,
)
from seewhy.summaries.triage_table import (
    fit_confidence,
    majority,
    tabulate_evidence,
    tabulate_triage,
    triage_scores,
)

CLASSES, FILTERS = 4, 16  # classes, filters: four filters a class
NAMES = [f"attribute {k}" for k in range(FILTERS)]
WEIGHTS = np.kron(np.eye(CLASSES), np.ones(4))


class Planted:
    """Images whose filters are their attributes, some with a fault that is told."""

    def __init__(self, m, seed, faults=True):
        rng = np.random.default_rng(seed)
        self.true = rng.integers(CLASSES, size=m)
        self.given = self.true.copy()
        strength = WEIGHTS[self.true] * 2 + rng.normal(0, 0.25, (m, FILTERS))
        self.faults = np.full(m, "", dtype=object)
        images = rng.uniform(0.4, 0.6, (m, 12, 12, 3))
        for i in range(m if faults else 0):
            other = (self.true[i] + 1) % CLASSES
            draw = rng.random()
            if draw < 0.15:  # the label is another's
                self.faults[i], self.given[i] = "label", other
            elif draw < 0.3:  # a blue flash that sets off filters of two other classes
                self.faults[i] = "perturbation"
                images[i, ..., 2] = 1
                strength[i] += 2.5 * WEIGHTS[other] + 1.5 * WEIGHTS[(other + 1) % CLASSES]
            elif draw < 0.5:  # discriminative features hidden, and some of another's seen
                strength[i] -= 1.6 * WEIGHTS[self.true[i]]
                strength[i] += 1.0 * WEIGHTS[other]
        self.phi = strength.clip(min=0)
        self.logits = self.phi @ WEIGHTS.T
        said = rng.random((m, FILTERS)) < 0.05 + 0.6 * WEIGHTS[self.true]
        self.presence = csr_matrix(said)
        self.statistics = image_statistics(images)

    def evidence(self, train, **without):
        given = {"presence": self.presence, "statistics": self.statistics} | without
        return gather_evidence(train, self.phi, self.logits, self.given, **given)

    @property
    def wrong(self):
        return self.logits.argmax(1) != self.given

    @property
    def kinds(self):
        return true_kinds(self.faults)[self.wrong]


@pytest.fixture(scope="module")
def train():
    known = Planted(400, 0, faults=False)
    return describe_train(
        known.phi, known.given, WEIGHTS, np.eye(FILTERS), NAMES,
        presence=known.presence, statistics=known.statistics,
    )  # fmt: skip


@pytest.fixture(scope="module")
def thresholds(train):
    validation = Planted(500, 1)
    return fit_thresholds(validation.evidence(train)[validation.wrong], validation.kinds)


def test_planted_mistakes_are_told_apart(train, thresholds):
    test = Planted(500, 2)
    wrong = test.wrong
    truth = test.kinds
    assert min((truth == kind).sum() for kind in KINDS) > 20
    kinds = triage(test.evidence(train)[wrong], thresholds)
    for kind in KINDS:
        assert (kinds[truth == kind] == kind).mean() > 0.9
        assert (truth[kinds == kind] == kind).mean() > 0.9


def test_faults_show_in_the_activations_alone(train):
    without = {"presence": None, "statistics": None}
    validation, test = Planted(500, 1), Planted(500, 2)
    known = validation.evidence(train, **without)[validation.wrong]
    fitted = fit_thresholds(known, validation.kinds)
    evidence = test.evidence(train, **without)[test.wrong]
    assert evidence[["caption fit", "oddness"]].isna().all().all()
    assert (triage(evidence, fitted) == test.kinds).mean() > 0.85


def test_evidence_is_that_of_the_definition(train):
    test = Planted(60, 3)
    evidence = test.evidence(train)
    for i in range(60):
        g, c = test.given[i], test.logits[i].argmax()
        row = evidence.iloc[i]
        away, near = (
            np.sqrt(np.mean(((test.phi[i] - train.mean[k]) / train.spread) ** 2)) / train.typical[k]
            for k in (g, c)
        )
        assert row["nearer"] == pytest.approx(away / near)
        assert row["inside"] == pytest.approx(1 / near)
        assert row["far"] == pytest.approx(min(away, near))
        lost = [
            (WEIGHTS[g, k] - WEIGHTS[c, k]) * (train.mean[g, k] - test.phi[i, k])
            for k in range(FILTERS)
        ]
        assert row["lost"] == pytest.approx(sum(lost))
        margin_at_mean = (WEIGHTS[g] - WEIGHTS[c]) @ train.mean[g]
        assert row["lost"] == pytest.approx(margin_at_mean + test.logits[i, c] - test.logits[i, g])
        if g != c:
            deviation = (test.phi[i] - train.mean[g]) / train.spread
            tells = (WEIGHTS[c] - WEIGHTS[g]) * train.spread
            cosine = deviation @ tells / np.linalg.norm(deviation) / np.linalg.norm(tells)
            assert row["towards"] == pytest.approx(cosine)
            for_given = [x for k, x in enumerate(lost) if WEIGHTS[g, k] > WEIGHTS[c, k]]
            unseen = sum(x for x in for_given if x > 0)
            share = unseen / sum(x for x in lost if x > 0)
            assert row["unseen share"] == pytest.approx(share)
        own = test.presence[[i]].indices
        shares = [
            (train.profile[k, own] * train.images[k] + 0.5) / (train.images[k] + 1) for k in (c, g)
        ]
        assert row["caption fit"] == pytest.approx(
            np.log(shares[0] / shares[1]).mean(), nan_ok=True
        )


def test_attributes_of_a_mistake_are_named(train):
    phi = train.mean[[0, 0, 0]].copy()
    phi[0, [1, 2]] = 0  # two of class 0's own are not seen,
    phi[0, 5] = 9  # and one of class 1's weighs too much
    phi[1, :4], phi[1, 4:8] = 0, 2
    logits = phi @ WEIGHTS.T
    logits[2, 1] = 99  # class 1 is said; its filters are silent
    phi[2, 12:] = 3
    presence = csr_matrix(np.eye(FILTERS)[[4, 6, 0]])
    found = gather_evidence(train, phi, logits, np.zeros(3, int), presence=presence)
    assert found["predicted"].tolist() == [1, 1, 1]
    assert set(found.loc[0, "unseen"].split(", ")) == {"attribute 1", "attribute 2"}
    assert found.loc[0, "excess"] == "attribute 5"
    assert found.loc[0, "told"] == "attribute 4"
    assert found.loc[2, "told"] == ""
    line = say_evidence(found.loc[0], "missing", ["wren", "owl", "crow", "gull"])
    assert line.startswith("wren taken for owl: missing (not seen: attribute")
    assert "too much: attribute 5" in line
    assert "attribute 6" in say_evidence(found.loc[1], "label", ["wren", "owl", "crow", "gull"])
    assert "not decide" in say_evidence(found.loc[1], AMBIGUOUS, ["wren", "owl", "crow", "gull"])


def test_attributes_of_neither_class_are_foreign():
    # the filter that class 1 weighs most stands for an attribute that no caption of 0 or 1 has
    weights, pdf = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 1.0]]), np.eye(3)
    names = ["red crown", "grey tail", "blue head"]
    phi = np.repeat([[2, 0, 0], [0, 2, 0.1], [0, 0, 2.0]], 5, axis=0)
    labels = np.repeat([0, 1, 2], 5)
    presence = csr_matrix(np.eye(3)[labels])
    train = describe_train(phi, labels, weights, pdf, names, presence=presence)
    odd = np.array([[0.5, 0, 3]])
    found = gather_evidence(train, odd, np.array([[0.5, 3, 2]]), np.array([0]), top=1)
    assert found.loc[0, "foreign"] == 1
    assert found.loc[0, "foreign attributes"] == "blue head"
    assert found.loc[0, "far"] > 100
    line = say_evidence(found.loc[0], "perturbation", ["a", "b", "c"])
    assert "blue head of neither class" in line


def test_statistics_see_blur_noise_light_and_colour():
    rng = np.random.default_rng(0)
    image = np.full((32, 32, 3), 0.5)
    image[8:24, 8:24] = [0.8, 0.3, 0.2]
    noisy = (image + rng.normal(0, 0.1, image.shape)).clip(0, 1)
    soft = image.copy()
    for _ in range(20):
        soft = (soft + np.roll(soft, 1, 0) + np.roll(soft, 1, 1) + np.roll(soft, -1, 1)) / 4
    blue = image * [0.5, 0.5, 1]
    found = image_statistics(np.stack([image, noisy, soft, blue, image * 0.5]))
    plain = found.iloc[0]
    assert found.loc[1, "grain"] > plain["grain"] + 1
    assert found.loc[2, "sharpness"] < plain["sharpness"] - 1
    assert found.loc[3, "yellow-blue"] < plain["yellow-blue"] - 0.1
    assert found.loc[4, "brightness"] == pytest.approx(plain["brightness"] / 2)
    assert found.loc[4, "saturation"] == pytest.approx(plain["saturation"])
    grey = image @ [0.299, 0.587, 0.114]
    assert plain[["brightness", "contrast"]].tolist() == pytest.approx([grey.mean(), grey.std()])
    laplacian = [
        grey[y - 1, x] + grey[y + 1, x] + grey[y, x - 1] + grey[y, x + 1] - 4 * grey[y, x]
        for y in range(1, 31) for x in range(1, 31)
    ]  # fmt: skip
    assert plain["sharpness"] == pytest.approx(np.log(np.std(laplacian) + 1e-3))
    bytes_ = np.rint(image * 255).astype(np.uint8)[None]
    pd.testing.assert_frame_equal(image_statistics(bytes_), found[:1], atol=0.1)
    with pytest.raises(InputError, match=r"the shape is \(2, 8, 8\)"):
        image_statistics(np.zeros((2, 8, 8)))
    with pytest.raises(InputError, match=r"image 0 has values from 63.75 to 255"):
        image_statistics(image[None] * 318.75)


def test_thresholds_never_do_worse_than_the_majority_where_they_are_fitted(train):
    rng = np.random.default_rng(7)
    validation = Planted(300, 8)
    evidence = validation.evidence(train)[validation.wrong]
    truth = rng.permutation(validation.kinds)
    fitted = fit_thresholds(evidence, truth)
    all_missing = {kind: np.full((1, len(truth)), kind == "missing") for kind in KINDS}
    assert fitted.f1 >= macro_f1(all_missing, truth)[0]
    kinds = triage(evidence, fitted)
    said = macro_f1({kind: (kinds == kind)[None] for kind in KINDS}, truth)
    assert fitted.f1 == pytest.approx(said[0])


def test_thresholds_are_the_best_of_the_grid(train, monkeypatch):
    monkeypatch.setattr("seewhy.summaries.triage._LEVELS", 3)
    validation = Planted(150, 9)
    evidence, truth = validation.evidence(train)[validation.wrong], validation.kinds
    fitted = fit_thresholds(evidence, truth)
    values = {
        name: np.nanquantile(evidence[name], [1 / 3, 2 / 3]).tolist()
        for name in ("nearer", "inside", "caption fit", "far", "foreign", "oddness")
    }
    labels = [*product(*([-np.inf, *values[n]] for n in list(values)[:3])), (np.inf,) * 3]
    found = []
    for label, odd in product(labels, product(*([*values[n], np.inf] for n in list(values)[3:]))):
        rules = Thresholds(
            dict(zip(list(values)[:3], label, strict=True)),
            dict(zip(list(values)[3:], odd, strict=True)), -np.inf, 0,
        )  # fmt: skip
        kinds = triage(evidence, rules)
        found.append(macro_f1({kind: (kinds == kind)[None] for kind in KINDS}, truth)[0])
    kinds = triage(evidence, replace(fitted, towards=-np.inf))
    best = macro_f1({kind: (kinds == kind)[None] for kind in KINDS}, truth)[0]
    assert best == pytest.approx(max(found))
    assert fitted.f1 >= best


def test_scores_are_the_counts_of_the_drawn_mistakes():
    rng = np.random.default_rng(0)
    truth, kinds = rng.choice(KINDS, 50), rng.choice([*KINDS, AMBIGUOUS], 50)
    drawn = rng.integers(50, size=(4, 50))
    times = np.stack([np.bincount(d, minlength=50) for d in drawn]).astype(float)
    found = triage_scores(kinds, truth)(times)
    for i, some in enumerate(drawn):
        said, true = kinds[some], truth[some]
        f1 = []
        for kind in KINDS:
            precision = (true[said == kind] == kind).mean()
            recall = (said[true == kind] == kind).mean()
            assert found[f"precision {kind}"][i] == pytest.approx(precision)
            assert found[f"recall {kind}"][i] == pytest.approx(recall)
            both = (said == kind).sum() + (true == kind).sum()
            f1.append(2 * ((said == kind) & (true == kind)).sum() / both)
        assert found["macro F1"][i] == pytest.approx(np.mean(f1))
        assert found["accuracy"][i] == pytest.approx((said == true).mean())
        assert found["ambiguous"][i] == pytest.approx((said == AMBIGUOUS).mean())


def test_the_confidence_rule_finds_its_cuts_and_the_majority_its_kind():
    confidence = np.r_[np.linspace(0, 0.2, 30), np.linspace(0.4, 0.5, 40), np.linspace(0.8, 1, 30)]
    truth = np.repeat(["perturbation", "missing", "label"], [30, 40, 30])
    rule = fit_confidence(confidence, truth)
    assert rule.kinds == ("perturbation", "missing", "label")
    assert (rule(confidence) == truth).mean() > 0.95
    assert majority(truth) == "missing"


def test_the_table_holds_the_triage_against_its_baselines(train, thresholds):
    validation, test = Planted(500, 1), Planted(500, 2)
    known, new = validation.evidence(train)[validation.wrong], test.evidence(train)[test.wrong]
    before, truth = validation.kinds, test.kinds
    rule = fit_confidence(known["confidence"].to_numpy(), before)
    baselines = {
        "majority": np.full(len(truth), majority(before)),
        "confidence": rule(new["confidence"].to_numpy()),
    }
    table = tabulate_triage({"triage": triage(new, thresholds)}, baselines, truth, resamples=200)
    table = table.set_index("row")
    assert table.loc["triage", "macro F1"] > 0.9
    assert table.loc["triage minus majority", "verdict"] == "confirmed"
    assert table.loc["triage minus confidence", "verdict"] == "confirmed"
    share = (truth == majority(before)).mean()
    assert table.loc["majority", f"precision {majority(before)}"] == pytest.approx(share)
    assert table.loc["majority", "macro F1"] == pytest.approx(2 * share / (share + 1) / 3)
    assert table.loc["triage", "true label"] == (truth == "label").sum()


def test_each_number_alone_is_scored_by_the_area_under_its_curve(train):
    test = Planted(300, 2)
    evidence, truth = test.evidence(train)[test.wrong], test.kinds
    table = tabulate_evidence(evidence, truth, resamples=100).set_index("evidence")
    for name, kind in (("oddness", "perturbation"), ("nearer", "label"), ("foreign", "missing")):
        one, two = (evidence[name].to_numpy()[some] for some in (truth == kind, truth != kind))
        area = np.mean([(a > b) + (a == b) / 2 for a in one for b in two])
        row = table.loc[name]
        assert row[kind] == pytest.approx(area)
        assert row[f"{kind} low"] <= area <= row[f"{kind} high"]
    assert table.loc["oddness", "perturbation"] > 0.95
    assert table.loc["caption fit", "label"] > 0.9
    absent = tabulate_evidence(evidence.assign(oddness=np.nan), truth, resamples=10)
    assert "oddness" not in set(absent["evidence"])


def test_what_does_not_fit_is_refused(train):
    with pytest.raises(InputError, match="'blur' is not known"):
        true_kinds(["", "blur"])
    phi = np.ones((4, FILTERS))
    with pytest.raises(InputError, match="class 3 has no train image"):
        describe_train(phi, [0, 1, 2, 2], WEIGHTS, np.eye(FILTERS), NAMES)
    with pytest.raises(InputError, match="labels run from 0 to 7; there are 4 classes"):
        describe_train(phi, [0, 1, 2, 7], WEIGHTS, np.eye(FILTERS), NAMES)
    with pytest.raises(InputError, match=r"phi \(4, 15\)"):
        describe_train(phi[:, 1:], [0, 1, 2, 3], WEIGHTS, np.eye(FILTERS), NAMES)
    logits = np.eye(4)
    with pytest.raises(InputError, match=r"logits \(4, 3\)"):
        gather_evidence(train, phi, logits[:, :3], np.arange(4))
    with pytest.raises(InputError, match="statistics grain of 4 images"):
        gather_evidence(
            train, phi, logits, np.arange(4), statistics=pd.DataFrame({"grain": [1.0] * 4})
        )
    with pytest.raises(InputError, match=r"captions' attributes are \(4, 3\)"):
        gather_evidence(train, phi, logits, np.arange(4), presence=csr_matrix((4, 3)))
    right = gather_evidence(train, phi, logits, np.arange(4))
    with pytest.raises(InputError, match="0 validation mistakes and 0 recorded kinds"):
        fit_thresholds(right[:0], [])
    with pytest.raises(InputError, match="4 validation mistakes and 1 recorded kinds"):
        fit_thresholds(right, [""])
    with pytest.raises(InputError, match="'guess' is no kind"):
        triage_scores(np.array(["guess"]), np.array(["label"]))
