"""Normal data under Gaussian chains: published values, and the same by hand in numpy. Nats unless a name says bits."""

from __future__ import annotations

import itertools
import math
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import quasistatic as qs
from quasistatic import oracles
from quasistatic.thermodynamics.steps import evenly, step_cost
from quasistatic_plugins.gaussian import GaussianOptions
from quasistatic_plugins.gaussian.kernel import LIMIT, GaussianKernel, build
from quasistatic_plugins.gaussian.oracle import AffineDenoiser, GaussianData, affine_chain, log_weight_distribution

pytestmark = pytest.mark.usefixtures("x64")

LEFT = 0.01  # survival at t = 1
LINE = GaussianData([1.0], [[0.25]])
WIDE = GaussianData([0.0], [[4.0]])
PLANE = GaussianData([1.0, -0.5], [[1.0, 0.8], [0.8, 1.0]])


class Full(qs.distributions.AbstractIntegrable):
    """A normal distribution whose covariance has these orthogonal axes (columns) and this spectrum."""

    loc: jax.Array
    spectrum: jax.Array
    axes: jax.Array
    is_reparametrised: ClassVar[bool] = True

    def sample(self, key: jax.Array) -> jax.Array:
        raise NotImplementedError

    def log_prob(self, x: jax.Array) -> jax.Array:
        away = self.axes.T @ (x - self.loc)
        return -0.5 * jnp.sum(away**2 / self.spectrum + jnp.log(2 * math.pi * self.spectrum))

    def nodes(self) -> tuple[jax.Array, jax.Array]:
        spread = jnp.sqrt(self.loc.size * self.spectrum)[:, None] * self.axes.T
        return self.loc + jnp.concatenate([spread, -spread]), jnp.full((2 * self.loc.size,), 0.5 / self.loc.size)


class FullKernel(GaussianKernel):
    """A user's kernel, which knows the axes of the data's covariance: the second param of element i is about axis i.

    With `tight`, all steps but the first have the least variance.
    """

    axes: jax.Array
    tight: bool = eqx.field(static=True)

    def decode(self, params: jax.Array, z: jax.Array, t: jax.Array) -> Any:
        _, noise = self._level(t)
        return Full(self._denoise(params, z, t), noise * self._ratio(params), self.axes)

    def reverse(self, params: jax.Array, z: jax.Array, s: jax.Array, t: jax.Array) -> Any:
        step, (_, noise) = self._step(s, t), self._level(t)
        spectrum = (
            jnp.full(z.shape, step.variance) if self.tight else step.variance + step.x_weight**2 * noise * self._ratio(params)
        )
        return Full(step.z_weight * z + step.x_weight * self._denoise(params, z, t), spectrum, self.axes)


class FullDenoiser(qs.AbstractModel):
    means: AffineDenoiser

    def __call__(self, features: jax.Array, t: jax.Array, side: Any = None, *, key: Any = None) -> jax.Array:
        a, noise = self.means.kernel._level(t)
        left = self.means.spectrum / (a**2 * self.means.spectrum + noise)
        ratios = LIMIT * jnp.arctanh(jnp.log(left) / LIMIT)
        return jnp.concatenate([self.means(features, t), ratios[:, None]], axis=-1)


class Silent(qs.AbstractModel):
    """A network that knows nothing."""

    params: int = eqx.field(static=True)

    def __call__(self, features: jax.Array, t: jax.Array, side: Any = None, *, key: Any = None) -> jax.Array:
        return jnp.zeros((*features.shape[:-1], self.params))


def options(variance: Any, left: float = LEFT) -> GaussianOptions:
    return GaussianOptions(schedule="erasure", first_noise=0.0, last_survival=left, variance=variance)


def reversal(data: GaussianData, family: str, steps: int, first_step: Any = "learned") -> qs.Diffusion:
    """The reverse chains of the tables: means are exact, variances are those of the family."""
    event = qs.Real((data.size,))
    if family in ("post", "exact") and (family, data.size) != ("exact", 1):
        means = data.model(GaussianKernel(options("forward"), event))
        kernel: GaussianKernel = FullKernel(options("learned"), event, means.axes, family == "post")
        model: qs.AbstractModel = FullDenoiser(means)
    else:
        kernel = GaussianKernel(options("forward" if family == "beta" else "learned"), event)
        model = data.model(kernel)
    return qs.Diffusion(kernel, model, steps, first_step)


