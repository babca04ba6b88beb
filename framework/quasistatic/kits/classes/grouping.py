"""Groups of vectors: where the learning of classes begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

import quasistatic as qs

MOST = 2048  # events that are grouped; the others join the group of the nearest of them
NEIGHBOURS = 5  # of each event in the graph of `spectral`
STARTS, ITERATIONS = 10, 100  # of k-means, of which the tightest counts


def grouped(values: np.ndarray, count: int, method: str = "spectral", seed: int = 0) -> np.ndarray:
    """Groups 0 .. count - 1 of vectors (N, D), (N,), the largest first.

    `method` is 'spectral', eigenvectors of the graph of nearest neighbours, each on its own scale (Ng, Jordan &
    Weiss 2001; Zelnik-Manor & Perona 2004); 'ward', the merges that add
    least variance (Ward 1963); or 'kmeans'. Raises InputError for fewer distinct vectors than groups, or another method.
    """
    if method not in METHODS:
        raise qs.InputError(f"method: expected one of {', '.join(METHODS)}, got {method!r}")
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(len(values))[:MOST])
    known = np.asarray(values[chosen], np.float64)
    if len(np.unique(known, axis=0)) < count:
        raise qs.InputError(f"expected at least {count} events that differ, to make as many groups, got {len(known)}")
    found = METHODS[method](known, count, rng)
    if len(chosen) < len(values):
        found = found[qs.numerics.nearest(values, known)[1]]
    order = np.argsort(-np.bincount(found, minlength=count), kind="stable")
    return np.argsort(order)[found]


def _kmeans(values: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    found = [_lloyd(values, _apart(values, count, rng)) for _ in range(STARTS)]
    return min(found, key=lambda each: each[0])[1]


def _apart(values: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """First centres, each drawn by the square of the distance to those before it (Arthur & Vassilvitskii 2007)."""
    centres = values[[rng.integers(len(values))]]
    for _ in range(count - 1):
        squares = qs.numerics.nearest(values, centres)[0] ** 2
        centres = np.concatenate([centres, values[[rng.choice(len(values), p=squares / squares.sum())]]])
    return centres


def _lloyd(values: np.ndarray, centres: np.ndarray) -> tuple[float, np.ndarray]:
    """The sum of squares within groups, and the groups."""
    for _ in range(ITERATIONS):
        _, groups = qs.numerics.nearest(values, centres)
        members = np.eye(len(centres))[groups]
        counts = members.sum(axis=0)
        moved = np.where(counts[:, None] > 0, members.T @ values / np.maximum(counts, 1.0)[:, None], centres)
        if np.array_equal(moved, centres):
            break
        centres = moved
    distances, groups = qs.numerics.nearest(values, centres)
    return float((distances**2).sum()), groups


def _ward(values: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    from scipy.cluster.hierarchy import fcluster, linkage

    return fcluster(linkage(values, "ward"), count, "maxclust") - 1


def _spectral(values: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    from scipy.spatial.distance import cdist

    distances = cdist(values, values)
    near = np.argsort(distances, axis=1, kind="stable")[:, : NEIGHBOURS + 1]
    # each event has a scale of its own: the distance of the last of its neighbours
    scales = np.maximum(np.take_along_axis(distances, near[:, -1:], axis=1), np.finfo(float).tiny)
    with np.errstate(over="ignore"):
        weights = np.exp(-((distances / scales) * (distances / scales.T)))
    graph = np.zeros_like(weights)
    np.put_along_axis(graph, near, np.take_along_axis(weights, near, axis=1), axis=1)
    graph = 0.5 * (graph + graph.T)
    roots = np.sqrt(graph.sum(axis=1))
    vectors = np.linalg.eigh(graph / np.outer(roots, roots))[1][:, -count:]
    return _kmeans(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), count, rng)


METHODS: Mapping[str, Callable[[np.ndarray, int, np.random.Generator], np.ndarray]] = {
    "spectral": _spectral,
    "ward": _ward,
    "kmeans": _kmeans,
}
