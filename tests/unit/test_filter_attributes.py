"""Filter attribute distributions: literal loops over eqs. 1 to 4, scipy's t, numpy's ridge."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, sparse, stats

from seewhy.bench.summaries import bench_summaries
from seewhy.errors import InputError
from seewhy.summaries.distributions import FilterAttributes, load_filter_attributes
from seewhy.summaries.filters import (
    PRESETS,
    SIGMAS,
    centred,
    filter_attributes,
    joint,
    paper,
    welch_t,
    z_scored,
)
from seewhy.summaries.ridge import (
    GRID,
    Design,
    Ridge,
    choose_ridge,
    spectrum_of,
)


def a_world(seed=0, m=40, n=5, l=9):  # noqa: E741
    rng = np.random.default_rng(seed)
    presence = (rng.random((m, l)) < 0.35).astype(np.float32)
    phi = rng.gamma(1.0, 1.0, (m, n)).astype(np.float32)
    return phi, sparse.csr_array(presence), rng.random(l)


def names(l):  # noqa: E741
    return [f"attribute {j}" for j in range(l)]


# --- the paper's equations ------------------------------------------------------------------------


def literal_sigma(phi, sigma, k, i):
    """Eq. 3 of one image and one filter."""
    if sigma == "filters":
        return max(phi[k, i], 0) / sum(max(v, 0) for v in phi[k])
    if sigma == "softmax":
        return np.exp(phi[k, i]) / sum(np.exp(v) for v in phi[k])
    if sigma == "images":
        return max(phi[k, i], 0) / sum(max(v, 0) for v in phi[:, i])
    if sigma == "minmax":
        return (phi[k, i] - min(phi[:, i])) / (max(phi[:, i]) - min(phi[:, i]))
    return phi[k, i]


@pytest.mark.parametrize("sigma", SIGMAS)
def test_the_papers_score_is_eqs_1_to_4_literally(sigma):
    phi, presence, prior = a_world()
    found = paper(phi, presence, prior, sigma=sigma)
    bears = presence.toarray()
    for i in range(phi.shape[1]):
        for j in range(presence.shape[1]):
            p_f_t = 0.0
            for k in range(len(phi)):
                p_x_t = 1 if bears[k, j] else 0  # eq. 4
                p_f_t += literal_sigma(phi.astype(float), sigma, k, i) * p_x_t  # eqs. 2, 3
            assert found[i, j] == pytest.approx(prior[j] * p_f_t, rel=1e-5)  # eq. 1


def test_the_default_normalisation_is_a_distribution_over_filters():
    phi, presence, prior = a_world()
    table = filter_attributes("paper", phi, presence, names(9), prior=prior)
    assert table.settings == {"sigma": "filters"}
    np.testing.assert_allclose(SIGMAS["filters"](phi).sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(table.scores, paper(phi, presence, prior))


def test_the_centred_score_is_the_same_sum_over_z_scores():
    phi, presence, prior = a_world()
    bears, z = presence.toarray(), (phi - phi.mean(0)) / phi.std(0)
    expected = np.array(
        [
            [max(0, sum(z[k, i] for k in range(40) if bears[k, j])) for j in range(9)]
            for i in range(5)
        ]
    )
    np.testing.assert_allclose(centred(phi, presence), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        centred(phi, presence, prior), expected * prior, rtol=1e-4, atol=1e-5
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(-100, 100))
def test_t_is_scipys_welch_t(seed, shift):
    phi, presence, _ = a_world(seed, m=25)
    phi = (phi + shift).astype(np.float32)
    found, bears = welch_t(phi, presence), presence.toarray() > 0
    for j in range(9):
        if 1 < bears[:, j].sum() < 24:
            with_it, without = phi[bears[:, j]].astype(float), phi[~bears[:, j]].astype(float)
            t = stats.ttest_ind(with_it, without, equal_var=False).statistic
            np.testing.assert_allclose(found[:, j], np.maximum(t, 0), rtol=1e-3, atol=1e-3)


def test_t_is_0_without_two_images_on_either_side_and_finite_without_variance():
    phi = np.array([[0, 1], [0, 1], [3, 1], [3, 1], [3, 1]], np.float32)
    presence = np.array([[0, 0, 0, 1], [0, 0, 1, 1], [1, 0, 1, 1], [1, 0, 1, 1], [1, 1, 1, 1]])
    t = welch_t(phi, sparse.csr_array(presence.astype(np.float32)))
    assert t[0, 0] > 100  # the filter is a switch: only the digits of float32 bound it
    assert np.isfinite(t).all()
    assert (t[:, 1:] == 0).all()  # one image; all but one; all
    assert (t[1] == 0).all()  # a filter that never changes


def test_more_attributes_than_a_block_are_all_there():
    rng = np.random.default_rng(0)
    presence = (rng.random((30, 1200)) < 0.2).astype(np.float32)
    phi = rng.random((30, 3)).astype(np.float32)
    one = sparse.csr_array(presence)
    np.testing.assert_allclose(
        paper(phi, one, np.ones(1200), sigma="none"), phi.T @ presence, rtol=1e-5
    )
    some = sparse.csr_array(presence[:, 1000:])
    np.testing.assert_allclose(welch_t(phi, one)[:, 1000:], welch_t(phi, some))


@pytest.mark.parametrize("preset", PRESETS)
def test_sparse_and_dense_presence_give_the_same(preset):
    phi, presence, prior = a_world()
    how = {"prior": prior} if preset == "paper" else {}
    kinds = (presence, presence.toarray(), sparse.csc_matrix(presence.toarray()) > 0)
    scores = [filter_attributes(preset, phi, kind, names(9), **how).scores for kind in kinds]
    np.testing.assert_array_equal(scores[0], scores[1])
    np.testing.assert_array_equal(scores[0], scores[2])


# --- ridge ----------------------------------------------------------------------------------------


def literal_design(presence, classes):
    """Attributes less the mean of each class's, by their own standard deviation; NaN: none."""
    a = presence.toarray().astype(float)
    for c in set(classes):
        a[classes == c] -= a[classes == c].mean(axis=0)
    with np.errstate(invalid="ignore"):
        return a / a.std(axis=0)