class ByHand(NamedTuple):
    bound: float
    likelihood: float
    produced: np.ndarray
    end: float
    bound_at: float


def by_hand(data: GaussianData, family: str, steps: int, at: np.ndarray) -> ByHand:
    """The linear-Gaussian algebra in terms of beta and abar, without any part of the library."""
    mean, cov, eye = data.mean, data.covariance, np.eye(len(data.mean))

    def divergence(m: np.ndarray, c: np.ndarray, m2: np.ndarray, c2: np.ndarray) -> float:
        inverse = np.linalg.inv(c2)
        logs = np.linalg.slogdet(c2)[1] - np.linalg.slogdet(c)[1]
        return 0.5 * float(np.trace(inverse @ c) + (m - m2) @ inverse @ (m - m2) - len(m) + logs)

    abar = 1.0 - (1.0 - LEFT) * np.arange(steps + 1) / steps
    noisy = [a * cov + (1.0 - a) * eye for a in abar]
    produced, slopes, offsets, noises = [], [], [], []
    for k in range(1, steps + 1):
        beta = 1.0 - abar[k] / abar[k - 1]
        slope = math.sqrt(1.0 - beta) * noisy[k - 1] @ np.linalg.inv(noisy[k])
        true = noisy[k - 1] - math.sqrt(1.0 - beta) * slope @ noisy[k - 1]
        tight = beta * (1.0 - abar[k - 1]) / (1.0 - abar[k]) * eye
        noise = {
            "exact": true,
            "post": true if k == 1 else tight,
            "beta": beta * eye,
            "diag": np.diag(np.diag(true)),
        }[family]
        produced.append(divergence(mean, true, mean, noise))
        slopes.append(slope)
        offsets.append(math.sqrt(abar[k - 1]) * mean - slope @ (math.sqrt(abar[k]) * mean))
        noises.append(noise)
    end = divergence(math.sqrt(abar[-1]) * mean, noisy[-1], 0 * mean, eye)
    entropy = 0.5 * float(np.linalg.slogdet(2 * math.pi * math.e * cov)[1])
    m, c = 0 * mean, eye
    for slope, offset, noise in zip(slopes[::-1], offsets[::-1], noises[::-1], strict=True):
        m, c = slope @ m + offset, slope @ c @ slope.T + noise
    likelihood = -entropy - divergence(mean, cov, m, c)

    lost = divergence(math.sqrt(abar[-1]) * at, (1.0 - abar[-1]) * eye, 0 * at, eye)
    for k in range(1, steps + 1):
        beta, inverse = 1.0 - abar[k] / abar[k - 1], np.linalg.inv(noises[k - 1])
        keep = math.sqrt(1.0 - beta) * (1.0 - abar[k - 1]) / (1.0 - abar[k])
        pull = math.sqrt(abar[k - 1]) * beta / (1.0 - abar[k])
        move = keep * eye - slopes[k - 1]
        centre = move @ (math.sqrt(abar[k]) * at) + pull * at - offsets[k - 1]
        square = centre @ inverse @ centre + (1.0 - abar[k]) * np.trace(inverse @ move @ move.T)
        if k == 1:
            lost += 0.5 * (square + np.linalg.slogdet(2 * math.pi * noises[0])[1])
        else:
            posterior = beta * (1.0 - abar[k - 1]) / (1.0 - abar[k]) * eye
            lost += 0.5 * square + divergence(at, posterior, at, noises[k - 1])
    return ByHand(-entropy - sum(produced) - end, likelihood, np.array(produced), end, -lost)


