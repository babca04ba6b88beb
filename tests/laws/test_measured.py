"""Numbers some of which lie on a lattice: the field, and the gaussian kernel on it."""

import attrs
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.special import ndtr

import quasistatic as qs
from quasistatic.testing import Setting, laws_of

FIELD = qs.Measured((3,), (0.0, 0.5, 0.25), (None, -1.0, 0.0), (None, 1.0, 1.6))


def test_a_lattice_is_told_from_its_neighbours_to_the_rounding_of_float32() -> None:
    fine = qs.Measured((1,), (1e-4,), (-5.0,), (5.0,))
    values = (-5.0 + 1e-4 * np.arange(100_001))[:, None]
    assert fine.contains_array(values.astype(np.float32)).all() and fine.contains_array(values).all()
    assert not fine.contains_array(values + 4e-5).any() and not fine.contains_array(np.array([[5.0001], [-5.0001], [np.nan]])).any()


def test_elements_are_of_both_kinds() -> None:
    assert not FIELD.is_discrete and FIELD.are_discrete.tolist() == [False, True, True] and FIELD.tops == (None, 1.0, 1.5)
    assert qs.Measured((1,), (0.5,), (0,), (1,)).is_discrete and FIELD.describe() == "3 measured, 2 of them on a lattice"
    good, bad = np.array([[9.7, -0.5, 1.5]]), np.array([[0.0, -0.6, 1.5]])
    assert FIELD.contains_array(good).all() and FIELD.contains_array(bad).tolist() == [[True, False, True]]
    bounded = qs.Measured((2,), (0.0, 0.5), (0, 0), (1, 1))
    # of the numbers of a model those on a lattice have to fit, as those of data
    assert bounded.check(np.array([[2.0, 0.5]]), as_data=False).dtype == np.float64
    with pytest.raises(qs.DataError, match=r"element 0 is"):
        bounded.check(np.array([[2.0, 0.5]]))
    with pytest.raises(qs.DataError, match="element 1 is"):
        bounded.check(np.array([[2.0, 0.6]]), as_data=False)


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        (((2,), (0.1,), (0, 0), (1, 1)), r"expected a shape \(n,\)"),
        (((1, 1), (0.1,), (0,), (1,)), r"expected a shape \(n,\)"),
        (((1,), (-0.1,), (0,), (1,)), "expected numbers from 0"),
        (((1,), (0.1,), (None,), (1,)), "expected bounds and at least 2 values"),
        (((1,), (2.0,), (0,), (1,)), "expected bounds and at least 2 values"),
        (((1,), (0.0,), (1,), (1,)), "expected low < high"),
    ],
)
def test_a_lattice_that_is_none_is_refused(choices: tuple, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        qs.Measured(*choices)


def kernel_of(field: qs.AbstractField = FIELD, **options: object) -> qs.AbstractKernel:
    return qs.make("kernel", "gaussian", field, **options)


@pytest.mark.parametrize("options", [{}, {"mean": "noise", "variance": "posterior"}, {"reference": "mixture"}])
def test_the_kernel_keeps_the_laws(options: dict[str, str]) -> None:
    few = {"composition", "bayes", "averaging", "support", "arrival", "schedule", "bridge"}
    for law in laws_of("kernel", kernel_of(**options)):
        if law.name in few:
            attrs.evolve(law, examples=1)()


@pytest.mark.slow
def test_the_kernel_keeps_all_laws() -> None:
    for law in laws_of("kernel", kernel_of()):
        law()


def test_samples_are_on_the_lattice_and_probabilities_sum_to_one() -> None:
    loc = jnp.array([0.3, -0.9, 1.2])
    data = kernel_of().decode(jnp.zeros((3, 2)), loc, jnp.asarray(0.5))
    drawn = np.asarray(jax.vmap(data.sample)(jr.split(jr.key(0), 4000)))
    assert FIELD.contains_array(drawn).all() and np.unique(drawn[:, 1]).tolist() == [-1.0, -0.5, 0.0, 0.5, 1.0]
    levels = 0.25 * jnp.arange(7)
    chances = np.exp(jax.vmap(lambda x: data.log_probs(jnp.full(3, x)))(levels)[:, 2])
    assert chances.sum() == pytest.approx(1.0, abs=1e-5)
    shares = (drawn[:, 2, None] == np.asarray(levels)).mean(axis=0)
    np.testing.assert_allclose(shares, chances, atol=4.0 * 0.5 / 4000**0.5)
    grid = jnp.linspace(-9.0, 9.0, 4001)
    density = np.exp(jax.vmap(lambda x: data.log_probs(jnp.full(3, x)))(grid)[:, 0])
    assert np.trapezoid(density, grid) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("spacing", [1e-5, 1e-3, 0.03, 0.3, 3.0])
def test_narrow_and_wide_bins_have_their_mass(spacing: float) -> None:
    with jax.enable_x64(True):
        exact = qs.distributions.BinnedNormal(qs.Normal(jnp.zeros(5), jnp.ones(5)), -100 * spacing, 100 * spacing, 201)
        x = spacing * jnp.array([0.0, 3.0, -7.0, 40.0, 99.0])
        wanted = np.log(ndtr(np.asarray(x) + spacing / 2) - ndtr(np.asarray(x) - spacing / 2) + 1e-300)
        possible = wanted > -30
        np.testing.assert_allclose(np.asarray(exact.log_probs(x))[possible], wanted[possible], atol=2e-5)
    short = qs.distributions.BinnedNormal(qs.Normal(jnp.zeros(5), jnp.ones(5)), -100 * spacing, 100 * spacing, 201)
    np.testing.assert_allclose(np.asarray(short.log_probs(jnp.asarray(x, jnp.float32)))[possible], wanted[possible], atol=1e-4)


def test_a_coarse_lattice_costs_nothing() -> None:
    """With a mixture for a reference K comes to the log-probability of its bins, whatever a network knows of rounding."""
    rng, spacing = np.random.default_rng(0), 0.2
    raw = np.where(rng.random(3000) < 0.35, rng.normal(-1.2, 0.35, 3000), rng.normal(0.7, 0.6, 3000))
    low, high = -3.0, -3.0 + 29 * spacing  # 30 values
    xs = (low + spacing * np.clip(np.round((raw - low) / spacing), 0, 29))[:, None].astype(np.float32)
    kernel = kernel_of(qs.Measured((1,), (spacing,), (low,), (high,)), reference="mixture")
    kernel = kernel.measured(kernel.measure(lambda split: xs[:2000] if split == "train" else xs[2000:2500]))
    mixture, test = kernel.mixture, np.concatenate([xs[2500:]] * 4).astype(np.float64)
    # that of blurred values has more variance, by the blur and that of a bin, than one whose bins the values are
    deviations = np.sqrt(np.asarray(mixture.variances)[:, 0] - spacing**2 * (0.25 + 1 / 12))
    ends = [(test + side * spacing / 2 - mixture.means[:, 0]) / deviations for side in (-1, 1)]
    exact = np.log((ndtr(ends[1]) - ndtr(ends[0])) @ np.exp(np.asarray(mixture.log_weights)))
    for steps, most in ((10, 0.1), (100, 0.05)):
        diffusion = qs.Diffusion(kernel, qs.make("model", "dense", qs.Ports.of(kernel), key=jr.key(0), width=8, depth=1), steps)
        lost = exact - qs.ledger(diffusion, test.astype(np.float32), key=jr.key(1)).per_event
        error = lost.std() / len(lost) ** 0.5
        assert -4.0 * error - 0.01 < lost.mean() < most + 3.0 * error
        drawn = qs.sample(diffusion, 50, key=jr.key(2))
        assert kernel.event.contains_array(drawn).all()


def test_known_values_are_kept_and_their_steps_back_are_the_posterior() -> None:
    kernel, setting = kernel_of(), Setting()
    s, t = jnp.asarray(0.3), jnp.asarray(0.6)
    x, _, z = jax.tree.map(lambda leaf: leaf[1], setting.spots(kernel, s, t, 2))
    data = kernel.decode(setting.params(kernel), z, t)
    tilted, log_mean = qs.Known(x, jnp.array([True, True, False])).tilt(data)
    np.testing.assert_allclose(log_mean, data.log_probs(x)[:2].sum(), rtol=1e-6)
    np.testing.assert_allclose(tilted.sample(jr.key(0))[:2], x[:2], atol=1e-6)
    assert tilted.log_probs(x)[1] == pytest.approx(0.0, abs=1e-6)
    back, truly = kernel.bridge(tilted, z, s, t), kernel.posterior(x, z, s, t)
    np.testing.assert_allclose(back.loc[:2], truly.loc[:2], rtol=1e-5)
    np.testing.assert_allclose(back.variance[:2], truly.variance[:2], rtol=1e-4)
    np.testing.assert_allclose(back.loc[2], kernel.bridge(data, z, s, t).loc[2], rtol=1e-6)


@pytest.mark.parametrize("options", [{"mean": "eq65"}, {"mean": "levels"}])
def test_means_that_take_no_lattice_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(qs.InputError, match=r"kernel\.mean"):
        kernel_of(**options)


def test_without_a_lattice_all_is_as_of_real_numbers() -> None:
    setting, real = Setting(), kernel_of(qs.Real((2,)))
    measured = kernel_of(qs.Measured((2,), (0, 0), (None, None), (None, None)))
    assert measured.is_exact_at_zero and measured.reference() is not None and not kernel_of().is_exact_at_zero
    xs = np.asarray(setting.data(real, 9))
    diffusions = [setting.diffusion_with_random_network(kernel, 5) for kernel in (real, measured)]
    one, other = (qs.ledger(diffusion, xs, key=jr.key(0)).terms for diffusion in diffusions)
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
