"""Two bumps, 1/2 N(-2, 1/4) + 1/2 N(2, 1/4), with the exact denoiser, by quadrature in x and z: published values. Nats."""

from __future__ import annotations

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from bumps import S2, M, mixture, times_of, two_bumps
from scipy.interpolate import CubicSpline
from scipy.special import ndtr

import quasistatic as qs
from quasistatic.thermodynamics.order import crossing, integrated, peak, speciation_ladder
from quasistatic.thermodynamics.steps import evenly, step_cost
from quasistatic_plugins.gaussian.mixture import NormalMixture

pytestmark = pytest.mark.usefixtures("x64")


def states(snr: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes z (n, 1) of the noisy density at this level, and their shares: a fine even grid."""
    a, noise = math.sqrt(snr / (1.0 + snr)), 1.0 / (1.0 + snr)
    reach = a * M + 12.0 * math.sqrt(a**2 * S2 + noise)
    zs = np.linspace(-reach, reach, 6001)[:, None]
    return zs, np.exp(jax.vmap(mixture(a, noise).log_prob)(zs)) * (zs[1, 0] - zs[0, 0])


@jax.jit
def _looked_at(zs: jax.Array, t: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The denoiser, and Cov(x given z) from its slope, at states (n, 1)."""
    diffusion = two_bumps()
    log_snr, one = diffusion.kernel.schedule.log_odds(t), jnp.ones(1)

    def denoised(z: jax.Array) -> jax.Array:
        return diffusion.denoise(diffusion.params(z, t), z, t).mean()

    mean, slope = jax.vmap(lambda z: jax.jvp(denoised, (z,), (one,)))(zs)
    return mean[:, 0], slope[:, 0] * jnp.exp(qs.log_noise(log_snr) - 0.5 * qs.log_survival(log_snr))


def at_level(snr: float) -> dict[str, float]:
    """mmse, E Var^2, E ln(1 + rise * Var) by the rise, class posterior's agreement and information."""
    zs, share = states(snr)
    mean, variance = (np.asarray(values) for values in _looked_at(zs, jnp.asarray(times_of(np.array(snr)))))
    a, noise = math.sqrt(snr / (1.0 + snr)), 1.0 / (1.0 + snr)
    r = 1.0 / (1.0 + np.exp(np.clip(-2.0 * M * a * zs[:, 0] / (a**2 * S2 + noise), -700, 700)))
    posteriors = np.stack([1.0 - r, r], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        doubt = -np.nansum(posteriors * np.log(posteriors), axis=1)
    return {
        "mmse": M**2 + S2 - float(share @ mean**2),
        "mean variance": float(share @ variance),
        "E Var^2": float(share @ variance**2),
        "I(C;Z)": math.log(2) - float(share @ doubt),
        "agreement": float(share @ (posteriors**2).sum(axis=1)),
    }


# snr: I(X;Z), I(C;Z), mmse, E Var^2, agreement of clones
TABLE = """
0.01   0.020811  0.019562  4.076599  0.020383  0.019136  16.659085  0.519202
0.10   0.176441  0.164095  2.942724  0.147136  0.134941   9.648816  0.645569
0.20   0.302890  0.278495  2.173315  0.217332  0.193522   6.124675  0.733302
0.30   0.398095  0.361935  1.667408  0.250111  0.215227   4.161827  0.792732
0.50   0.531378  0.472486  1.064396  0.266099  0.210543   2.147835  0.866765
1.00   0.709222  0.597650  0.482114  0.241057  0.141057   0.586476  0.944900
2.00   0.867304  0.664572  0.223202  0.223202  0.056535   0.103796  0.984099
10.0   1.318481  0.692099  0.071793  0.358966  0.001823   0.005218  0.999442
100    2.322066  0.693018  0.009616  0.480809  0.000040   0.000092  0.999932
"""


def test_levels() -> None:
    for row in TABLE.strip().splitlines():
        snr, known, of_class, mmse, rate, flux, squares, agreement = map(float, row.split())
        found = at_level(snr)
        # a mixture's information is that of its class and, given the class, of a normal number
        within = 0.5 * math.log1p(snr * S2)
        expected = [known, of_class, mmse, mmse, rate, flux, squares, agreement]
        left = S2 / (1.0 + snr * S2)
        values = [
            found["I(C;Z)"] + within,
            found["I(C;Z)"],
            found["mmse"],
            found["mean variance"],
            0.5 * snr * found["mmse"],
            0.5 * snr * (found["mmse"] - left),
            found["E Var^2"],
            found["agreement"],
        ]
        np.testing.assert_allclose(values, expected, rtol=0, atol=1.1e-6, err_msg=f"snr {snr}")


def test_markers() -> None:
    """Where order appears, by six definitions that agree to leading order only."""
    heights = np.linspace(math.log(0.2), math.log(1.2), 60)
    rows = [at_level(snr) for snr in np.exp(heights)]
    snr = np.exp(heights)
    mmse, agreement, known = (np.array([row[name] for row in rows]) for name in ("mmse", "agreement", "I(C;Z)"))
    flux = 0.5 * snr * (mmse - S2 / (1.0 + snr * S2))
    found = [peak(heights, curve) for curve in (flux, snr * mmse, snr**2 * np.array([row["E Var^2"] for row in rows]))]
    found += [crossing(heights, agreement, 0.775), crossing(heights, known, 0.5 * math.log(2))]
    # scale-free leading order, and the level at which the noisy density has two modes
    found += [-math.log(M**2 + S2), -math.log(M**2 - S2)]
    np.testing.assert_allclose(np.exp(found), [0.36786, 0.49106, 0.79905, 0.26631, 0.27922, 0.23529, 0.26667], atol=1e-3)
    # the clock of an Ornstein-Uhlenbeck process, on which survival is exp(-2 t)
    clock = [-0.5 * math.log(u / (1.0 + u)) for u in np.exp(found)]
    np.testing.assert_allclose(clock, [0.65665, 0.55534, 0.40580, 0.77961, 0.76100, 0.82911, 0.77907], atol=2e-3)
    assert speciation_ladder(np.array([[-3.0], [3.0]]))[0] == pytest.approx(-math.log(18.0))


# signal-to-noise ratios of a step: information restored, then its term with a variance that knows less and less
LADDER = """
.5 .2   .228488 .238928 .250992 .325997
2 1     .158082 .170245 .196735 .241057
20 10   .270165 .270266 .270560 .358966
"""


def test_ladder_of_variances() -> None:
    known = {float(row.split()[0]): float(row.split()[1]) for row in TABLE.strip().splitlines()}
    for row in LADDER.strip().splitlines():
        high, low, *expected = map(float, row.split())
        zs, share = states(low)
        _, variance = _looked_at(zs, jnp.asarray(times_of(np.array(low))))
        covariances, rise = np.asarray(variance)[:, None, None], high - low
        # a mean over states may be taken before or after, but for the constant variance
        mean = (share @ np.asarray(variance))[None, None, None]
        found = [
            share @ step_cost(rise, covariances, "full"),
            step_cost(rise, mean, "isotropic")[0],
            share @ step_cost(rise, covariances, "posterior"),
        ]
        np.testing.assert_allclose(found, expected[1:], rtol=0, atol=1.1e-6)
        restored = expected[0] if high not in known else known[high] - known[low]
        assert restored == pytest.approx(expected[0], abs=2e-6)
        assert expected[0] < found[0] < found[1] < found[2]


# chains from 100 to 0.01, with exact means

FIRST, LAST = 100.0, 0.01


class Curves:
    """Splines in ln u of the error, and of what is gone from the last level on: information, and the lengths of both metrics."""

    def __init__(self) -> None:
        level = np.linspace(math.log(LAST), math.log(FIRST), 161)
        rows, snr = [at_level(u) for u in np.exp(level)], np.exp(level)
        mmse, squares = (np.array([row[name] for row in rows]) for name in ("mmse", "E Var^2"))
        self.mmse = CubicSpline(level, mmse)
        self.gone = {
            name: CubicSpline(level, speed).antiderivative()
            for name, speed in (
                ("information", 0.5 * snr * mmse),
                ("M1", 0.5 * snr * np.sqrt(squares)),
                ("M2", 0.5 * snr * np.sqrt(squares - mmse**2)),
            )
        }

    def even(self, name: str, steps: int) -> np.ndarray:
        """ln u of the knots, rising, of a chain even in this."""
        fine = np.linspace(math.log(LAST), math.log(FIRST), 20_001)
        return evenly(fine, self.gone[name](fine), steps + 1)

    def gap(self, knots: np.ndarray, variance: str) -> float:
        """What K loses in the steps."""
        costs = [
            step_cost(math.exp(high) - math.exp(low), np.full((1, 1, 1), self.mmse(low)), variance)[0]  # type: ignore[arg-type]
            for low, high in itertools.pairwise(knots)
        ]
        return sum(costs) - float(self.gone["information"](math.log(FIRST)))


def chain(name: str, steps: int, curves: Curves) -> np.ndarray:
    """ln u of the knots, rising."""
    share = np.linspace(0.0, 1.0, steps + 1)
    first, last = FIRST / (1 + FIRST), LAST / (1 + LAST)
    if name in curves.gone:
        return curves.even(name, steps)
    if name == "abar":
        kept = last + (first - last) * share
    elif name == "cosine":
        kept = np.cos(math.acos(math.sqrt(last)) + (math.acos(math.sqrt(first)) - math.acos(math.sqrt(last))) * share) ** 2
    elif name == "edm":
        low, high = FIRST ** (-1 / 14), LAST ** (-1 / 14)
        return -14.0 * np.log(high + (low - high) * share)
    else:
        return np.linspace(math.log(LAST), math.log(FIRST), steps + 1)
    return np.log(kept) - np.log1p(-kept)


# gap for 5, 10, 20, 50, 200 steps with the posterior's variance | 10, 50 with the best constant one | error of samples, 5 to 50
SCHEDULES = """
abar        5.769130  3.011446  1.498676  0.548952  0.119594 | 0.082783 0.016552 | 0.22456 0.12101 0.06460 0.02707
cosine      4.183515  1.657563  0.687647  0.240510  0.056064 | 0.103812 0.020897 | 0.21396 0.10719 0.05387 0.02163
edm         4.152695  1.401781  0.584803  0.211081  0.050214 | 0.162262 0.032823 | 0.26180 0.13015 0.06482 0.02583
log-snr     3.109867  1.128098  0.486847  0.179023  0.042961 | 0.156893 0.032221 | 0.27241 0.13611 0.06787 0.02707
information 2.365818  0.891892  0.391980  0.145836  0.035206 | 0.161723 0.033301 | 0.38489 0.19235 0.09728 0.03930
M1          2.131644  0.839446  0.375563  0.141016  0.034187 | 0.132091 0.026851 | 0.34562 0.17865 0.09186 0.03755
M2          8.005494  4.892789  3.095651  1.507724  0.376448 | 0.079067 0.014964 | 0.25290 0.15724 0.10018 0.05245
"""


def quantiles(spread: NormalMixture, share: np.ndarray) -> np.ndarray:
    """Of a mixture of two, by halving."""
    low, high = np.full(len(share), -50.0), np.full(len(share), 50.0)
    deviation = np.sqrt(np.asarray(spread.variances[:, 0]))
    for _ in range(60):
        middle = 0.5 * (low + high)
        below = 0.5 * ndtr((middle[:, None] - np.asarray(spread.means[:, 0])) / deviation).sum(axis=1)
        low, high = np.where(below < share, middle, low), np.where(below < share, high, middle)
    return 0.5 * (low + high)


def test_no_schedule_is_best_for_all() -> None:
    """The gap with either variance, and W2 of the deterministic sampler's points at u = 100 in units of the data."""
    curves = Curves()
    assert curves.gone["information"](math.log(FIRST)) == pytest.approx(2.301256, abs=2e-6)
    length = float(curves.gone["M1"](math.log(FIRST)))
    assert length == pytest.approx(2.601643, abs=1e-5)
    share = (np.arange(4000) + 0.5) / 4000
    start, end = (quantiles(mixture(math.sqrt(u / (1 + u)), 1 / (1 + u)), share) for u in (LAST, FIRST))
    pair = two_bumps()
    step = jax.jit(lambda z, s, t: jax.vmap(lambda z: pair.kernel.back(pair.mean(z, t), z, s, t).loc)(z))
    for row in SCHEDULES.strip().splitlines():
        name, *_ = row.split()
        tight, constant, samples = (np.array(part.split(), float) for part in row.removeprefix(name).split("|"))
        found = [curves.gap(chain(name, steps, curves), "posterior") for steps in (5, 10, 20, 50, 200)]
        np.testing.assert_allclose(found, tight, rtol=3e-5, atol=1e-6, err_msg=name)
        found = [curves.gap(chain(name, steps, curves), "isotropic") for steps in (10, 50)]
        np.testing.assert_allclose(found, constant, rtol=0, atol=2e-6, err_msg=name)
        for steps, error in zip((5, 10, 20, 50), samples, strict=True):
            z = jnp.asarray(start)[:, None]
            for low, high in itertools.pairwise(chain(name, steps, curves)):
                late, early = (jnp.asarray(times_of(np.exp(level))) for level in (low, high))
                z = step(z, early, late)
            distance = math.sqrt(np.mean((np.asarray(z)[:, 0] - end) ** 2) * (1 + FIRST) / FIRST)
            assert distance == pytest.approx(error, abs=5e-5), name
    # the shortest way, to leading order
    for steps, least in ((5, 1.353709), (10, 0.676855), (20, 0.338427), (50, 0.135371), (200, 0.033843)):
        assert length**2 / steps == pytest.approx(least, abs=1e-5)


def test_information_and_error() -> None:
    """I-MMSE and its derivative by differences; and a density from the error at its point alone (Guo, Shamai & Verdu 2005)."""
    h = 1e-3
    for snr in (0.1, 0.5, 2.0, 10.0):
        below, here, above = (at_level(snr * math.exp(shift)) for shift in (-h, 0.0, h))
        width = snr * 2.0 * math.sinh(h)
        known = [row["I(C;Z)"] + 0.5 * math.log1p(snr * math.exp(shift) * S2) for row, shift in ((below, -h), (above, h))]
        assert (known[1] - known[0]) / width == pytest.approx(0.5 * here["mmse"], rel=1e-5)
        assert (above["mmse"] - below["mmse"]) / width == pytest.approx(-here["E Var^2"], rel=1e-5)
    end = 1e7  # what is beyond is half of the squared score over it
    level = np.linspace(math.log(end), math.log(1e-7), 2001)
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    known, weights = mixture(), weights / weights.sum()
    for x in (-2.3, 0.4):

        def error(snr: jax.Array, x: float = x) -> jax.Array:
            zs = x + jnp.asarray(nodes)[:, None] / jnp.sqrt(snr)
            means = jax.vmap(lambda z: known.denoised(z, jnp.ones(()), 1.0 / snr)[0])(zs)
            return jnp.asarray(weights) @ (x - means[:, 0]) ** 2

        rate = 0.5 * np.exp(level) * np.asarray(jax.jit(lambda snr, error=error: jax.lax.map(error, snr))(np.exp(level)))
        gained = integrated(level, rate)[0]
        found = -gained - 0.5 * math.log(2.0 * math.pi * math.e / end)
        assert found == pytest.approx(float(known.log_prob(jnp.array([x]))), abs=5e-5)