# family, T: K, E log p, KL0, gap, Sigma, sum of EP | at one x: K(x), log p(x), Var w, E_p w, ESS fraction
LINE_TABLE = """
exact    1  -0.73081  -0.72580 0.00001 0.00500 0.00501 0.00000 | -0.73581 -0.73084 0.00985 -0.72584 0.9900
exact   10  -0.73081  -0.72580 0.00001 0.00500 0.00501 0.00000 | -0.73581 -0.73084 0.00985 -0.72584 0.9900
exact   40  -0.73081  -0.72580 0.00001 0.00500 0.00501 0.00000 | -0.73581 -0.73084 0.00985 -0.72584 0.9900
exact 1000  -0.73081  -0.72580 0.00001 0.00500 0.00501 0.00000 | -0.73581 -0.73084 0.00985 -0.72584 0.9900
post    10  -0.82640  -0.73090 0.00511 0.09550 0.10061 0.09560 | -0.83140 -0.73669 0.24485 -0.66200 0.8815
post    40  -0.92287  -0.72921 0.00342 0.19366 0.19708 0.19207 | -0.92787 -0.73486 0.54078 -0.59239 0.7920
post  1000  -1.01067  -0.72587 0.00007 0.28480 0.28488 0.27986 | -1.01567 -0.73098 0.80969 -0.52201 0.7095
beta     1  -1.04613  -1.04042 0.31463 0.00571 0.32034 0.31533 | -1.05113 -1.04169 0.01871 -1.03216 0.9809
beta    10  -0.78294  -0.73394 0.00815 0.04900 0.05715 0.05214 | -0.78794 -0.73812 0.09021 -0.68288 0.8822
beta    40  -0.74448  -0.72634 0.00054 0.01814 0.01869 0.01367 | -0.74948 -0.73114 0.03580 -0.71236 0.9622
beta  1000  -0.73136  -0.72580 0.00001 0.00556 0.00557 0.00056 | -0.73636 -0.73083 0.01098 -0.72527 0.9889
"""
PLANE_TABLE = """
exact    1  -2.33333  -2.32707 0.00002 0.00626 0.00628 0.00000 | -4.17045 -4.16409 0.01264 -4.15769 0.9872
exact   10  -2.33333  -2.32707 0.00002 0.00626 0.00628 0.00000 | -4.17045 -4.16409 0.01264 -4.15769 0.9872
exact   40  -2.33333  -2.32707 0.00002 0.00626 0.00628 0.00000 | -4.17045 -4.16409 0.01264 -4.15769 0.9872
exact 1000  -2.33333  -2.32707 0.00002 0.00626 0.00628 0.00000 | -4.17045 -4.16409
post    10  -2.75870  -2.34713 0.02007 0.41157 0.43164 0.42536 | -4.82907 -4.35812 1.33402 -4.01445 0.5731
post    40  -2.81893  -2.33236 0.00531 0.48657 0.49188 0.48560 | -4.98757 -4.41972 1.63036 -4.00815 0.5120
post  1000  -2.90108  -2.32716 0.00011 0.57392 0.57403 0.56775 | nan      -4.20422
beta     1  -2.83779  -2.82560 0.49854 0.01219 0.51074 0.50446 | -2.47331 -2.47291 0.00081 -2.47250 0.9992
beta    10  -2.41502  -2.34112 0.01407 0.07390 0.08797 0.08169 | -3.74696 -3.66174 0.15067 -3.56448 0.7920
beta    40  -2.35487  -2.32800 0.00095 0.02687 0.02782 0.02154 | -4.05234 -4.02491 0.05332 -3.99667 0.9434
beta  1000  -2.33421  -2.32708 0.00002 0.00713 0.00716 0.00088 | nan      -4.15836
diag     1  -2.83777  -2.82542 0.49837 0.01235 0.51072 0.50444 | -2.47106 -2.47065 0.00081 -2.47024 0.9992
diag    10  -2.39837  -2.33495 0.00790 0.06342 0.07132 0.06504 | -3.86339 -3.79781 0.12965 -3.73088 0.8700
diag    40  -2.34969  -2.32756 0.00050 0.02213 0.02263 0.01635 | -4.09231 -4.07028 0.04397 -4.04818 0.9566
diag  1000  -2.33399  -2.32707 0.00002 0.00691 0.00694 0.00065 | nan      -4.16033
"""


