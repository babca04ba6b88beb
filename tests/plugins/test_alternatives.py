"""K of events whose side information is one of several that nobody knows: a bound on the log of a sum."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs
from quasistatic.kits.classes import Alternatives, alternatives

CLASSES, BITS = 3, 4
LOG_PROBS = np.log([0.5, 0.3, 0.2])
ODDS = np.random.default_rng(0).normal(scale=2.0, size=(CLASSES, BITS))
XS = np.array([[number >> place & 1 for place in range(BITS)] for number in range(2**BITS)], np.float32)
SIDES = [np.full(len(XS), number) for number in range(CLASSES)]


class Told(qs.AbstractModel):
    """Log-odds of bits that are independent given the class, as one number or as two."""

    def __call__(self, features, t, side=None, *, key=None):
        number = 0 if side is None else side.value
        one = jnp.asarray(ODDS, jnp.result_type(float))[number][:, None]
        return one if jnp.issubdtype(features.dtype, jnp.inexact) else jnp.concatenate([jnp.zeros_like(one), one], axis=1)


def log_joint():
    """log p(x, c), (16, CLASSES), of the bits with these odds."""
    return LOG_PROBS - np.logaddexp(0.0, np.where(XS[:, None] > 0.5, -ODDS, ODDS)).sum(axis=-1)


def written():
    """Bits as symbols that are written one after another: K given a class is log p itself."""
    kernel = qs.make("kernel", "absorbing", qs.Categorical((BITS,), 2), order="last-first")
    return alternatives(qs.Diffusion(kernel, Told(), BITS), XS.astype(int), SIDES, LOG_PROBS, key=jr.key(0))


@pytest.mark.usefixtures("x64")
def test_where_k_is_log_p_the_sum_and_the_classes_are_exact():
    found, wanted = written(), log_joint()
    assert found.joint.shape == (2, 16, CLASSES)
    np.testing.assert_allclose(found.per_event, np.logaddexp.reduce(wanted, axis=1), atol=1e-10)
    np.testing.assert_allclose(found.log_posteriors, wanted - np.logaddexp.reduce(wanted, axis=1, keepdims=True), atol=1e-10)
    assert np.exp(found.per_event).sum() == pytest.approx(1.0, abs=1e-10)


@pytest.mark.parametrize("repeats", [2, 5])
def test_noisy_draws_of_k_stay_below_the_sum_in_the_mean(repeats):
    """Weights from the same draws would be too high: by Jensen's inequality, and here by far more than the tolerance."""
    bounds = np.array([-1.0, -1.2, -2.5])
    noise = np.random.default_rng(1).normal(size=(repeats, 40_000, CLASSES))
    found = Alternatives(bounds + noise).per_event
    limit, error = np.logaddexp.reduce(bounds), found.std() / 200.0
    assert bounds.max() < found.mean() < limit + 4.0 * error
    assert np.logaddexp.reduce(bounds + noise[0], axis=1).mean() > limit + 20.0 * error


@pytest.mark.parametrize(("repeats", "count"), [(1, 3), (2, 1), (2, 2)])
def test_what_cannot_be_summed_is_refused(repeats, count):
    diffusion = qs.Diffusion(qs.make("kernel", "binomial", qs.Binary((BITS,))), Told(), 3)
    with pytest.raises(ValueError, match=f"got {repeats} repeats, {count} alternatives, 3 log-probabilities"):
        alternatives(diffusion, XS, SIDES[:count], LOG_PROBS, key=jax.random.key(0), repeats=repeats)


def test_probabilities_of_the_alternatives_sum_to_one():
    with pytest.raises(ValueError, match="sum to 1, got 3"):
        alternatives(
            qs.Diffusion(qs.make("kernel", "binomial", qs.Binary((BITS,))), Told(), 3), XS, SIDES, np.zeros(3), key=jr.key(0)
        )
