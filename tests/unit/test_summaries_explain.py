"""Explanations: literal loops over eqs. 5 to 8, parts that sum to the margin, and abstention."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seewhy.errors import InputError
from seewhy.summaries import contrast, explain
from seewhy.summaries.contrast import contrast_classes, deal_margin
from seewhy.summaries.exemplars import attribute_exemplars, filter_exemplars
from seewhy.summaries.explain import (
    class_importance,
    describe_class,
    describe_classes,
    explain_image,
    explain_images,
    filter_importance,
    signed_importance,
)

NAMES = ["red bill", "black cap", "long tail", "white belly"]


def a_network(seed=0, m=6, n=5, l=4, o=3, empty=True):  # noqa: E741
    rng = np.random.default_rng(seed)
    phi = rng.gamma(1.0, 1.0, (m, n))
    weight, bias = rng.normal(size=(o, n)), rng.normal(size=o)
    scores = np.maximum(rng.normal(size=(n, l)), 0)
    if empty:
        scores[n // 2] = 0  # a filter without any attribute
    total = scores.sum(axis=1, keepdims=True)
    return phi, weight, bias, scores / np.where(total > 0, total, 1)


def say(class_name, attributes):
    return f"This is a {class_name} because it has {', '.join(attributes)}."


# --- equations ------------------------------------------------------------------------------------


def test_the_explanation_is_eqs_5_and_6_literally():
    phi, weight, bias, p_t_f = a_network()
    found = explain_images(phi, weight, p_t_f, NAMES, bias=bias, draws=0, top=4)
    for i, said in enumerate(found):
        logits = [sum(weight[c, k] * phi[i, k] for k in range(5)) + bias[c] for c in range(3)]
        m = logits.index(max(logits))
        above = [max(phi[i, k] * weight[m, k], 0) for k in range(5)]
        p_f = [value / sum(above) for value in above]  # eq. 6
        p_t = [sum(p_t_f[k, j] * p_f[k] for k in range(5)) for j in range(4)]  # eq. 5
        ranked = sorted(range(4), key=lambda j: -p_t[j])
        assert (said.image, said.class_, said.class_name) == (i, m, f"class {m}")
        assert [r.name for r in said.attributes] == [NAMES[j] for j in ranked if p_t[j] > 0]
        np.testing.assert_allclose(
            [r.score for r in said.attributes], sorted((p for p in p_t if p), reverse=True), 1e-5
        )


def test_the_description_of_a_class_is_eqs_7_and_8_literally():
    _, weight, _, p_t_f = a_network(1)
    found = describe_classes(weight, p_t_f, NAMES, draws=0, top=4, classes=["tern", "gull", "auk"])
    for m, said in enumerate(found):
        above = [max(w, 0) for w in weight[m]]
        p_f = [value / sum(above) for value in above]  # eq. 8
        p_t = {NAMES[j]: sum(p_t_f[k, j] * p_f[k] for k in range(5)) for j in range(4)}  # eq. 7
        assert {r.name: r.score for r in said.attributes} == pytest.approx(
            {name: p for name, p in p_t.items() if p > 0}, rel=1e-5
        )
        scores = [r.score for r in said.attributes]
        assert scores == sorted(scores, reverse=True)
        assert said.class_name == ("tern", "gull", "auk")[m]
        alone = describe_class(
            said.class_name, weight, p_t_f, NAMES, draws=0, top=4, classes=["tern", "gull", "auk"]
        )
        assert [r.name for r in alone.attributes] == [r.name for r in said.attributes]
        assert alone.class_ == m


def test_importance_is_a_distribution_over_the_filters_that_speak_for_the_class():
    phi = np.array([[1.0, 2.0, 3.0], [1.0, 0.0, 0.0]])
    w = np.array([2.0, -1.0, 1.0])
    np.testing.assert_allclose(signed_importance(phi, w), [[2, -2, 3], [2, 0, 0]])
    np.testing.assert_allclose(filter_importance(phi, w), [[0.4, 0, 0.6], [1, 0, 0]])
    np.testing.assert_allclose(filter_importance(phi, np.stack([w, -w])), [[0.4, 0, 0.6], [0] * 3])
    np.testing.assert_allclose(class_importance(np.stack([w, -w])), [[2 / 3, 0, 1 / 3], [0, 1, 0]])


def test_images_in_groups_are_explained_as_one_by_one(monkeypatch):
    phi, weight, bias, p_t_f = a_network(2, m=20)
    together = explain_images(phi, weight, p_t_f, NAMES, bias=bias, level=1.0)
    monkeypatch.setattr(explain, "_FLOATS", 1)
    monkeypatch.setattr(contrast, "_FLOATS", 1)
    for i, (one, group) in enumerate(
        zip(explain_images(phi, weight, p_t_f, NAMES, bias=bias, level=1.0), together, strict=True)
    ):
        alone = explain_image(phi[i], weight, p_t_f, NAMES, bias=bias, level=1.0)
        assert one.image == group.image == i
        for other in (group, alone):
            assert [r.name for r in one.attributes] == [r.name for r in other.attributes]
            assert [r.p for r in one.attributes] == [r.p for r in other.attributes]
    parts = contrast_classes(phi, weight, bias, p_t_f, NAMES, 0, 1)
    assert [held.image for held in parts] == list(range(20))


def test_no_image_gets_no_explanation():
    _, weight, _, p_t_f = a_network()
    assert explain_images(np.zeros((0, 5)), weight, p_t_f, NAMES) == []
    assert contrast_classes(np.zeros((0, 5)), weight, np.zeros(3), p_t_f, NAMES, 0, 1) == []


def test_a_class_that_is_asked_for_is_explained():
    phi, weight, _, p_t_f = a_network()
    classes = ["tern", "gull", "auk"]
    found = explain_images(
        phi, weight, p_t_f, NAMES, draws=0, asked=["auk"] * 5 + [0], classes=classes
    )
    assert [said.class_name for said in found] == ["auk"] * 5 + ["tern"]
    assert explain_image(phi[0], weight, p_t_f, NAMES, asked=1, draws=0).class_ == 1


# --- abstention -----------------------------------------------------------------------------------


def a_large_network(seed, *, n=120, l=30, related=True):  # noqa: E741
    """Each filter has an attribute or so; with `related`, the class reads those of attribute 3."""
    rng = np.random.default_rng(seed)
    p_t_f = np.full((n, l), 0.01) + 0.02 * rng.random((n, l))
    first = rng.integers(0, l, n)
    p_t_f[np.arange(n), first] += 1
    p_t_f /= p_t_f.sum(axis=1, keepdims=True)
    phi = rng.gamma(1.0, 1.0, (1, n))
    weight = rng.normal(size=(2, n))
    weight[1] = 0
    if related:
        weight[0, first == 3] = 3
        phi[0, first == 3] += 2
    return phi, weight, p_t_f, [f"attribute {j}" for j in range(l)]


def test_what_the_filters_of_a_class_mean_is_named_and_little_else():
    for seed in range(10):
        said = explain_images(*a_large_network(seed), asked=[0])[0]
        assert said.attributes[0].name == "attribute 3"
        assert len(said.attributes) <= 2
        assert all(reason.p <= 0.05 for reason in said.attributes)


def test_filters_that_mean_nothing_for_the_class_give_a_reason_in_one_image_of_twenty():
    said = [
        explain_images(*a_large_network(seed, related=False), asked=[0])[0] for seed in range(200)
    ]
    spoken = np.mean([not one.abstains for one in said])
    assert 0 < spoken < 0.1  # 0.05 and what 200 draws of it vary by
    paper = explain_images(*a_large_network(0, related=False), asked=[0], draws=0)[0]
    assert len(paper.attributes) == 5  # the paper's rule always speaks
    assert np.isnan(paper.attributes[0].p)


def test_filters_that_are_all_alike_support_nothing():
    phi, weight, _, _ = a_network(empty=False)
    alike = np.tile([0.4, 0.3, 0.2, 0.1], (5, 1))
    assert all(said.abstains for said in explain_images(phi, weight, alike, NAMES))


def test_p_is_the_share_of_exchanges_that_reach_as_much_literally():
    phi, weight, _, p_t_f = a_network(3, n=8)
    said = explain_images(phi[:1], weight, p_t_f, NAMES, asked=[0], level=1.0, draws=40, seed=5)[0]
    g = filter_importance(phi[:1], weight[0])[0]
    rng = np.random.default_rng(5)

    def standard(g):
        z = []
        for s in p_t_f.T:
            spread = np.sqrt(((g - g.mean()) ** 2).sum() * ((s - s.mean()) ** 2).sum() / 7)
            z.append((g @ s - 8 * g.mean() * s.mean()) / spread)
        return np.array(z)

    highest = [standard(g[np.argsort(rng.permutation(8))]).max() for _ in range(40)]
    own = dict(zip(NAMES, standard(g), strict=True))
    for reason in said.attributes:
        reached = sum(value >= own[reason.name] - 1e-4 for value in highest)
        assert reason.p == pytest.approx((1 + reached) / 41)


def test_mean_and_spread_of_the_exchange_are_exact():
    g, s = np.array([0.6, 0.3, 0.1, 0.0]), np.array([0.9, 0.2, 0.0, 0.5])
    given = [g[list(order)] @ s for order in itertools.permutations(range(4))]
    table = explain._Table(s[:, None], np.array([0]))
    z = table.standard(g[None], np.array([[0.5]]))
    assert z[0, 0] == pytest.approx((0.5 - np.mean(given)) / np.std(given), rel=1e-5)


def test_an_attribute_of_few_images_is_not_named():
    phi, weight, p_t_f, names = a_large_network(0)
    support = np.full(30, 9)
    support[3] = 4
    said = explain_images(phi, weight, p_t_f, names, asked=[0], support=support, draws=0)[0]
    assert "attribute 3" not in [reason.name for reason in said.attributes]
    support[:] = 0
    assert explain_images(phi, weight, p_t_f, names, support=support)[0].abstains


def test_a_class_that_no_filter_speaks_for_gets_no_reason():
    phi, weight, bias, p_t_f = a_network()
    weight[1] = -1
    said = explain_images(phi, weight, p_t_f, NAMES, bias=bias, asked=[1] * 6, draws=0)
    assert all(one.abstains for one in said)


def test_sentences_are_said_by_another_and_abstention_says_so():
    phi, weight, p_t_f, names = a_large_network(0)
    said = explain_images(phi, weight, p_t_f, names, asked=[0], classes=["tern", "gull"], top=1)[0]
    assert said.sentence(say) == "This is a tern because it has attribute 3."
    silent = dataclasses.replace(said, attributes=())
    assert silent.sentence(say) == "This is a tern; no attribute says why better than chance."


# --- contrasts ------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    scale=st.floats(1e-3, 1e3),
    classes=st.permutations(range(3)),
    top=st.integers(1, 6),
    empty=st.booleans(),
)
def test_contributions_sum_to_the_margin(seed, scale, classes, top, empty):
    phi, weight, bias, p_t_f = a_network(seed, empty=empty)
    phi = phi * scale
    i, j = classes[:2]
    logits = phi @ weight.T + bias
    margin = logits[:, i] - logits[:, j]
    dealt = deal_margin(phi, weight, bias, 7 * p_t_f, [i] * 6, [j] * 6)  # rows need not sum to 1
    total = dealt.attributes.sum(axis=1) + dealt.no_attribute + dealt.bias
    np.testing.assert_allclose(total, margin, rtol=1e-9, atol=1e-9 * scale)
    for k, held in enumerate(contrast_classes(phi, weight, bias, p_t_f, NAMES, i, j, top=top)):
        assert held.margin == pytest.approx(margin[k], rel=1e-9, abs=1e-9 * scale)
        assert held.total == pytest.approx(held.margin, rel=1e-9, abs=1e-9 * scale)
        assert all(part > 0 for _, part in held.favour)
        assert all(part < 0 for _, part in held.against)


def test_a_contrast_worked_by_hand():
    phi = np.array([[1.0, 2.0, 3.0]])
    weight, bias = np.array([[2.0, 1.0, 0.5], [0.0, 2.0, 0.0]]), np.array([0.5, 0.25])
    scores = np.array([[3.0, 1.0], [0.0, 2.0], [0.0, 0.0]])
    (held,) = contrast_classes(
        phi, weight, bias, scores, ["cap", "bill"], "tern", "gull", classes=["tern", "gull"]
    )
    # Filters: 2, -2, 1.5; the first is three quarters cap, the second all bill, the third nothing.
    assert held.favour == (("cap", 1.5),)
    assert held.against == (("bill", -1.5),)
    assert (held.no_attribute, held.bias, held.rest) == (1.5, 0.25, 0)
    assert held.margin == held.total == 1.75
    # Eq. 6: tern 2/5.5, 2/5.5, 1.5/5.5; gull the second filter alone, all bill.
    assert held.shared == (("bill", pytest.approx(2 / 5.5 * 1.25)),)
    assert (held.class_name, held.other_name) == ("tern", "gull")


def test_each_part_is_dealt_by_the_filters_distribution_literally():
    phi, weight, bias, p_t_f = a_network(4)
    dealt = deal_margin(phi, weight, bias, p_t_f, [0, 1, 2, 0, 1, 2], [1, 2, 0, 2, 0, 1])
    for x, (i, j) in enumerate(zip([0, 1, 2, 0, 1, 2], [1, 2, 0, 2, 0, 1], strict=True)):
        d = [(weight[i, k] - weight[j, k]) * phi[x, k] for k in range(5)]
        for t in range(4):
            expected = sum(d[k] * p_t_f[k, t] for k in range(5))
            assert dealt.attributes[x, t] == pytest.approx(expected)
        assert dealt.no_attribute[x] == pytest.approx(d[2])
        assert dealt.bias[x] == bias[i] - bias[j]


def test_attributes_of_few_images_are_in_the_rest():
    phi, weight, bias, p_t_f = a_network(5)
    support = np.array([9, 0, 9, 0])
    for held in contrast_classes(phi, weight, bias, p_t_f, NAMES, 0, 1, support=support):
        named = {name for name, _ in held.favour + held.against + held.shared}
        assert named <= {"red bill", "long tail"}
        assert held.total == pytest.approx(held.margin)
        assert held.rest != 0


# --- exemplars ------------------------------------------------------------------------------------


def test_exemplars_are_the_images_with_the_highest_values():
    phi, weight, bias, p_t_f = a_network(6, m=30)
    assert filter_exemplars(phi, 2, 3).tolist() == sorted(range(30), key=lambda i: -phi[i, 2])[:3]
    decided = (phi @ weight.T + bias).argmax(axis=1)
    found = attribute_exemplars(phi, weight, p_t_f, 1, decided, 4)
    p = [filter_importance(phi[i : i + 1], weight[decided[i]])[0] @ p_t_f[:, 1] for i in range(30)]
    assert found.tolist() == sorted(range(30), key=lambda i: -p[i])[:4]


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"asked": [0]}, "asked has 1 classes for 6 images"),
        ({"asked": [7] * 6}, "class 7 is not one of 0 … 2"),
        ({"asked": ["tren"] * 6, "classes": ["tern", "gull", "auk"]}, "such as tern"),
        ({"classes": ["tern"]}, "1 names of classes for 3 outputs"),
        ({"names": ["red bill"]}, "1 names for 4 attributes"),
        ({"support": np.ones(3)}, "give one name, one support each"),
        ({"top": 0}, "top is 0; give at least 1"),
        ({"draws": 9}, "level 0.05 cannot be reached by 9 tables of chance; give at least 19"),
        ({"null": [np.ones((5, 3))]}, r"a table of chance is \[5, 3\], the filter attributes are"),
        ({"distributions": np.ones((7, 4))}, "5 filters in the network, 7 in the filter attribut"),
        ({"phi": np.ones((6, 4)), "asked": [0] * 6}, r"phi \[6, 4\] and weight \[3, 5\] must be"),
    ],
)
def test_errors_of_explanations_name_the_value(how, message):
    phi, weight, _, p_t_f = a_network()
    given = {"phi": phi, "weight": weight, "distributions": p_t_f, "names": NAMES, **how}
    with pytest.raises(InputError, match=message):
        explain_images(**given)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"other": 0}, "class 'class 0' against itself; give two classes"),
        ({"other": [1, 2]}, "2 classes for 6 images; give one for all or one each"),
        ({"distributions": -np.ones((5, 4))}, "filter attributes below 0"),
        ({"distributions": np.ones((4, 4))}, r"5 filters in the network, \[4, 4\]"),
        ({"names": NAMES[:2]}, "2 names for 4 attributes"),
    ],
)
def test_errors_of_contrasts_name_the_value(how, message):
    phi, weight, bias, p_t_f = a_network()
    given = {"distributions": p_t_f, "names": NAMES, "class_": 0, "other": 1, **how}
    with pytest.raises(InputError, match=message):
        contrast_classes(phi, weight, bias, **given)


def test_exemplars_of_nothing_are_refused():
    phi, weight, _, p_t_f = a_network()
    with pytest.raises(InputError, match="filter 5 is not one of 0 … 4"):
        filter_exemplars(phi, 5)
    with pytest.raises(InputError, match="attribute -1 is not one of 0 … 3"):
        attribute_exemplars(phi, weight, p_t_f, -1, np.zeros(6, int))
