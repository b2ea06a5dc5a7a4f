"""A world in which it is known what each filter fires for: who finds it, and who stays silent.

Classes have attributes of Zipf frequencies that come together, and each filter fires for one or two
attributes, with noise. A preset is right about a filter if the first attribute that it names is one
of these.
"""

import numpy as np
import pytest
from scipy import sparse

from seewhy.errors import InputError
from seewhy.summaries.chance import exchanged_filters, shuffled_images
from seewhy.summaries.explain import explain_images
from seewhy.summaries.filters import PRESETS, filter_attributes, z_scored
from seewhy.summaries.ridge import GRID, Design, choose_ridge, quadratures, spectrum_of

NAMES = list(range(60))


def planted_world(
    seed, *, images=1000, attributes=60, filters=80, classes=12, noise=0.75, unnamed=0.0
):
    """Images of classes whose attributes come together, and filters that fire for one or two.

    The k-th attribute belongs to a class with probability k^-0.6, 0.9 at most; an image has each of
    its class's with 0.93, and strays of others. `unnamed` lets filters see something of the class
    that no attribute names.

    Returns:
        phi [m, n] float32, presence [m, l] CSR, the attributes of each filter, classes [m].
    """
    rng = np.random.default_rng(seed)
    share = np.minimum(0.9, np.arange(1, attributes + 1) ** -0.6)
    of = rng.random((classes, attributes)) < share
    y = rng.integers(0, classes, images)
    chance = np.where(of[y], 0.93, 0.02 * share)
    presence = (rng.random(chance.shape) < chance).astype(np.float32)
    planted = [rng.choice(attributes, rng.integers(1, 3), replace=False) for _ in range(filters)]
    phi = np.stack([presence[:, t] @ rng.uniform(0.6, 1.2, len(t)) for t in planted], axis=1)
    phi += 0.2 + noise * rng.normal(size=phi.shape)
    phi += unnamed * rng.normal(size=(classes, filters))[y]
    return np.maximum(phi, 0).astype(np.float32), sparse.csr_array(presence), planted, y


def tf_idf(presence):
    """Normalised, with one mention in each image that bears the attribute: [l]."""
    count = np.asarray(presence.sum(axis=0)).ravel()
    prior = count * np.log(presence.shape[0] / np.maximum(count, 1))
    return prior / prior.sum()


def recovered(**world):
    """Share of filters whose first attribute is a planted one, the mean of eight worlds."""
    shares = {}
    for seed in range(8):
        phi, presence, planted, classes = planted_world(seed, **world)
        for row, how in {
            "paper": {"prior": tf_idf(presence)},
            "centred": {},
            "t": {},
            "joint": {},
            "joint within": {"within": classes},
        }.items():
            table = filter_attributes(row.split()[0], phi, presence, NAMES, **how)
            firsts = table.scores.argmax(axis=1)
            right = [first in own for first, own in zip(firsts, planted, strict=True)]
            shares.setdefault(row, []).append(np.mean(right))
    return {row: float(np.mean(values)) for row, values in shares.items()}


# --- what is recovered ----------------------------------------------------------------------------


def test_what_filters_fire_for_is_recovered_best_jointly():
    share = recovered()
    assert share["joint"] >= share["t"] + 0.05 >= share["centred"] + 0.05
    assert share["centred"] > 0.7
    assert share["joint"] > 0.9
    assert share["paper"] < 0.2


def test_within_classes_undoes_what_no_attribute_names():
    share = recovered(unnamed=1.0)
    assert share["joint within"] > 0.8
    assert share["joint within"] > share["joint"] + 0.1
    assert share["joint"] > share["paper"]


