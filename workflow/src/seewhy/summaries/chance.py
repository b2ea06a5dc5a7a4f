r"""p(t|f) of attributes, or of filters, that mean nothing: what an explanation is held against.

    null = shuffled_images("joint", phi, presence, draws=19, ridge=table.settings["ridge"])
    said = explain_images(phi, weight, table.distributions(), names, null=null)

``shuffled_images``: each image gets the attributes of another, drawn once for all attributes and
all filters, and the preset runs again. Attributes still come together as they did and filters too,
only what ties the two is gone. For a preset within classes the other image is of the same class.

``exchanged_filters``: the filters change places among the rows of p(t|f). It needs no training
images and next to no time, but it forgets that filters resemble each other: where they do, chance
gives more than it says.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from seewhy.summaries.distributions import rows_to_one
from seewhy.summaries.filters import (
    CENTRED,
    JOINT,
    PAPER,
    centred,
    checked,
    joint_scores,
    paper,
    require_settings,
    welch_t,
    z_scored,
)
from seewhy.summaries.ridge import Design, Ridge

Array = np.ndarray


def exchanged_filters(distributions: Array, *, draws: int = 99, seed: int = 0) -> Iterator[Array]:
    """p(t|f) ``[n, l]`` with its rows in another order, `draws` times."""
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        yield distributions[rng.permutation(len(distributions))]


def shuffled_images(
    preset: str,
    phi: Array,
    presence: sparse.sparray | sparse.spmatrix | Array,
    *,
    draws: int = 19,
    seed: int = 0,
    prior: Array | None = None,
    sigma: str = "filters",
    within: Array | None = None,
    ridge: float | None = None,
) -> Iterator[Array]:
    """p(t|f) ``[n, l]`` of images that bear each other's attributes, `draws` times.

    What the joint regression needs of the attributes is computed once.

    Args:
        preset, phi, presence, prior, sigma, within: as the table was made with.
        draws: so many.
        seed: of the draws.
        ridge: that the table was made with; None: chosen again, once.

    Yields:
        Rows that sum to 1, or to 0.

    Raises:
        InputError: as `filter_attributes`.
    """
    require_settings(preset, prior=prior, within=within, ridge=ridge)
    rng = np.random.default_rng(seed)
    phi, presence = checked(phi, presence, [""] * np.shape(presence)[1])
    if preset == JOINT:
        design = Design(presence, within)
        phi = z_scored(design.centre(phi))
        fitted = Ridge(design, phi, ridge=ridge)
    groups = np.zeros(len(phi), int) if within is None else np.asarray(within)
    for _ in range(draws):
        # Activations move in place of attributes, to images of the same class with `within`: their
        # means stay out.
        order = np.arange(len(phi))
        for group in np.unique(groups):
            own = np.flatnonzero(groups == group)
            order[own] = rng.permutation(own)
        moved = phi[order]
        if preset == PAPER:
            scores = paper(moved, presence, prior, sigma=sigma)
        elif preset == CENTRED:
            scores = centred(moved, presence, prior)
        elif preset == JOINT:
            scores = joint_scores(fitted.coefficients(moved), design, presence.shape[1])
        else:
            scores = welch_t(moved, presence)
        yield rows_to_one(scores)