def rows(table: str) -> list[tuple[str, int, str, str]]:
    parts = [line.split("|") for line in table.strip().splitlines()]
    return [(left.split()[0], int(left.split()[1]), left.split(maxsplit=2)[2], right) for left, right in parts]


CASES = [(LINE, [1.5], *row) for row in rows(LINE_TABLE)] + [(PLANE, [0.5, 0.5], *row) for row in rows(PLANE_TABLE)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0].size}d-{case[2]}-{case[3]}")
def test_row(case: tuple[GaussianData, list[float], str, int, str, str]) -> None:
    data, x, family, steps, totals, at_x = case
    diffusion = reversal(data, family, steps)
    assert isinstance(diffusion.kernel, GaussianKernel)
    log_snr = diffusion.kernel.schedule.log_odds(diffusion.times())
    nodes, weights = data.nodes()
    # x comes along without weight
    ledger = oracles.exact_ledger(diffusion, np.array([*nodes, x]), [*weights, 0.0])
    production = oracles.entropy_production(ledger, data.information(log_snr), data.entropy())
    chain = affine_chain(diffusion)
    divergence = data.kl(chain.data())
    sigma = -data.entropy() - ledger.bound
    likelihood = -data.entropy() - divergence
    found = [ledger.bound, likelihood, divergence, sigma - divergence, sigma, production.steps.sum()]
    np.testing.assert_allclose(found, np.array(totals.split(), float), rtol=0, atol=0.6e-5)

    hand = by_hand(data, family, steps, np.array(x))
    close = {"rtol": 0, "atol": 1e-8}
    np.testing.assert_allclose(
        (ledger.bound, likelihood, ledger.per_event[-1]), (hand.bound, hand.likelihood, hand.bound_at), **close
    )
    np.testing.assert_allclose(production.steps, hand.produced, **close)
    assert production.end == pytest.approx(hand.end, abs=1e-8)
    assert sigma == pytest.approx(hand.end + hand.produced.sum(), abs=1e-8)

    columns = np.array(at_x.split(), float)
    found = [ledger.per_event[-1], chain.data().log_prob(x)]
    if len(columns) > 2:
        weight = log_weight_distribution(chain, log_snr, x)
        np.testing.assert_allclose((weight.bound, weight.log_moment(1)), found, **close)
        found += [weight.variance, weight.upper_bound, weight.ess_fraction]
    limits = np.array([0.6e-5] * 4 + [0.6e-4])[: len(found)]
    assert np.all((np.abs(np.array(found) - columns) < limits) | np.isnan(columns))


def test_information() -> None:
    for data, values in ((LINE, (0.0013, 0.5932, 1.1921, 2.7672)), (PLANE, (0.0100, 1.9461, 3.2298, 6.4087))):
        first = [reversal(data, "beta", steps).times()[0] for steps in (1, 10, 40, 1000)]
        kernel = GaussianKernel(options("forward"), qs.Real((data.size,)))
        found = data.information(kernel.schedule.log_odds(jnp.stack(first)))
        np.testing.assert_allclose(found, values, rtol=0, atol=0.6e-4)
    assert LINE.entropy() == pytest.approx(0.725791, abs=0.6e-6)
    assert PLANE.entropy() == pytest.approx(2.327051, abs=0.6e-6)


# steps 2, 6 and 10 of T = 10: lower, exact, the paper's upper, corrected upper
ENTROPIES = [
    (LINE, "-.03183 .21165 .31475 .27762 | .51306 .54777 .60422 .56709 | 1.31814 1.33195 1.37082 1.33370", True),
    (PLANE, "-.06366 .52819 .62949 .62949 | 1.02612 1.17509 1.20844 1.20844 | 2.63629 2.73786 2.74165 2.74165", True),
    (WIDE, "-.03183 .35655 .31475 .46325 | .51306 .66705 .60422 .75272 | 1.31814 1.49751 1.37082 1.51932", False),
]