@pytest.mark.parametrize("l", [60, 700])
def test_quadratures_stand_in_for_the_eigenvalues(l):  # noqa: E741
    phi, presence, _, classes = planted_world(0, images=500, attributes=l)
    for groups in (None, classes):
        design = Design(presence, groups)
        z = z_scored(design.centre(phi))
        exact, quick = spectrum_of(z, design), quadratures(z, design)
        for step in GRID[8:]:  # below, nothing is left over and the ratio is of rounding errors
            ridge = exact.mean * step
            assert quick.gcv(ridge) == pytest.approx(exact.gcv(ridge), rel=0.1)
        apart = np.log10(choose_ridge(quick) / choose_ridge(exact))
        assert abs(apart) <= np.log10(GRID[1] / GRID[0]) + 1e-9


# --- chance ---------------------------------------------------------------------------------------


def a_network(phi, classes):
    """A linear layer by ridge regression on the classes: W [o, n], b [o]."""
    centred = phi - phi.mean(axis=0)
    inner = centred.T @ centred + len(phi) * np.eye(phi.shape[1])
    weight = np.linalg.solve(inner, centred.T @ np.eye(12)[classes]).T
    return weight, -weight @ phi.mean(axis=0)


def spoken(preset, *, shuffled, by):
    """Share of images that get a reason, and how many reasons the image really bears."""
    phi, presence, _, classes = planted_world(1, images=1500, filters=192)
    some, rest = slice(1000), slice(1000, None)
    weight, bias = a_network(phi[some], classes[some])
    bears = presence.toarray()
    known = bears[some]
    if shuffled:
        known = known[np.random.default_rng(0).permutation(1000)]
    how = {"prior": tf_idf(presence)} if preset == "paper" else {}
    table = filter_attributes(preset, phi[some], known, NAMES, **how).distributions()
    null = {
        "shuffled": lambda: shuffled_images(preset, phi[some], known, draws=39, **how),
        "exchanged": lambda: exchanged_filters(table, draws=39),
        "nothing": lambda: [],
    }[by]()
    found = explain_images(phi[rest], weight, table, NAMES, bias=bias, null=null)
    right = [bears[rest][said.image, why.name] for said in found for why in said.attributes]
    return np.mean([not said.abstains for said in found]), np.mean(right) if right else 1.0


@pytest.mark.parametrize("preset", PRESETS)
def test_against_shuffled_images_sense_speaks_and_nonsense_is_silent(preset):
    speaks, right = spoken(preset, shuffled=False, by="shuffled")
    assert speaks > 0.9
    assert right > 0.9
    assert spoken(preset, shuffled=True, by="shuffled")[0] < 0.1


def test_an_exchange_of_filters_lets_nonsense_speak_where_filters_are_alike():
    assert spoken("t", shuffled=True, by="nothing")[0] == 1
    assert 0.1 < spoken("t", shuffled=True, by="exchanged")[0] < 0.9


@pytest.mark.parametrize(("preset", "within"), [*((p, False) for p in PRESETS), ("joint", True)])
def test_shuffled_images_are_the_preset_run_again_literally(preset, within):
    phi, presence, _, classes = planted_world(0, images=200, filters=6)
    how = {"within": classes} if within else {}
    if preset in ("paper", "centred"):
        how["prior"] = tf_idf(presence)
    if preset == "joint":
        how["ridge"] = 9.0
    tables = list(shuffled_images(preset, phi, presence, draws=2, seed=3, **how))
    rng = np.random.default_rng(3)
    for table in tables:
        order = np.arange(200)
        for c in range(12) if within else [None]:
            own = np.flatnonzero(classes == c) if within else order.copy()
            order[own] = rng.permutation(own)
        again = filter_attributes(preset, phi[order], presence, NAMES, **how)
        np.testing.assert_allclose(table, again.distributions(), rtol=1e-3, atol=1e-6)
    assert abs(tables[0] - tables[1]).max() > 0


def test_shuffled_images_need_what_the_preset_needs():
    phi, presence, _, _ = planted_world(0, images=50, filters=3)
    with pytest.raises(InputError, match="preset paper needs the prior"):
        next(shuffled_images("paper", phi, presence))
    with pytest.raises(InputError, match="preset 'bayes' is not one of"):
        next(shuffled_images("bayes", phi, presence))
