r"""What the filters of the last layer respond to: p(t|f), the filter attribute distributions.

    table = filter_attributes("joint", phi, presence, names)     # table.scores [n, l]
    table.top(12, 3)                                             # [("red crown", 0.61), ...]

Image :math:`x_k` activates filter :math:`f_i` by :math:`\phi(f_i(x_k))`, the spatial mean of its
map, and bears attribute :math:`t_j` or not. The paper's (eqs. 1 to 4):

.. math::
    p(t_j|f_i) = p(t_j)\, p(f_i|t_j) \tag{1}
.. math::
    p(f_i|t_j) = \sum_k p(f_i|x_k, t_j)\, p(x_k|t_j) \tag{2}
.. math::
    p(f_i|x_k, t_j) \approx p(f_i|x_k) = \sigma(\phi(f_i(x_k))) \tag{3}
.. math::
    p(x_k|t_j) = [t_j \in x_k] \tag{4}

so with the presence P ``[m, l]`` it is :math:`p(t_j) (\sigma(\phi)^\top P)_{ij}`, one product of a
sparse matrix. Four presets:

``paper``
    exactly that. A sum over the images that bear an attribute grows with their number, and pooled
    activations are never negative: frequent attributes lead almost every filter.
``centred``
    the same sum over z-scored activations, ReLU after it: an attribute that changes nothing gets 0.
``t``
    Welch's t of a filter's activations with and without the attribute, ReLU: the difference by its
    own standard error, so that frequent attributes have no start.
``joint``
    a ridge regression on all attributes at once (`seewhy.summaries.ridge`), ReLU: of two attributes
    that come together, the one that the filter responds to.

Letters and shapes: m images, n filters, l attributes.

Reference: Neural Network Interpretation via Fine-Grained Textual Summarization.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from scipy import sparse, special

from seewhy.errors import InputError
from seewhy.summaries.distributions import FilterAttributes
from seewhy.summaries.ridge import Design, Ridge

Array = np.ndarray

PAPER, CENTRED, T, JOINT = "paper", "centred", "t", "joint"
PRESETS = (PAPER, CENTRED, T, JOINT)
_COLUMNS = 512  # attributes at once
_SMALL = 1e-12


def _over_filters(phi: Array) -> Array:
    positive = np.maximum(phi, 0)
    return positive / np.maximum(positive.sum(axis=1, keepdims=True), _SMALL)


def _over_images(phi: Array) -> Array:
    positive = np.maximum(phi, 0)
    return positive / np.maximum(positive.sum(axis=0), _SMALL)


def _min_max(phi: Array) -> Array:
    low, high = phi.min(axis=0), phi.max(axis=0)
    return (phi - low) / np.maximum(high - low, _SMALL)


SIGMAS: dict[str, Callable[[Array], Array]] = {
    "filters": _over_filters,
    "softmax": lambda phi: special.softmax(phi, axis=1),
    "images": _over_images,
    "minmax": _min_max,
    "none": lambda phi: phi,
}
"""Readings of eq. 3's "normalisation function", of phi [m, n].

