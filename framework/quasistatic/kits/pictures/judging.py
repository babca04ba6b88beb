"""Measures of samples that are pictures: whether they copy, and how far their distribution is from that of the data."""

from __future__ import annotations

import math

import numpy as np

import quasistatic as qs

TRAINING = 10_000  # training pictures at most that are looked at
JUDGED = 500  # samples at most, and as many validation pictures
COMPONENTS = 64


def measures(source: qs.AbstractSource, xs: np.ndarray) -> dict[str, float]:
    """Two measures of generated pictures (N, ...) in model units.

    `nearer_to_training_than_validation` is the chance that a sample is nearer to some stored training picture than a
    validation picture is: a half where they are the same, near 1 where samples copy. `frechet_64_components` is the Frechet
    distance between normal distributions fitted to samples and to training pictures, in the first 64 principal components of
    these (or as many as there are); validation pictures, as many as samples, have `..._of_validation`.
    """
    validation, train = _flat(source.split("validation", JUDGED).x), _flat(source.split("train", TRAINING).x)
    count = min(len(xs), len(validation))
    if not count:
        return {}
    samples, validation = _flat(xs)[:count], validation[:count]
    found = {}
    if source.stored() is not None:
        away, held_out = (qs.numerics.nearest(each, train)[0] for each in (samples, validation))
        found["nearer_to_training_than_validation"] = chance_below(away, held_out)
    axes = principal_components(train)
    known = train @ axes
    for name, each in (("", samples), ("_of_validation", validation)):
        if count > 1:
            found[f"frechet_{axes.shape[1]}_components{name}"] = frechet(known, each @ axes)
    return found


def _flat(xs: np.ndarray) -> np.ndarray:
    return np.reshape(np.asarray(xs, np.float32), (len(xs), math.prod(np.shape(xs)[1:])))


def chance_below(a: np.ndarray, b: np.ndarray) -> float:
    """The chance that one of `a` is below one of `b`; equal ones count half."""
    ordered = np.sort(b)
    above = len(b) - 0.5 * (np.searchsorted(ordered, a, "left") + np.searchsorted(ordered, a, "right"))
    return float(above.mean() / len(b))


def principal_components(train: np.ndarray, count: int = COMPONENTS) -> np.ndarray:
    """Unit vectors (size, count) along which `train` (N, size) varies most, or as many as it varies along."""
    from scipy.linalg import eigh

    centred = np.asarray(train, np.float64) - train.mean(axis=0)
    by_picture = len(centred) < centred.shape[1]  # the smaller of two matrices with the same eigenvalues
    matrix = centred @ centred.T if by_picture else centred.T @ centred
    last = len(matrix) - 1
    values, vectors = eigh(matrix, subset_by_index=[max(0, last - count + 1), last])
    kept = values > 1e-9 * max(values[-1], 1e-300)
    vectors, values = vectors[:, kept], values[kept]
    return centred.T @ vectors / np.sqrt(values) if by_picture else vectors


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """The squared Frechet distance between normal distributions that are fitted to `a` (N, size) and `b` (M, size)."""
    away = ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum()
    first, second = (np.atleast_2d(np.cov(np.asarray(each, np.float64), rowvar=False, bias=True)) for each in (a, b))
    shared = np.sqrt(np.maximum(np.linalg.eigvals(first @ second).real, 0.0)).sum()
    return float(away + np.trace(first) + np.trace(second) - 2.0 * shared)


def nearest_training(source: qs.AbstractSource, xs: np.ndarray) -> np.ndarray:
    """Of each of some samples (N, ...) the nearest stored training picture, both in model units."""
    train = np.asarray(source.split("train", TRAINING).x)
    return train[qs.numerics.nearest(_flat(xs), _flat(train))[1]]