@pytest.mark.parametrize(("data", "table", "holds"), ENTROPIES, ids=["1d", "2d", "wide"])
def test_conditional_entropies(data: GaussianData, table: str, holds: bool) -> None:
    """The paper's upper bound fails for data of variance 4, the corrected one holds."""
    kernel = GaussianKernel(options("learned"), qs.Real((data.size,)))
    times = kernel.times(10)
    known = data.information(kernel.schedule.log_odds(jnp.asarray(times)))
    nodes, weights = data.nodes()
    found = oracles.conditional_entropies(kernel, nodes - data.mean, weights, times, known)
    bounds = np.stack([found.lower, found.exact, found.paper_upper, found.corrected_upper], axis=1)
    expected = np.array([part.split() for part in table.split("|")], float)
    np.testing.assert_allclose(bounds[[0, 4, 8]], expected, rtol=0, atol=0.6e-5)
    assert np.all(found.paper_upper_holds == holds)
    assert np.all(found.exact <= found.corrected_upper + 1e-12)


def paper_formula(data: GaussianData, ledger: oracles.ExactLedger, survivals: np.ndarray) -> float:
    """Eq. 14 of the paper: the entropies of the ends, and no expectation of log pi."""
    size = data.size
    first, last = (0.5 * size * math.log(2 * math.pi * math.e * (1.0 - a)) for a in (survivals[0], survivals[-1]))
    return -float(ledger.gaps.sum()) + last - first - 0.5 * size * math.log(2 * math.pi * math.e)


@pytest.mark.parametrize(
    ("data", "true", "formula", "learned"),
    [
        (LINE, -0.769711, -0.765367, -0.730805),
        (WIDE, -2.140063, -2.087938, -2.112306),
        (PLANE, -2.390472, -2.368753, -2.333333),
    ],
    ids=["1d", "wide", "2d"],
)
def test_fixed_first_step(data: GaussianData, true: float, formula: float, learned: float) -> None:
    """The paper's first step, T = 40: its closed form of K can exceed the truth, -H(X); the ledger's K cannot."""
    nodes, weights = data.nodes()
    fixed, free = (oracles.exact_ledger(reversal(data, "exact", 40, first), nodes, weights) for first in ("paper", "learned"))
    survivals = 1.0 - (1.0 - LEFT) * fixed.times
    printed = paper_formula(data, fixed, survivals)
    np.testing.assert_allclose((fixed.bound, printed, free.bound), (true, formula, learned), rtol=0, atol=0.6e-6)
    square = float(weights @ (nodes**2).sum(axis=1))
    after = survivals[[0, -1]] * (square - data.size) + data.size
    correction = 0.5 * (data.size - after[1] - square + after[0])
    assert fixed.bound == pytest.approx(printed + correction, abs=1e-8)
    assert (printed > -data.entropy()) == (data is WIDE)


# steps, variance of the data: the paper's K, K, truth, in bits
REFERENCE = [
    (1000, 0.25, -1.05195, -1.05033, -1.04710),
    (1000, 2.0, -2.54566, -2.54782, -2.54710),
    (1000, 0.01, 1.14381, 1.14595, 1.27483),
    (40, 0.25, -1.11374, -1.08728, -1.04710),
    (40, 2.0, -2.52132, -2.55659, -2.54710),
]


@pytest.mark.parametrize(("steps", "variance", "formula", "true", "truth"), REFERENCE)
def test_reference_schedule(steps: int, variance: float, formula: float, true: float, truth: float) -> None:
    """The schedule of the 2015 code with an exact reverse chain and the paper's first step."""
    data = GaussianData([0.0], [[variance]])
    kernel = GaussianKernel(GaussianOptions(schedule="reference", reference_steps=steps), qs.Real((1,)))
    ledger = oracles.exact_ledger(qs.Diffusion(kernel, data.model(kernel), steps, "paper"), *data.nodes())
    survivals = 1.0 / (1.0 + np.exp(-np.asarray(kernel.schedule.log_odds(jnp.asarray(ledger.times)))))
    found = np.array([paper_formula(data, ledger, survivals), ledger.bound, -data.entropy()])
    np.testing.assert_allclose(found / math.log(2), (formula, true, truth), rtol=0, atol=0.6e-5)
    first, last = 1.0 + survivals[[0, -1]] * (variance - 1.0)
    closed = math.log(2 * math.pi * math.e * first) + last - 1.0 - math.log(last) + variance - first
    assert ledger.bound == pytest.approx(-0.5 * closed, abs=1e-8)