@pytest.mark.parametrize(("m", "l"), [(60, 9), (30, 80)])
@pytest.mark.parametrize("within", [False, True])
def test_joint_is_the_ridge_regression_literally(m, l, within):  # noqa: E741
    phi, presence, _ = a_world(1, m=m, l=l)
    classes = np.arange(m) % 4 if within else np.zeros(m, int)
    z = phi.astype(float)
    for c in set(classes):
        z[classes == c] -= z[classes == c].mean(axis=0)
    z /= z.std(axis=0)
    a = np.nan_to_num(literal_design(presence, classes))
    b = np.linalg.solve(a.T @ a + 7 * np.eye(l), a.T @ z)
    found, ridge = joint(phi, presence, within=classes if within else None, ridge=7)
    np.testing.assert_allclose(found, np.maximum(b.T, 0), atol=2e-5)
    assert ridge == 7
    # The way for many rows, a triangular factor in place of eigenvalues, gives the same.
    design = Design(presence, classes)
    z = z.astype(np.float32)
    factored = Ridge(design, z, ridge=7, exact=0).coefficients(z)
    np.testing.assert_allclose(factored, b.T[:, design.varies], atol=2e-5)


@pytest.mark.parametrize(("m", "l"), [(60, 9), (30, 80)])
@pytest.mark.parametrize("groups", [1, 4])
def test_cross_validation_is_its_formula_literally(m, l, groups):  # noqa: E741
    phi, presence, _ = a_world(2, m=m, l=l)
    classes = np.arange(m) % groups
    design = Design(presence, classes)
    z = z_scored(design.centre(phi))
    a = literal_design(presence, classes)[:, design.varies]
    spectrum = spectrum_of(z, design)
    for ridge in (0.3, 5, 400):
        hat = a @ np.linalg.solve(a.T @ a + ridge * np.eye(a.shape[1]), a.T)
        alike = classes[:, None] == classes
        means = alike / alike.sum(axis=1)
        left = np.eye(m) - hat - means
        expected = m * ((left @ z) ** 2).sum() / np.trace(left) ** 2
        assert spectrum.gcv(ridge) == pytest.approx(expected, rel=1e-3)
    best = choose_ridge(spectrum)
    assert spectrum.gcv(best) == min(spectrum.gcv(spectrum.mean * step) for step in GRID)
    assert Ridge(design, z).ridge == pytest.approx(best)


def test_the_eigenvalues_mean_is_that_of_the_product():
    _, presence, _ = a_world(3, m=30, l=80)
    for groups in (np.zeros(30, int), np.arange(30) % 3):
        design = Design(presence, groups)
        s = linalg.eigvalsh(design.gram().astype(float))
        assert design.mean == pytest.approx(s[s > 1e-3].mean(), rel=1e-3)


def test_an_attribute_that_never_varies_gets_nothing():
    phi, presence, _ = a_world()
    bears = presence.toarray()
    bears[:, 0], bears[:, 1] = 1, 0
    bears[:, 2] = np.arange(40) % 2  # by the class alone
    one = sparse.csr_array(bears)
    assert (joint(phi, one)[0][:, :2] == 0).all()
    within, _ = joint(phi, one, within=np.arange(40) % 2)
    assert (within[:, :3] == 0).all()
    assert within[:, 3:].any()
    assert not joint(phi, sparse.csr_array(np.ones((40, 9))))[0].any()


