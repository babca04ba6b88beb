"""The gaussian kernel whose zero params reverse a mixture that is fitted to the data."""

import attrs
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs
from quasistatic.kits import tables
from quasistatic_plugins.gaussian.mixture import NormalMixture, filled, fitted_arrays

RNG = np.random.default_rng(0)
PEAKS = np.where(RNG.random((1500, 1)) < 0.3, RNG.normal(-2.0, 0.3, (1500, 1)), RNG.normal(1.0, 0.6, (1500, 1)))
TURNED = RNG.normal(size=(1500, 2)) @ [[1.2, 0.9], [0.0, 0.4]] + [0.5, -1.0]


def kernel_of(values, **options):
    kernel = qs.make("kernel", "gaussian", qs.Real(values.shape[1:]), reference="mixture", **options)
    return kernel.measured(kernel.measure(lambda split: values[:1000] if split == "train" else values[1000:]))


def bound(kernel, xs, steps):
    """K of xs with zero params, (N,)."""
    model = qs.make("model", "dense", qs.Ports.of(kernel), key=jr.key(0), width=8, depth=1)
    return qs.ledger(qs.Diffusion(kernel, model, steps), xs, key=jr.key(1))


@pytest.fixture(scope="module")
def peaks():
    return kernel_of(PEAKS)


def test_the_mixture_is_normalised_and_finds_the_peaks(peaks):
    rho, grid = peaks.reference(), np.linspace(-8, 8, 4001, dtype=np.float32)
    density = np.exp(np.asarray(jax.vmap(rho.log_prob)(grid[:, None]), np.float64))
    assert np.trapezoid(density, grid) == pytest.approx(1.0, abs=1e-4)
    fitted = tables.fit_mixture(PEAKS[:1000], PEAKS[1000:])
    assert len(fitted) > 1
    np.testing.assert_allclose(density, np.exp(fitted.log_prob(grid[:, None])), atol=1e-5)
    at_peaks, between = np.interp([-2.0, 1.0], grid, density), np.interp(-0.7, grid, density)
    assert at_peaks.min() > 5 * between


def test_draws_are_of_the_mixture(peaks):
    drawn = np.asarray(jax.vmap(peaks.reference().sample)(jr.split(jr.key(0), 20_000)))
    grid = np.linspace(-8, 8, 4001, dtype=np.float32)
    density = np.exp(np.asarray(jax.vmap(peaks.reference().log_prob)(grid[:, None]), np.float64))
    for power in (1, 2, 3):
        exact = np.trapezoid(density * grid**power, grid)
        assert (drawn**power).mean() == pytest.approx(exact, abs=4.0 * float((drawn**power).std()) / 20_000**0.5)


@pytest.mark.parametrize("noise", [1e-3, 0.3, 0.99])
def test_what_noise_leaves_is_bayes_rule(peaks, noise):
    rho, a, grid = peaks.reference(), np.sqrt(1.0 - noise), np.linspace(-8, 8, 40_001)
    log_rho = np.asarray(jax.vmap(rho.log_prob)(jnp.asarray(grid, jnp.float32)[:, None]), np.float64)
    for z in (-2.1, 0.2, 1.5):
        weights = np.exp(log_rho - 0.5 * (z - a * grid) ** 2 / noise)
        mean = (weights * grid).sum() / weights.sum()
        variance = (weights * (grid - mean) ** 2).sum() / weights.sum()
        found = rho.denoised(jnp.array([z]), jnp.asarray(a), jnp.asarray(noise))
        np.testing.assert_allclose(np.ravel(found), [mean, variance], rtol=2e-3)


def test_along_its_own_axes_a_normal_distribution_is_reversed_exactly():
    """The log-weight of zero params is then log rho on every path: nothing is lost, whatever T is."""
    mixture = NormalMixture(jnp.zeros(1), jnp.array([[0.5, -1.0]]), jnp.eye(2)[None], jnp.array([[0.3, 2.0]]), (2,))
    arrays = {name: np.asarray(getattr(mixture, name)) for name in ("log_weights", "means", "axes", "variances")}
    kernel = qs.make("kernel", "gaussian", qs.Real((2,)), reference="mixture", first_noise=0.03).measured(arrays)
    times = jnp.asarray(kernel.times(7), jnp.float32)

    @jax.jit
    @jax.vmap
    def lost(key):
        key_x, key_path = jr.split(key)
        x = mixture.sample(key_x)
        path = qs.trajectory.forward(kernel, x, times, key=key_path)
        # what is kept at t = 1 is no equilibrium of this mixture: its own end is compared with instead
        terms = qs.trajectory.log_weight(qs.Diffusion(kernel, _Zero(), 7), path, times)
        return terms[:-1].sum() + _end(mixture, kernel, path.zs[-1], x) - mixture.log_prob(x)

    np.testing.assert_allclose(lost(jr.split(jr.key(3), 64)), 0.0, atol=2e-4)


