"""Samplers for symbols on 64 places with the exact network of a hidden Markov chain: how far samples are from the data."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs

MANAGER = qs.PluginManager(["quasistatic_plugins.symbol_samplers"])
EVENTS = 1024
CASES = [("first-hitting", 64), ("confidence", 64), ("tau-leaping", 64), ("trapezoidal", 64), ("remasking", 64)]
CASES += [("first-hitting", 16), ("confidence", 16), ("tau-leaping", 16), ("trapezoidal", 16)]


class Smoother(qs.AbstractModel):
    """What each place is given the places that are seen, by sums over hidden states forward and backward."""

    start: jax.Array
    moves: jax.Array
    shows: jax.Array

    def __call__(self, features: jax.Array, t: jax.Array, side: Any = None, *, key: Any = None) -> jax.Array:
        z, symbols = features[..., 0], self.shows.shape[1]
        likelihoods = jnp.where((z == symbols)[:, None], 1.0, self.shows.T[jnp.minimum(z, symbols - 1)])

        def forward(before: jax.Array, likelihood: jax.Array) -> tuple[jax.Array, jax.Array]:
            found = before * likelihood
            return found / found.sum() @ self.moves, before

        def backward(after: jax.Array, likelihood: jax.Array) -> tuple[jax.Array, jax.Array]:
            found = self.moves @ (after * likelihood)
            return found / found.sum(), after

        before = jax.lax.scan(forward, self.start, likelihoods)[1]
        after = jax.lax.scan(backward, jnp.ones_like(self.start), likelihoods, reverse=True)[1]
        states = before * after
        return jnp.log(states / states.sum(axis=1, keepdims=True) @ self.shows * symbols)


@pytest.mark.benchmark
def test_quality_by_calls() -> None:
    source: Any = qs.make("source", "hidden-markov")
    kernel = qs.make("kernel", "absorbing", source.event, reference="uniform")
    network = Smoother(*(jnp.asarray(each, jnp.float32) for each in (source.start, source.moves, source.shows)))
    pair = qs.Diffusion(kernel, network, 1000)
    data = np.asarray(jax.vmap(lambda key: source.draw(None, key=key)[0])(jr.split(jr.key(7), 65536)))
    wanted, away = float(source.log_prob(data).mean()), dict[tuple[str, int], tuple[float, float]]()
    for name, calls in CASES:
        sampler = qs.make("sampler", name, manager=MANAGER)
        xs, info = qs.sample(pair, EVENTS, key=jr.key(1), sampler=sampler, calls=calls, return_info=True)
        log_probs = source.log_prob(xs)
        value, error = float(log_probs.mean()) - wanted, float(log_probs.std()) / EVENTS**0.5
        away[name, calls] = value, error
        print(f"{name:14} {info}: log p of samples less that of data {value:+.2f} +- {error:.2f} nats")
    for name in ("first-hitting", "confidence"):
        value, error = away[name, 64]
        assert abs(value) < 4.0 * error