# --- the table ------------------------------------------------------------------------------------


def a_table(**fields):
    scores = np.array([[0.1, 0.0, 0.3], [0, 0, 0]], np.float32)
    given = {"tagger": "nltk 3.10", "network": "abc", "settings": {"ridge": 2.0}, **fields}
    return FilterAttributes(("a", "b", "c"), "joint", scores, np.array([7, 1, 9]), **given)


def test_top_names_only_what_has_a_score():
    table = a_table()
    assert [name for name, _ in table.top(0)] == ["c", "a"]
    assert table.top(0, 1) == [("c", pytest.approx(0.3))]
    assert table.top(1) == []
    np.testing.assert_allclose(table.distributions(), [[0.25, 0, 0.75], [0, 0, 0]], rtol=1e-6)
    with pytest.raises(InputError, match="filter 2 is not one of 0 … 1"):
        table.top(2)


def test_a_table_comes_back_as_it_was_saved(tmp_path):
    a_table().save(tmp_path / "a.h5")
    back = load_filter_attributes(tmp_path / "a.h5", network="abc", tagger="nltk 3.10")
    np.testing.assert_array_equal(back.scores, a_table().scores)
    np.testing.assert_array_equal(back.support, a_table().support)
    for name in ("names", "preset", "tagger", "network", "settings"):
        assert getattr(back, name) == getattr(a_table(), name)


@pytest.mark.parametrize(("kind", "own"), [("network", "abc"), ("tagger", "nltk 3.10")])
def test_what_was_made_of_something_else_is_refused_by_name(tmp_path, kind, own):
    a_table().save(tmp_path / "a.h5")
    message = f"is of {kind} other, the filter attributes .joint. are of {kind} {own}"
    with pytest.raises(InputError, match=message):
        load_filter_attributes(tmp_path / "a.h5", **{kind: "other"})
    with pytest.raises(InputError, match="vocabulary is of"):
        a_table().require(**{kind: "other"}, what="the vocabulary")
    a_table(**{kind: ""}).require(**{kind: "other"})  # unknown


def test_the_table_knows_how_it_was_made():
    phi, presence, _ = a_world()
    table = filter_attributes("joint", phi, presence, names(9), within=np.arange(40) % 4)
    assert table.settings["within_classes"] is True
    assert table.settings["ridge"] > 0
    np.testing.assert_array_equal(table.support, presence.toarray().sum(axis=0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"preset": "bayes"}, "preset 'bayes' is not one of paper, centred, t, joint"),
        ({"preset": "paper"}, "preset paper needs the prior"),
        ({"prior": np.ones(9)}, "preset joint takes no prior; leave it out, or take paper or cent"),
        ({"preset": "t", "ridge": 1.0}, "preset t takes no ridge"),
        ({"preset": "centred", "prior": np.ones(8)}, r"prior \[8\] must be one for each of 9"),
        ({"preset": "centred", "prior": -np.ones(9)}, "prior has values below 0"),
        ({"preset": "paper", "prior": np.ones(9), "sigma": "l3"}, "sigma 'l3' is not one of filte"),
        ({"ridge": 0.0}, "ridge 0.0 must be above 0"),
        ({"within": np.zeros(3)}, r"within \[3\] must be one class for each of 40"),
        ({"within": np.arange(40)}, "each image is a class of its own"),
        ({"phi": np.ones((39, 5))}, r"phi \[39, 5\] and presence \[40, 9\] must be"),
        ({"phi": np.full((40, 5), np.nan)}, "phi has values that are not finite"),
        ({"presence": np.full((40, 9), 2)}, "presence has the value 2"),
        ({"names": ["a"]}, "1 names for 9 attributes"),
    ],
)
def test_errors_name_the_value(change, message):
    phi, presence, _ = a_world()
    given = {"preset": "joint", "phi": phi, "presence": presence, "names": names(9), **change}
    with pytest.raises(InputError, match=message):
        filter_attributes(**given)


def test_another_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_filter_attributes(tmp_path / "a.h5")


# --- the benchmark --------------------------------------------------------------------------------


def test_the_benchmark_has_its_numbers():
    found = bench_summaries(images=60, filters=20, attributes=90, repeats=1)
    assert set(found["seconds"]) == {"dense", "paper", "centred", "t", "joint", "joint within"}
    assert found["times_faster_than_dense"] > 0
    assert found["all_seconds"] > 0
