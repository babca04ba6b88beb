"""Samplers for Gaussian noise: their order on exact mixtures, any grid, and what each of them is a case of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs
from quasistatic_plugins.gaussian import GaussianOptions
from quasistatic_plugins.gaussian.kernel import MixtureKernel
from quasistatic_plugins.gaussian.mixture import NormalMixture

MANAGER = qs.PluginManager(["quasistatic_plugins.gaussian_samplers"])
NAMES = ("ddim", "heun", "dpm", "sde", "ipndm", "corrector")
PATHS = ("preserving", "straight", "exploding")
ENDLESS = {"schedule": "cosine", "first_noise": 0.0, "last_survival": 0.0}


def sampler(name: str, **options: Any) -> Any:
    return qs.make("sampler", name, manager=MANAGER, **options)


class Silent(qs.AbstractModel):
    """The reference is all there is."""

    def __call__(self, features: jax.Array, t: jax.Array, side: Any = None, *, key: Any = None) -> jax.Array:
        return jnp.zeros((*features.shape[:-1], 2))


def mixture(size: int, parts: int = 4, deviation: float = 0.3) -> qs.Diffusion:
    """The exact denoiser of a mixture of correlated normal distributions."""
    rng = np.random.default_rng(0)
    axes = np.stack([np.linalg.qr(rng.normal(size=(size, size)))[0] for _ in range(parts)])
    variances = (deviation * np.exp(0.5 * rng.normal(size=(parts, size)))) ** 2
    log_weights, means = jnp.full(parts, -math.log(parts)), rng.normal(size=(parts, size))
    data = NormalMixture(log_weights, jnp.asarray(means), jnp.asarray(axes), jnp.asarray(variances), (size,))
    return qs.Diffusion(MixtureKernel(GaussianOptions(), qs.Real((size,)), data), Silent(), 1000)


def normal(mean: float, variance: float, **options: Any) -> qs.Diffusion:
    """The exact denoiser of two independent normal numbers."""
    full = (jnp.full((1, 2), value) for value in (mean, variance))
    means, variances = full
    data = NormalMixture(jnp.zeros(1), means, jnp.eye(2)[None], variances, (2,))
    return qs.Diffusion(MixtureKernel(GaussianOptions(**options), qs.Real((2,)), data), Silent(), 1000)


@eqx.filter_jit
def walks(method: qs.AbstractSampler, pair: qs.Diffusion, times: jax.Array, keys: jax.Array) -> jax.Array:
    """Where walks with these keys end at the first time."""

    def one(key: jax.Array) -> jax.Array:
        return method.position(qs.trajectory.walk_back(method, pair, times, key=key)[0])

    return jax.vmap(one)(keys)


def errors(method: qs.AbstractSampler, pair: qs.Diffusion, calls: Sequence[int], finest: int) -> np.ndarray:
    """The median over walks of how far their ends are from those of many steps, by the number of calls."""
    keys = jr.split(jr.key(1), 64)
    best = sampler("dpm", order=3)
    wanted = walks(best, pair, best.times(pair, finest), keys)
    found = [walks(method, pair, method.times(pair, method.steps_within(count)), keys) for count in calls]
    return np.array([float(jnp.median(jnp.sqrt(jnp.mean((each - wanted) ** 2, axis=1)))) for each in found])


def order_of(method: qs.AbstractSampler, pair: qs.Diffusion, calls: tuple[int, int], finest: int = 1200) -> float:
    less, more = errors(method, pair, calls, finest)
    return math.log(less / more) / math.log(calls[1] / calls[0])


ORDERS = [("ddim", {}, 0.9), ("heun", {}, 1.9), ("dpm", {"order": 2}, 1.9), ("dpm", {"order": 3}, 2.75), ("ipndm", {}, 1.9)]


@pytest.mark.parametrize("size", [2, 16, 64])
@pytest.mark.parametrize(("name", "options", "least"), ORDERS, ids=["ddim", "heun", "dpm-2", "dpm-3", "ipndm"])
def test_the_order_of_a_method_is_the_slope_of_its_error(size: int, name: str, options: dict[str, Any], least: float) -> None:
    with jax.enable_x64(True):
        method = sampler(name, **options)
        assert order_of(method, mixture(size), (80, 160)) >= least
        assert method.order == math.ceil(least)


@pytest.mark.parametrize("size", [2, 16, 64])
def test_ten_calls_of_the_best_are_six_times_nearer_than_those_of_ddim(size: int) -> None:
    with jax.enable_x64(True):
        pair = mixture(size)
        plain, *ours = (errors(sampler(name), pair, (10,), 1200)[0] for name in ("ddim", "dpm", "ipndm"))
        assert min(ours) <= plain / 6.0


def any_times(rng: np.random.Generator, first: float) -> np.ndarray:
    """1 to 20 times, wherever they fall, with both ends."""
    inner = first + (1.0 - first) * rng.uniform(size=rng.integers(0, 19))
    return np.unique([first, *inner, 1.0])[-rng.integers(1, 21) :]


@pytest.mark.parametrize("path", PATHS[:2])
@pytest.mark.parametrize("name", NAMES)
def test_any_grid_is_right_where_the_data_are_a_point(name: str, path: str) -> None:
    """Nothing is left to approximate: z_t = a x + d eps, with the same eps at all times where no noise is drawn."""
    with jax.enable_x64(True):
        pair, method, rng = normal(0.7, 1e-30, path=path, **ENDLESS), sampler(name), np.random.default_rng(0)
        for _ in range(3):
            times = jnp.asarray(any_times(rng, 0.0))
            ends = walks(method, pair, times, jr.split(jr.key(2), 64))
            signal, noise = (float(jnp.exp(level)) for level in pair.kernel.levels(times[0]))
            away = (np.asarray(ends) - signal * 0.7) / math.sqrt(noise) if noise > 0 else np.asarray(ends) - 0.7 * signal
            assert np.isfinite(away).all()
            if noise == 0:
                assert np.abs(away).max() < 1e-9
            else:
                assert abs(away.mean()) < 0.4 and away.std() == pytest.approx(1.0, abs=0.25)


@pytest.mark.parametrize("name", NAMES)
def test_any_grid_is_finite_in_float32(name: str) -> None:
    pair, method, rng = normal(0.3, 0.8, **ENDLESS), sampler(name), np.random.default_rng(1)
    for _ in range(3):
        times = any_times(rng, 0.0)
        drawn = qs.sample(pair, 16, key=jr.key(0), sampler=method, steps=times)
        assert drawn.shape == (16, 2) and np.isfinite(drawn).all()


@pytest.mark.parametrize("name", NAMES)
def test_random_grids_become_right_on_normal_data(name: str) -> None:
    """Each step halved, twice: the deviation of the ends comes nearer to that of the forward process."""
    with jax.enable_x64(True):
        pair, method, rng = normal(0.3, 0.8), sampler(name), np.random.default_rng(2)
        wanted = float(jnp.sqrt(0.8 * jnp.exp(2 * pair.kernel.levels(0.0)[0]) + jnp.exp(pair.kernel.levels(0.0)[1])))
        times, away = np.sort([0.0, *rng.uniform(size=6), 1.0]), []
        for _ in range(4):
            ends = np.asarray(walks(method, pair, jnp.asarray(times), jr.split(jr.key(3), 4000)))
            away.append(abs(float(ends.std()) - wanted))
            times = np.sort(np.concatenate([times, 0.5 * (times[1:] + times[:-1])]))
        assert away[-1] < max(0.4 * away[0], 0.03), away


def test_one_method_has_many_names() -> None:
    """DDIM is the first order of the multistep method, and its noise is that of the posterior: `ancestral` of a known point."""
    pair, keys = mixture(2), jr.split(jr.key(4), 8)
    times = jnp.linspace(0.0, 1.0, 7)

    def ends(name: str, **options: Any) -> np.ndarray:
        return np.asarray(walks(sampler(name, **options), pair, times, keys))

    assert np.array_equal(ends("ddim"), ends("dpm", order=1))
    assert np.array_equal(ends("sde", eta=0.0, order=3), ends("dpm", order=3))
    assert np.array_equal(ends("ddim"), ends("ipndm", order=1))
    assert np.array_equal(ends("ddim", eta=1.0), ends("sde", order=1))
    assert np.abs(ends("ddim") - ends("dpm")).max() > 0.01 and np.abs(ends("dpm") - ends("heun")).max() > 0.01
    point = normal(0.7, 1e-12)
    s, t, z = jnp.asarray(0.4), jnp.asarray(0.6), jnp.array([0.2, -1.0])
    renewed = -jnp.expm1(point.kernel.log_snr(t) - point.kernel.log_snr(s))
    found, wanted = point.kernel.back(point.mean(z, t), z, s, t, renewed), point.kernel.posterior(jnp.full(2, 0.7), z, s, t)
    np.testing.assert_allclose(found.loc, wanted.loc, rtol=1e-5)
    np.testing.assert_allclose(found.variance, wanted.variance, rtol=1e-5)


@pytest.mark.parametrize("path", PATHS)
def test_a_path_is_a_matter_of_scale(path: str) -> None:
    """The same noise, the same data: in units of the signal all walks end at one point."""
    base = mixture(2)
    kernel = MixtureKernel(GaussianOptions(path=path), base.kernel.event, base.kernel.mixture)
    pair, times, keys = qs.Diffusion(kernel, Silent(), 10), jnp.linspace(0.0, 1.0, 6), jr.split(jr.key(5), 8)
    for name in ("dpm", "ipndm", "heun"):
        here, there = (walks(sampler(name), each, times, keys) * jnp.exp(-each.kernel.levels(0.0)[0]) for each in (base, pair))
        np.testing.assert_allclose(here, there, atol=2e-4)


def test_corrections_lead_to_the_distribution_of_the_time() -> None:
    """From a step that is far too long: Langevin steps at its end bring the deviation that it lost."""
    pair, times, keys = normal(0.0, 0.5), jnp.array([0.5, 1.0]), jr.split(jr.key(6), 4000)
    log_signal, log_noise = pair.kernel.levels(times[0])
    wanted = float(jnp.sqrt(0.5 * jnp.exp(2.0 * log_signal) + jnp.exp(log_noise)))
    once, often = (walks(method, pair, times, keys) for method in (sampler("ddim"), sampler("corrector", corrections=200)))
    assert abs(float(once.std()) - wanted) > 0.05
    assert float(often.std()) == pytest.approx(wanted, rel=0.05)


def test_churn_goes_back_into_noise() -> None:
    pair, times, keys = normal(0.0, 0.5), jnp.linspace(0.0, 1.0, 40), jr.split(jr.key(7), 2000)
    still, churned = (walks(sampler("heun", churn=amount), pair, times, keys) for amount in (0.0, 0.5))
    assert float(churned.std()) == pytest.approx(float(still.std()), rel=0.05)
    assert np.abs(np.asarray(still - churned)).mean() > 0.1


def test_another_kernel_is_refused_with_what_fits() -> None:
    letters = qs.make("kernel", "absorbing", qs.Categorical((4,), 3))
    model = qs.make("model", "dense", qs.Ports.of(letters), key=jr.key(0), width=4, depth=1)
    pair = qs.Diffusion(letters, model, 4)
    for name in NAMES:
        with pytest.raises(TypeError, match=r"expected a kernel with Gaussian noise, .* the sampler `ancestral` takes any kernel"):
            qs.sample(pair, 2, key=jr.key(0), sampler=sampler(name))


def test_data_in_levels_are_levels() -> None:
    kernel = qs.make("kernel", "gaussian", qs.Levels((3,), -1.0, 1.0, 5))
    model = qs.make("model", "dense", qs.Ports.of(kernel), key=jr.key(0), width=4, depth=1)
    drawn = qs.sample(qs.Diffusion(kernel, model, 50), 20, key=jr.key(0), sampler=sampler("dpm"), calls=6)
    assert set(np.unique(drawn)) <= {-1.0, -0.5, 0.0, 0.5, 1.0}


@pytest.mark.parametrize("spacing", ["log-snr", "karras"])
@pytest.mark.parametrize("options", [{}, {"schedule": "cosine"}, ENDLESS, {"path": "straight", "schedule": "linear"}])
def test_grids_are_even_in_what_they_say(spacing: Any, options: dict[str, Any]) -> None:
    kernel = normal(0.0, 1.0, **options).kernel
    times = np.asarray(qs.grids.spaced(kernel, 9, spacing, first=0.01), np.float64)
    assert times[0] == pytest.approx(0.01) and times[-1] == 1.0 and (np.diff(times) > 0).all()
    levels = np.array([float(kernel.log_snr(t)) for t in times[:-1]])
    even = levels if spacing == "log-snr" else np.exp(-levels / 14.0)
    np.testing.assert_allclose(np.diff(even, 2), 0.0, atol=2e-3 * np.abs(np.diff(even)).max())


def test_a_budget_of_calls_is_kept() -> None:
    """As many as the network was called, counted by a network that counts."""
    pair = normal(0.0, 1.0)
    for name, calls, steps in (("dpm", 10, 10), ("heun", 10, 5), ("corrector", 7, 4), ("ddim", 1, 1)):
        method = sampler(name)
        assert method.steps_within(calls) == steps
        _, info = qs.sample(pair, 4, key=jr.key(0), sampler=method, calls=calls, return_info=True)
        assert info.calls == method.calls(steps) <= calls and len(info.times) == steps and info.events_per_second > 0
    with pytest.raises(ValueError, match="steps and calls exclude one another"):
        qs.sample(pair, 4, key=jr.key(0), calls=3, steps=3)
    with pytest.raises(ValueError, match="expected at least 1, got 0"):
        qs.sample(pair, 4, key=jr.key(0), calls=0)


def published(name: str, order: int, z: np.ndarray, levels: np.ndarray, predict: Any) -> np.ndarray:
    """Update equations as their papers print them, in signal a, noise s and log(a / s), from the first row of levels to the last.

    DDIM: Song, Meng & Ermon 2021, eq. 12. DPM-Solver++ of order 2 and 3: Lu et al. 2022, with D1 and D2 of its section 4 integrated
    exactly (`solver_type="heun"` in diffusers' DPMSolverMultistepScheduler). iPNDM: Zhang & Chen 2023, section 4. heun: Cox &
    Matthews 2002, eq. 22.
    """
    weights = {1: (1.0,), 2: (1.5, -0.5), 3: (23 / 12, -16 / 12, 5 / 12), 4: (55 / 24, -59 / 24, 37 / 24, -9 / 24)}
    old: list[Any] = []
    for number in range(len(levels) - 1):
        (a, s), (a_next, s_next) = levels[number], levels[number + 1]
        h = np.log(a_next / s_next) - np.log(a / s)
        x0 = predict(z, number)
        if name in ("ddim", "ipndm"):
            old = [(z - a * x0) / s, *old[: order - 1]]
            eps = sum(weight * each for weight, each in zip(weights[len(old)], old, strict=True))
            z = a_next * (z - s * eps) / a + s_next * eps
            continue
        phi_1, phi_2 = np.expm1(-h), np.expm1(-h) / h + 1.0
        if name == "heun":
            end = predict(s_next / s * z - a_next * phi_1 * x0, number + 1)
            z = s_next / s * z - a_next * phi_1 * x0 + a_next * phi_2 * (end - x0)
            continue
        old = [(x0, h), *old[: order - 1]]
        z = s_next / s * z - a_next * phi_1 * x0
        if len(old) > 1:
            r0 = old[1][1] / h
            d1 = first = (x0 - old[1][0]) / r0
            if len(old) > 2:
                r1 = old[2][1] / h
                second = (old[1][0] - old[2][0]) / r1
                d1 = first + r0 / (r0 + r1) * (first - second)
                # the whole of the quadratic term: as diffusers prints it, it counts half
                z = z - 2.0 * a_next * ((np.expm1(-h) + h) / h**2 - 0.5) * (first - second) / (r0 + r1)
            z = z + a_next * phi_2 * d1
    return z


@pytest.mark.parametrize(("name", "order"), [("ddim", 1), ("dpm", 2), ("dpm", 3), ("ipndm", 2), ("ipndm", 4), ("heun", 2)], ids=str)
def test_end_points_are_those_of_the_published_equations(name: str, order: int) -> None:
    """On uneven times, in float64; other libraries' schedulers are written from the same equations."""
    with jax.enable_x64(True):
        pair, times = mixture(3), np.array([0.93, 0.8, 0.62, 0.5, 0.41, 0.3, 0.17, 0.08])
        method = sampler(name, **({"order": order} if name in ("dpm", "ipndm") else {}))
        start = np.random.default_rng(3).normal(size=3)
        log_signal, log_noise = (np.array(column) for column in zip(*(pair.kernel.levels(t) for t in times), strict=True))
        levels = np.stack([np.exp(log_signal), np.exp(0.5 * log_noise)], axis=1)
        predict = eqx.filter_jit(lambda z, t: pair.mean(z, t))
        wanted = published(name, order, start, levels, lambda z, at: np.asarray(predict(jnp.asarray(z), jnp.asarray(times[at]))))
        state = method.init(pair, key=jr.key(0))
        state = jnp.asarray(start) if name == "heun" else eqx.tree_at(lambda held: held.z, state, jnp.asarray(start))
        step = eqx.filter_jit(lambda state, s, t: method.step(pair, state, s, t, key=jr.key(1))[0])
        for t, s in zip(times, times[1:], strict=False):
            state = step(state, jnp.asarray(s), jnp.asarray(t))
        np.testing.assert_allclose(method.position(state), wanted, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_an_analytic_first_step_is_one_call_less(name: str) -> None:
    """Where zero params are right it changes nothing, and elsewhere it is the step of a network that knows nothing."""
    plain, short = sampler(name), sampler(name, analytic=True)
    assert short.calls(1) == plain.calls(1) == 1
    for steps in (2, 7):
        assert short.calls(steps) == plain.calls(steps) - 1 and short.steps_within(short.calls(steps)) == steps
    times, keys = jnp.array([0.1, 0.5, 1.0]), jr.split(jr.key(8), 8)
    exact = mixture(2)
    np.testing.assert_array_equal(walks(plain, exact, times, keys), walks(short, exact, times, keys))

    class Shifted(Silent):
        def __call__(self, features: jax.Array, t: jax.Array, side: Any = None, *, key: Any = None) -> jax.Array:
            return super().__call__(features, t) + jnp.where(t < 0.9, 0.0, 1.0)

    wrong = qs.Diffusion(exact.kernel, Shifted(), 1000)
    np.testing.assert_array_equal(walks(short, wrong, times, keys), walks(short, exact, times, keys))
    assert np.abs(np.asarray(walks(plain, wrong, times, keys) - walks(plain, exact, times, keys))).max() > 1e-3