@pytest.mark.parametrize(("steps", "excess"), [(1000, 0.004487), (40, 0.0671)])
def test_silent_network(steps: int, excess: float) -> None:
    """Unit normal data and zero params: K is L_null. With T in place of T - 1 it would be off by `excess` bits."""
    unit = GaussianData([0.0], [[1.0]])
    for first_step in ("paper", "learned"):
        chosen = GaussianOptions(schedule="reference", reference_steps=steps, mean="eq65-code")
        kernel = build(chosen, qs.Real((1,)))
        ledger = oracles.exact_ledger(qs.Diffusion(kernel, Silent(2), steps, first_step), *unit.nodes())
        assert ledger.bound == pytest.approx(-unit.entropy(), abs=1e-9)
        assert ledger.gaps.mean() / math.log(2) == pytest.approx(excess, abs=0.6e-4 if steps == 40 else 0.6e-6)


def test_least_variance_never_converges() -> None:
    """Erasure with the posterior's variance wastes half of Euler's constant for ever, even where the mean is exact."""

    def waste(steps: int) -> np.ndarray:
        snr = np.arange(steps)[::-1] / np.arange(1, steps + 1)
        x = (snr[:-1] - snr[1:]) / (1.0 + snr[1:])
        return 0.5 * (x - np.log1p(x))

    assert waste(10_000).sum() == pytest.approx(0.28858, abs=1e-4)
    unit = GaussianData([0.0], [[1.0]])
    kernel = build(options("posterior", 0.0), qs.Real((1,)))
    diffusion = qs.Diffusion(kernel, Silent(1), 200)
    ledger = oracles.exact_ledger(diffusion, *unit.nodes())
    known = unit.information(kernel.schedule.log_odds(diffusion.times()))
    produced = oracles.entropy_production(ledger, known, unit.entropy())
    np.testing.assert_allclose(produced.steps[1:], waste(200), rtol=0, atol=1e-8)
    assert produced.steps[0] == pytest.approx(0.0, abs=1e-10)


# chains with exact means and the least variance, between these ratios of signal to noise

FIRST, LAST = 39.404040, 0.010101
# steps: gap with survival, its angle, or log-SNR even, and with even lengths
GAPS = {
    "line": """
   1  3.720971 3.720971 3.720971 3.720971
   5  1.527621 1.208587 0.919253 0.334587
  10  0.819005 0.523420 0.373959 0.153779
  39  0.192068 0.110231 0.082378 0.037115
 100  0.069691 0.040952 0.031135 0.014295
 999  0.006600 0.003984 0.003061 0.001421
""",
    "plane": """
  10  2.238900 nan 1.196594 0.683245
  39  0.485598 nan 0.257543 0.158095
 100  0.175270 nan 0.096947 0.060380
 999  0.016605 nan 0.009511 0.005972
""",
}
LENGTHS = {"line": 1.190868, "plane": 2.440976}