``filters``: ReLU and L1 over the filters of an image, the letter of p(f_i|x_k): a distribution over
filters, given an image. ``softmax``: over the filters too. ``images``: ReLU and L1 over the images
of a filter. ``minmax``: each filter's lowest and highest activation become 0 and 1. ``none``.
"""


def filter_attributes(
    preset: str,
    phi: Array,
    presence: sparse.sparray | sparse.spmatrix | Array,
    names: Sequence[str],
    *,
    prior: Array | None = None,
    sigma: str = "filters",
    within: Array | None = None,
    ridge: float | None = None,
    tagger: str = "",
    network: str = "",
) -> FilterAttributes:
    """p(t|f) by one of the presets.

    Args:
        preset: ``paper``, ``centred``, ``t`` or ``joint``.
        phi: pooled activations of the training images, ``[m, n]``.
        presence: which image bears which attribute, 0 or 1, ``[m, l]``.
        names: of the attributes, l.
        prior: p(t_j), at least 0, ``[l]``; ``paper`` needs it, ``centred`` takes it, the others,
            whose scores are free of how often an attribute comes, do not.
        sigma: of eq. 3, one of `SIGMAS`; for ``paper``.
        within: class of each image, int ``[m]``: activations and attributes are centred within
            their class first; for ``joint``.
        ridge: for ``joint``; None: by generalised cross-validation.
        tagger: name and version of what found the attributes.
        network: digest of the network's weights.

    Raises:
        InputError: no such preset or sigma, a setting that the preset does not take, shapes that do
            not agree, values that are not finite, presence that is not 0 or 1.
    """
    require_settings(preset, prior=prior, within=within, ridge=ridge)
    phi, presence = checked(phi, presence, names)
    settings: dict[str, Any] = {}
    if preset == PAPER:
        scores, settings = paper(phi, presence, prior, sigma=sigma), {"sigma": sigma}
    elif preset == CENTRED:
        scores, settings = centred(phi, presence, prior), {"prior": prior is not None}
    elif preset == T:
        scores = welch_t(phi, presence)
    else:
        scores, chosen = joint(phi, presence, within=within, ridge=ridge)
        settings = {"ridge": chosen, "within_classes": within is not None}
    support = np.asarray(presence.sum(axis=0)).ravel().astype(np.int64)
    return FilterAttributes(tuple(names), preset, scores, support, tagger, network, settings)


def paper(phi: Array, presence: sparse.csr_array, prior: Array, *, sigma: str = "filters") -> Array:
    """Eqs. 1 to 4: ``p(t_j) * sum_k sigma(phi_ki) [t_j in x_k]``, ``[n, l]`` float32.

    Args:
        phi: ``[m, n]``.
        presence: ``[m, l]``.
        prior: ``[l]``.
        sigma: one of `SIGMAS`.

    Raises:
        InputError: no such sigma, a prior of another length, negative or not finite.
    """
    if sigma not in SIGMAS:
        raise InputError(f"sigma {sigma!r} is not one of {', '.join(SIGMAS)}")
    return _sums(presence, SIGMAS[sigma](phi)) * _checked_prior(prior, presence)


def centred(phi: Array, presence: sparse.csr_array, prior: Array | None = None) -> Array:
    """The same sum over z-scored activations, ReLU: ``[n, l]`` float32; a prior of None is 1."""
    scores = _sums(presence, z_scored(phi))
    np.maximum(scores, 0, out=scores)
    return scores if prior is None else scores * _checked_prior(prior, presence)


def welch_t(phi: Array, presence: sparse.csr_array) -> Array:
    r"""Welch's t of each filter with and without each attribute, ReLU.

    .. math::
        t_{ij} = \frac{\bar\phi_1 - \bar\phi_0}{\sqrt{s_1^2 / n_1 + s_0^2 / n_0}}

    from sums and sums of squares alone; 1: images with :math:`t_j`, 0: without, :math:`s^2` with
    n - 1 below. 0 for an attribute that fewer than two images bear, or all but fewer than two.

    Args:
        phi: ``[m, n]``.
        presence: ``[m, l]``.

    Returns:
        ``[n, l]`` float32.
    """
    z = z_scored(phi)  # t is the same, and sums lose no digits
    squares = z**2
    m, total, total_squares = len(z), z.sum(axis=0, dtype=float), squares.sum(axis=0, dtype=float)
    scores = np.zeros((z.shape[1], presence.shape[1]), np.float32)
    for some, turned in _blocks(presence):
        n1 = np.diff(turned.indptr).astype(float)[:, None]  # [some, 1]
        n0 = m - n1
        sum1 = (turned @ z).astype(float)  # [some, n]
        squares1 = (turned @ squares).astype(float)
        sum0, squares0 = total - sum1, total_squares - squares1
        with np.errstate(divide="ignore", invalid="ignore"):
            difference = sum1 / n1 - sum0 / n0
            # A variance of 0 is known to the digits of float32 alone.
            left1 = np.maximum(squares1 - sum1**2 / n1, 1e-6 * squares1)
            left0 = np.maximum(squares0 - sum0**2 / n0, 1e-6 * squares0)
            t = difference / np.sqrt(left1 / (n1 * (n1 - 1)) + left0 / (n0 * (n0 - 1)))
        t[~((n1 > 1) & (n0 > 1))[:, 0]] = 0
        scores[:, some] = np.nan_to_num(np.maximum(t, 0)).T
    return scores


def joint(
    phi: Array,
    presence: sparse.csr_array,
    *,
    within: Array | None = None,
    ridge: float | None = None,
) -> tuple[Array, float]:
    """Coefficients of z-scored activations on all standardised attributes at once, ReLU.

    Args:
        phi: ``[m, n]``.
        presence: ``[m, l]``.
        within: class of each image, ``[m]``: only what differs among the images of a class counts.
        ridge: λ; None: by generalised cross-validation.

    Returns:
        ``[n, l]`` float32, and λ.

    Raises:
        InputError: `within` of another length, or classes of one image each.
    """
    if within is not None:
        within = np.asarray(within)
        if within.shape != (len(phi),):
            raise InputError(
                f"within {list(within.shape)} must be one class for each of {len(phi)}"
            )
        if len(np.unique(within)) == len(phi):
            raise InputError("within: each image is a class of its own; give classes of several")
    design = Design(presence, within)
    z = z_scored(design.centre(phi))
    fitted = Ridge(design, z, ridge=ridge)
    return joint_scores(fitted.coefficients(z), design, presence.shape[1]), fitted.ridge


def joint_scores(coefficients: Array, design: Design, attributes: int) -> Array:
    """ReLU of coefficients ``[n, l']``, 0 for attributes that do not vary: ``[n, l]``."""
    scores = np.zeros((len(coefficients), attributes), np.float32)
    scores[:, design.varies] = np.maximum(coefficients, 0)
    return scores


def z_scored(phi: Array) -> Array:
    """Each filter with mean 0 and standard deviation 1; one that never changes is 0: ``[m, n]``."""
    mean = phi.mean(axis=0, dtype=float)
    spread = phi.std(axis=0, dtype=float)
    still = spread <= 1e-6 * abs(mean)  # float32's digits
    z = (phi - mean.astype(np.float32)) / np.where(still, 1, spread).astype(np.float32)
    z[:, still] = 0
    return z


def require_settings(
    preset: str, *, prior: Array | None, within: Array | None, ridge: float | None
) -> None:
    """Refuse an unknown preset, and settings that it does not take or does without.

    Raises:
        InputError: one of these.
    """
    if preset not in PRESETS:
        raise InputError(f"preset {preset!r} is not one of {', '.join(PRESETS)}")
    takes = {"prior": (PAPER, CENTRED), "within": (JOINT,), "ridge": (JOINT,)}
    for setting, value in (("prior", prior), ("within", within), ("ridge", ridge)):
        if value is not None and preset not in takes[setting]:
            raise InputError(
                f"preset {preset} takes no {setting}; leave it out, or take "
                f"{' or '.join(takes[setting])}"
            )
    if preset == PAPER and prior is None:
        raise InputError("preset paper needs the prior p(t) of eq. 1; give normalised TF/IDF")


def checked(
    phi: Array, presence: sparse.sparray | sparse.spmatrix | Array, names: Sequence[str]
) -> tuple[Array, sparse.csr_array]:
    """phi as float32 and presence as CSR without stored zeros.

    Raises:
        InputError: their shapes do not agree, or they hold what they must not.
    """
    phi = np.ascontiguousarray(phi, np.float32)
    presence = sparse.csr_array(presence).astype(np.float32)
    presence.sum_duplicates()
    presence.eliminate_zeros()
    if phi.ndim != 2 or len(phi) != presence.shape[0] or len(phi) < 2:
        raise InputError(
            f"phi {list(phi.shape)} and presence {list(presence.shape)} must be [images, filters] "
            "and [images, attributes] of the same two images or more"
        )
    if presence.shape[1] != len(names):
        raise InputError(f"{len(names)} names for {presence.shape[1]} attributes; give one each")
    if not np.isfinite(phi).all():
        raise InputError("phi has values that are not finite; mend the network that gave them")
    if presence.nnz and not (presence.data == 1).all():
        other = presence.data[presence.data != 1][0]
        raise InputError(
            f"presence has the value {other:g}; an image bears an attribute, 1, or not"
        )
    return phi, presence


def _checked_prior(prior: Array, presence: sparse.csr_array) -> Array:
    prior = np.asarray(prior, np.float32)
    if prior.shape != presence.shape[1:]:
        raise InputError(f"prior {list(prior.shape)} must be one for each of {presence.shape[1]}")
    if not (np.isfinite(prior).all() and (prior >= 0).all()):
        raise InputError("prior has values below 0 or not finite; TF/IDF is neither")
    return prior


def _sums(presence: sparse.csr_array, values: Array) -> Array:
    """``sum_k values_ki [t_j in x_k]``, ``[n, l]`` float32."""
    sums = np.empty((values.shape[1], presence.shape[1]), np.float32)
    for some, turned in _blocks(presence):
        sums[:, some] = (turned @ values).T
    return sums


def _blocks(presence: sparse.csr_array) -> Iterator[tuple[slice, sparse.csr_array]]:
    """Some attributes at a time, turned: ``[some, m]``; what is made of them stays small."""
    turned = sparse.csr_array(presence.T)
    for first in range(0, turned.shape[0], _COLUMNS):
        some = slice(first, first + _COLUMNS)
        yield some, turned[some]