def _end(mixture, kernel, z, x):
    """log q(z_1) - log q(z_1 given x), x of the mixture's one part."""
    one = kernel.marginal(jnp.ones(2), jnp.ones(()))
    a, noise = one.loc, one.variance
    whole = qs.Normal(a * mixture.means[0], a**2 * mixture.variances[0] + noise)
    return whole.log_prob(z) - kernel.marginal(x, jnp.ones(())).log_prob(z)


class _Zero(qs.AbstractModel):
    def __call__(self, features, t, side=None, *, key=None):
        return jnp.zeros((2, 2))


@pytest.mark.parametrize("values", [PEAKS, TURNED], ids=["peaks", "turned"])
def test_zero_params_reach_the_mixture_from_below_as_the_chain_gets_finer(values):
    kernel = kernel_of(values)
    xs = np.asarray(values[1000:1256], np.float32)
    exact = np.asarray(jax.vmap(kernel.reference().log_prob)(xs))
    lost = {steps: exact - bound(kernel, xs, steps).per_event for steps in (25, 400)}
    for found in lost.values():
        assert found.mean() > -4 * found.std() / 16
    assert lost[400].mean() < 0.03 + 4 * lost[400].std() / 16
    assert lost[400].mean() < lost[25].mean()


@pytest.mark.parametrize(("parts", "size", "filled_to"), [(1, 2, 4), (3, 2, 4), (4, 8, 4), (5, 1, 8), (3, 9, 3)])
def test_parts_of_no_weight_change_nothing(parts, size, filled_to):
    random = np.random.default_rng(0)
    axes, variances = np.linalg.qr(random.normal(size=(parts, size, size)))[0], random.uniform(0.1, 2, (parts, size))
    arrays = dict(
        log_weights=np.log(np.full(parts, 1 / parts)), means=random.normal(size=(parts, size)), axes=axes, variances=variances
    )
    arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    before, after = (NormalMixture(*map(jnp.asarray, each.values()), (size,)) for each in (arrays, filled(arrays)))
    assert len(after.means) == filled_to
    z, a, noise = jnp.asarray(random.normal(size=size), jnp.float32), jnp.asarray(0.7), jnp.asarray(0.4)
    np.testing.assert_allclose(before.log_prob(z), after.log_prob(z), rtol=1e-5)
    np.testing.assert_allclose(jax.grad(before.log_prob)(z), jax.grad(after.log_prob)(z), rtol=1e-4, atol=1e-5)
    for one, other in zip(before.denoised(z, a, noise), after.denoised(z, a, noise), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_events_of_several_parts_measure_each_their_own():
    fields = {"place": qs.Real((1,)), "marks": qs.Binary((3,))}
    parts = {
        "place": qs.make("kernel", "gaussian", fields["place"], reference="mixture"),
        "marks": qs.make("kernel", "binomial", fields["marks"]),
    }
    joined = qs.join_kernels(parts)
    events = {"place": PEAKS, "marks": np.zeros((1500, 3), np.float32)}
    arrays = joined.measure(lambda split: events)
    assert set(arrays) == {"place.log_weights", "place.means", "place.axes", "place.variances"}
    known = joined.measured(arrays)
    np.testing.assert_array_equal(known.parts["place"].mixture.means, filled(fitted_arrays(PEAKS, PEAKS))["means"])
    assert known.parts["marks"] == parts["marks"]


def test_a_run_keeps_what_its_kernel_measured(tmp_path, monkeypatch):
    path = tmp_path / "peaks.npy"
    np.save(path, PEAKS[:60])
    small = {"training.updates": 2, "training.batch": 8, "model.width": 8, "trajectory.steps": 4, "training.observers": []}
    run = qs.train(qs.load_recipe("array", {**small, "source.path": str(path)}), out=tmp_path / "run")
    path.unlink()
    again = qs.open_run(tmp_path / "run")
    assert len(again.diffusion.kernel.mixture.means) == len(run.diffusion.kernel.mixture.means)
    np.testing.assert_array_equal(again.sample(3), run.sample(3))


def test_without_scikit_learn_there_is_one_normal_distribution(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.mixture", None)
    found = tables.fit_mixture(TURNED[:1000], TURNED[1000:])
    assert len(found) == 1
    np.testing.assert_allclose(found.covariances[0], np.cov(TURNED[:1000].T, bias=True) + 1e-4 * np.eye(2))


@pytest.mark.parametrize("options", [{"variance": "posterior"}, {"mean": "eq65"}])
def test_what_does_not_fit_a_mixture_is_refused(options):
    with pytest.raises(qs.InputError, match=r"kernel\.(variance|mean)"):
        qs.make("kernel", "gaussian", qs.Real((2,)), reference="mixture", **options)


@pytest.mark.parametrize("values", [PEAKS, TURNED], ids=["peaks", "turned"])
def test_a_kernel_that_has_measured_keeps_the_laws(values):
    for law in qs.testing.laws_of("kernel", kernel_of((values - values.mean(axis=0)) / values.std(axis=0))):
        attrs.evolve(law, examples=1)()