@pytest.mark.parametrize("name", [pytest.param("line"), pytest.param("plane", marks=pytest.mark.slow)])
def test_gaps_of_schedules(name: str) -> None:
    """From the ledger; and no chain of few steps of even length is far from the square of the length over their number."""
    data = {"line": LINE, "plane": PLANE}[name]
    ends = {"first_noise": 1.0 / (1.0 + FIRST), "last_survival": LAST / (1.0 + LAST)}
    kernel = build(GaussianOptions(schedule="log-linear", variance="posterior", **ends), qs.Real((data.size,)))
    diffusion = qs.Diffusion(kernel, data.model(kernel), 2)  # type: ignore[arg-type]
    fine = np.linspace(math.log(LAST), math.log(FIRST), 20_001)
    snr, spectrum = np.exp(fine)[:, None], np.linalg.eigvalsh(data.covariance)
    speed = 0.5 * np.sqrt(((snr * spectrum / (1.0 + snr * spectrum)) ** 2).sum(axis=1))
    gone = np.concatenate([[0.0], np.cumsum(0.5 * (speed[1:] + speed[:-1]) * np.diff(fine))])
    assert gone[-1] == pytest.approx(LENGTHS[name], abs=1e-6)
    kept = np.array([LAST / (1.0 + LAST), FIRST / (1.0 + FIRST)])
    for row in GAPS[name].strip().splitlines():
        steps, *expected = row.split()
        share = np.linspace(0.0, 1.0, int(steps) + 1)
        angle = np.arccos(np.sqrt(kept))
        survivals = (kept[0] + (kept[1] - kept[0]) * share, np.cos(angle[0] + (angle[1] - angle[0]) * share) ** 2)
        knots = [np.log(each) - np.log1p(-each) for each in survivals]
        knots += [np.linspace(fine[0], fine[-1], len(share)), evenly(fine, gone, len(share))]
        for log_snr, value in zip(knots, expected, strict=True):
            times = ((fine[-1] - log_snr) / (fine[-1] - fine[0]))[::-1].clip(0.0, 1.0)
            ledger = oracles.exact_ledger(diffusion, *data.nodes(), times)
            restored = data.information(log_snr[[-1, 0]])
            gap = ledger.gaps.sum() - (restored[0] - restored[1])
            assert math.isnan(float(value)) or gap == pytest.approx(float(value), abs=2e-6)
        assert gap > gone[-1] ** 2 / int(steps)


def noisy(survival: float) -> GaussianData:
    """LINE after noise."""
    return GaussianData(math.sqrt(survival) * LINE.mean, survival * LINE.covariance + (1.0 - survival) * np.eye(1))


def test_second_law_of_noising() -> None:
    """What the noise dissipates depends on the ends alone, and is at least the squared way in W2 over the time."""
    fine = np.linspace(1.0, 0.01, 40_001)
    v = fine * 0.25 + 1.0 - fine
    speed = np.sqrt(0.25 / (fine * v) + 0.5 * (0.75 / v) ** 2)
    gone = np.concatenate([[0.0], np.cumsum(0.5 * (speed[1:] + speed[:-1]) * -np.diff(fine))])
    unit = GaussianData([0.0], [[1.0]])
    for survival, drop, least, length in (
        (0.9, 0.143682, 0.143236, 0.208869),
        (0.5, 0.520645, 0.491143, 0.792321),
        (0.01, 0.813133, 0.458727, 1.543132),
    ):
        after = noisy(survival)
        assert LINE.kl(unit) - after.kl(unit) == pytest.approx(drop, abs=1e-6)
        moved = float(((LINE.mean - after.mean) ** 2).sum()) + (0.5 - math.sqrt(after.covariance[0, 0])) ** 2
        assert moved / (-0.5 * math.log(survival)) == pytest.approx(least, abs=1e-6)
        assert np.interp(-survival, -fine, gone) == pytest.approx(length, abs=2e-6)
    for steps, even, in_time in ((10, 0.112660, 0.2208), (100, 0.011840, 0.02836)):
        share = np.linspace(0.0, 1.0, steps + 1)
        for survivals, value in ((-evenly(-fine, gone, steps + 1), even), (0.01**share, in_time)):
            chain = [noisy(float(survival)) for survival in survivals]
            assert sum(p.kl(q) for p, q in itertools.pairwise(chain)) == pytest.approx(value, abs=6e-6 if value == even else 6e-5)
    # asymptotic, and for few steps no limit
    assert gone[-1] ** 2 / 20 == pytest.approx(0.119063, abs=1e-6)


def test_ladder_of_variances() -> None:
    """A step from snr 4 to 2 on PLANE: information, then covariance, each coordinate's variance, one for all, and none."""
    left = np.linalg.inv(np.linalg.inv(PLANE.covariance) + 2.0 * np.eye(2))[None]
    names = ("full", "diagonal", "elements", "isotropic", "posterior")
    found = [step_cost(2.0, left, name)[0] for name in names]  # type: ignore[arg-type]
    np.testing.assert_allclose(found, [0.414696, 0.427984, 0.427984, 0.427984, 0.534161], rtol=0, atol=1e-6)
    restored = PLANE.information(np.log([4.0, 2.0]))
    assert restored[0] - restored[1] == pytest.approx(found[0], abs=1e-12)
