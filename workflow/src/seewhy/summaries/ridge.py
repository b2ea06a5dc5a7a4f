r"""Activations of filters regressed on all attributes at once, and how strong the ridge is.

Two attributes that come together both seem to move a filter; only side by side in one regression
does the one that the filter does not need get nothing. With :math:`Z` the z-scored activations
``[m, n]`` and :math:`A` the standardised attributes ``[m, l]``,

.. math::
    B = \arg\min_B \|Z - AB\|^2 + \lambda \|B\|^2
      = (A^\top A + \lambda I)^{-1} A^\top Z = A^\top (A A^\top + \lambda I)^{-1} Z,

whichever side is smaller. :math:`A = H P D^{-1}` is never made: P is the sparse presence, H takes
the mean out (of all images, or of each class), D holds the standard deviations of what is left.

One :math:`\lambda` for all filters is chosen by generalised cross-validation on the same images,

.. math::
    \mathrm{GCV}(\lambda) = \frac{m \sum_i \|z_i - S_\lambda z_i\|^2}
        {(m - g - \operatorname{tr} S_\lambda)^2}, \qquad
    S_\lambda = A A^\top (A A^\top + \lambda I)^{-1},

g the means taken out. Both sums need the eigenvalues :math:`s` of :math:`A A^\top` alone, with a
weight each: 1 for the trace, :math:`\sum_i (u^\top z_i)^2` for the residuals. Where a
decomposition would take too long they are stood in for by the nodes and weights of a few Gauss
quadratures, from Lanczos runs begun at random signs (for the trace) and at random mixtures of
filters (for the residuals).

References:
    G. Golub, M. Heath, G. Wahba, Generalized cross-validation as a method for choosing a good ridge
    parameter, Technometrics 1979.
    S. Ubaru, J. Chen, Y. Saad, Fast estimation of tr(f(A)) via stochastic Lanczos quadrature, SIMAX
    2017.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import linalg, sparse

from seewhy.errors import InputError

Array = np.ndarray

GRID = np.logspace(-5, 3, 33)
"""Ridges that are tried, as multiples of the mean eigenvalue."""
EXACT = 1500
"""Up to so many rows the eigenvalues are computed, beyond they are stood in for."""
_PROBES, _STEPS = 12, 48  # of the quadratures: runs for each of the two sums, length of a run
_COLUMNS = 512  # of the dense product at once
_SMALL = 1e-12


class Spectrum(NamedTuple):
    """What generalised cross-validation needs of a design and its targets.

    Attributes:
        trace: eigenvalues of A A^T that are not 0, and the weight of each in a trace.
        energy: the same, and the share of each in the targets' sum of squares.
        total: the targets' sum of squares, once their means are out.
        images: m.
        means: g, that were taken out.
        mean: of the eigenvalues that are not 0, which `GRID` multiplies.
    """

    trace: tuple[Array, Array]
    energy: tuple[Array, Array]
    total: float
    images: int
    means: int
    mean: float

    def gcv(self, ridge: float) -> float:
        """GCV at a ridge; infinite where the fit leaves nothing over."""
        s, weight = self.trace
        left = self.images - self.means - float((weight * s / (s + ridge)).sum())
        s, weight = self.energy
        residual = self.total - float((weight * (1 - (ridge / (s + ridge)) ** 2)).sum())
        return self.images * max(residual, 0.0) / left**2 if left > _SMALL else np.inf


class Design:
    """Standardised attributes A ``[m, l]``, kept as the sparse presence and what scales it.

    Args:
        presence: P ``[m, l]`` CSR, 0 or 1.
        groups: class of each image, int ``[m]``: means are taken out class by class; None: over all
            images.

    Attributes:
        spread: D, standard deviation of each attribute without its means, ``[l]``.
        varies: attributes whose spread is not 0, int ``[l']``; the others get no coefficient.
    """

    def __init__(self, presence: sparse.csr_array, groups: Array | None = None) -> None:
        m = presence.shape[0]
        groups = np.zeros(m, int) if groups is None else np.unique(groups, return_inverse=True)[1]
        self._groups = groups
        # Sums over each group, [g, m]: by its size a mean, and turned, what hands means out again.
        self._members = sparse.csr_array((np.ones(m, np.float32), (groups, np.arange(m))))
        self._sizes = self._members.sum(axis=1).astype(np.float32)[:, None]
        self.means = len(self._sizes)
        means = (self._members @ presence).toarray() / self._sizes  # [g, l]
        held = (self._sizes * means.astype(float) ** 2).sum(axis=0)
        self.spread = np.sqrt(np.maximum(presence.sum(axis=0) - held, 0) / m)
        self.varies = np.flatnonzero(self.spread > 1e-6)
        self._scaled = sparse.csr_array(
            presence[:, self.varies].astype(np.float32)
            @ sparse.diags_array((1 / self.spread[self.varies]).astype(np.float32))
        )
        self._turned = sparse.csr_array(self._scaled.T)

    @property
    def shape(self) -> tuple[int, int]:
        """Images m, attributes that vary l'."""
        return self._scaled.shape

    @property
    def mean(self) -> float:
        """Mean eigenvalue of A A^T, of those that are not 0 in general."""
        m, l = self.shape  # noqa: E741
        return m * l / max(min(m - self.means, l), 1)  # each of the l' columns has the square m

    def centre(self, values: Array) -> Array:
        """H values: ``[m, k]`` without the mean of each group."""
        return values - self._members.T @ ((self._members @ values) / self._sizes)

    def turned(self, values: Array) -> Array:
        """A^T values, ``[m, k]`` to ``[l', k]``; the means of `values` are out already."""
        return self._turned @ values

    def gram(self) -> Array:
        """A A^T ``[m, m]`` or A^T A ``[l', l']``, the smaller, float32."""
        m, l = self.shape  # noqa: E741
        if l < m:
            gram = _product(self._turned, self._scaled)
            means = (self._members @ self._scaled).toarray() / np.sqrt(self._sizes)
            gram -= means.T @ means
            return gram
        gram = _product(self._scaled, self._turned)
        for _ in range(2):  # H from the left, then, turned, from the right
            means = (self._members @ gram) / self._sizes  # [g, m]
            for first in range(0, m, _COLUMNS):
                some = slice(first, first + _COLUMNS)
                gram[some] -= means[self._groups[some]]
            gram = gram.T
        return gram

    def smooth(self, values: Array) -> Array:
        """A A^T values, ``[m, k]`` to ``[m, k]``, in the precision of `values`."""
        scaled, turned = (s.astype(values.dtype) for s in (self._scaled, self._turned))
        return self.centre(scaled @ (turned @ values))


class Ridge:
    """A regression on one design, ready for any number of targets.

    Args:
        design: A.
        activations: Z ``[m, n]`` float32, that λ is chosen for; the means that `design` takes out
            are out already.
        ridge: λ; None: by generalised cross-validation.
        exact: up to so many rows of the smaller product, eigenvalues are computed.
        seed: of the quadratures beyond.

    Attributes:
        ridge: λ.

    Raises:
        InputError: λ is not above 0.
    """

    def __init__(
        self,
        design: Design,
        activations: Array,
        *,
        ridge: float | None = None,
        exact: int = EXACT,
        seed: int = 0,
    ) -> None:
        if ridge is not None and not ridge > 0:
            raise InputError(f"ridge {ridge} must be above 0; None chooses it by cross-validation")
        self._design, self._dual = design, design.shape[1] >= design.shape[0]
        self._eigen, self._factor = None, None
        if not design.shape[1]:
            self.ridge = ridge or 1.0
            return
        gram = design.gram()
        if len(gram) <= exact:
            s, vectors = _eigen(gram)
            self._eigen = s, vectors
            if ridge is None:
                along = vectors.T @ self._right(activations)
                ridge = choose_ridge(_spectrum(s, along, activations, design))
        else:
            if ridge is None:
                ridge = choose_ridge(quadratures(activations, design, seed=seed))
            gram.flat[:: len(gram) + 1] += ridge
            self._factor = linalg.cho_factor(gram, overwrite_a=True, check_finite=False)
        self.ridge = float(ridge)

    def coefficients(self, activations: Array) -> Array:
        """B ``[n, l']`` float32 of Z ``[m, n]``, for the attributes that vary."""
        if not self._design.shape[1]:
            return np.zeros((activations.shape[1], 0), np.float32)
        right = self._right(activations)  # [q, n]
        if self._eigen:
            s, vectors = self._eigen
            found = vectors @ ((vectors.T @ right) / (s + self.ridge)[:, None])
        else:
            found = linalg.cho_solve(self._factor, right, check_finite=False)
        found = found.astype(np.float32, copy=False)
        return np.ascontiguousarray((self._design.turned(found) if self._dual else found).T)

    def _right(self, activations: Array) -> Array:
        return activations if self._dual else self._design.turned(activations)


def choose_ridge(spectrum: Spectrum) -> float:
    """λ with the lowest GCV on `GRID`, the strongest of equals."""
    return float(min(spectrum.mean * GRID[::-1], key=spectrum.gcv))


def spectrum_of(activations: Array, design: Design) -> Spectrum:
    """The eigenvalues themselves, by decomposition."""
    s, vectors = _eigen(design.gram())
    right = activations if design.shape[1] >= design.shape[0] else design.turned(activations)
    return _spectrum(s, vectors.T @ right, activations, design)


def _eigen(gram: Array) -> tuple[Array, Array]:
    s, vectors = linalg.eigh(gram.astype(float), overwrite_a=True)
    return np.maximum(s, 0), vectors


def _spectrum(s: Array, along: Array, activations: Array, design: Design) -> Spectrum:
    """Of eigenvalues and what of the right-hand side is along each eigenvector, [q, n]."""
    energy = (along.astype(float) ** 2).sum(axis=1)
    real = s > 1e-6 * s.max()  # the product is of float32: what lies below is rounding
    if design.shape[1] < design.shape[0]:  # A^T z = V s^(1/2) U^T z
        energy = np.divide(energy, s, out=np.zeros_like(s), where=real)
    total = float((activations.astype(float) ** 2).sum())
    return Spectrum(
        trace=(s[real], np.ones(real.sum())),
        energy=(s[real], energy[real]),
        total=total,
        images=len(activations),
        means=design.means,
        mean=design.mean,
    )


def quadratures(activations: Array, design: Design, *, seed: int = 0) -> Spectrum:
    """Nodes and weights that stand in for the eigenvalues, of a few runs of Lanczos' method."""
    rng = np.random.default_rng(seed)
    m, n = activations.shape
    signs = design.centre(rng.choice([-1.0, 1.0], (m, _PROBES)))
    mixtures = activations @ rng.choice(np.float32([-1, 1]), (n, _PROBES))
    mixtures = design.centre(mixtures.astype(float))
    nodes, weights = _lanczos(design, np.hstack([signs, mixtures]))
    trace, energy = weights[:_PROBES] / _PROBES, weights[_PROBES:] / _PROBES
    total = float((activations.astype(float) ** 2).sum())
    energy *= total / max(energy.sum(), _SMALL)  # the mixtures' squares, exact in the mean alone
    kept = nodes > 1e-6 * nodes.max()
    first, last = (nodes[:_PROBES], kept[:_PROBES]), (nodes[_PROBES:], kept[_PROBES:])
    return Spectrum(
        trace=(first[0][first[1]], trace[first[1]]),
        energy=(last[0][last[1]], energy[last[1]]),
        total=total,
        images=m,
        means=design.means,
        mean=design.mean,
    )


def _lanczos(design: Design, starts: Array) -> tuple[Array, Array]:
    """Gauss quadratures of v^T f(A A^T) v for each column v of `starts` ``[m, p]``: nodes and
    weights ``[p, steps]``.
    """
    m, p = starts.shape
    steps = min(_STEPS, m)
    basis = np.zeros((p, steps, m))
    squares = (starts**2).sum(axis=0)
    diagonal, beside = np.zeros((p, steps)), np.zeros((p, steps))
    v = starts / np.sqrt(np.maximum(squares, _SMALL))
    for k in range(steps):
        basis[:, k] = v.T
        w = design.smooth(v)  # [m, p]
        diagonal[:, k] = (v * w).sum(axis=0)
        for _ in range(2):  # twice is enough: against all before, or nodes would come again
            seen = basis[:, : k + 1] @ w.T[:, :, None]  # [p, k + 1, 1]
            w = w - (seen.transpose(0, 2, 1) @ basis[:, : k + 1])[:, 0].T
        beside[:, k] = np.sqrt((w**2).sum(axis=0))
        ended = beside[:, k] < 1e-9 * abs(diagonal).max(axis=1)
        beside[ended, k] = 0
        v = np.where(ended, 0, w / np.where(ended, 1, beside[:, k]))
    nodes, weights = np.zeros((p, steps)), np.zeros((p, steps))
    for run in range(p):
        nodes[run], vectors = linalg.eigh_tridiagonal(diagonal[run], beside[run, :-1])
        weights[run] = squares[run] * vectors[0] ** 2
    return np.maximum(nodes, 0), weights


def _product(left: sparse.csr_array, right: sparse.csr_array) -> Array:
    """Dense product of two sparse ones, some columns at a time: [rows, columns] float32."""
    product = np.empty((left.shape[0], right.shape[1]), np.float32)
    right = sparse.csc_array(right)
    for first in range(0, right.shape[1], _COLUMNS):
        some = slice(first, first + _COLUMNS)
        product[:, some] = left @ right[:, some].toarray()
    return product
