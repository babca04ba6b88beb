"""What the three networks for images have in common, and the layers that they share."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs
from quasistatic.kits import networks

SMALL = {
    "convolutional": {"widths": (8, 16), "dropout": 0.5},
    "mixer": {"patch": 2, "width": 8, "depth": 1, "dropout": 0.5},
    "multiscale": {"filters": 3, "layers": 1, "scales": 2, "dense_layers": 1, "bumps": 2},
}
KERNELS = {"gaussian": qs.Real, "binomial": qs.Binary}
NETWORKS = pytest.mark.parametrize("name", SMALL)


def ports_of(shape=(5, 7), kernel="gaussian", side=None, **options):
    return qs.Ports.of(qs.make("kernel", kernel, KERNELS[kernel](shape), **options), side)


def fresh(name, ports):
    return qs.make("model", name, ports, key=jr.key(0), **SMALL[name])


def moved(model):
    """The network some way into training."""
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda leaf: leaf + 0.2 * jnp.asarray(rng.normal(size=leaf.shape), jnp.float32), model)


@NETWORKS
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("shape", [(5, 7), (3, 4, 3)], ids=["grey", "colour"])
def test_any_size_with_any_kernel_starts_at_zero(name, kernel, shape):
    more = {"variance": "forward"} if shape == (3, 4, 3) and kernel == "gaussian" else {}  # one param for each element
    ports = ports_of(shape, kernel, **more)
    model, features = fresh(name, ports), jnp.ones(ports.features.shapes[0])
    params = jax.jit(lambda t: model(features, t))(0.3)
    assert params.shape == ports.params.shapes[0] and params.dtype == features.dtype
    assert not params.any()


@NETWORKS
def test_time_side_information_and_every_pixel_reach_the_params(name):
    ports = ports_of(side=qs.Categorical((), 3))
    model, features = moved(fresh(name, ports)), jr.normal(jr.key(2), (5, 7, 1))

    @jax.jit
    def ask(features, t, label):
        return model(features, t, qs.Side(label, jnp.asarray(True)))

    plain, label, t = ask(features, 0.3, 0), jnp.asarray(0), jnp.asarray(0.3)
    assert np.abs(ask(features, 0.4, 0) - plain).max() > 1e-3
    assert np.abs(ask(features, 0.3, 1) - plain).max() > 1e-3
    slope = jax.jit(jax.grad(lambda features: jnp.sum(jnp.sin(model(features, t, qs.Side(label, jnp.asarray(True)))))))(features)
    assert np.all(np.abs(slope) > 0)


@NETWORKS
def test_the_key_switches_dropout_on_and_nothing_else(name):
    model, features, t = moved(fresh(name, ports_of())), jr.normal(jr.key(2), (5, 7, 1)), jnp.asarray(0.3)
    answers = jax.jit(lambda features, keys: jax.vmap(lambda key: model(features, t, key=key))(keys))
    one, two = answers(features, jr.split(jr.key(3)))
    assert np.array_equal(one, two) == (name == "multiscale")


@NETWORKS
def test_numbers_are_those_of_the_features(name):
    model = fresh(name, ports_of())
    for dtype in (jnp.bfloat16, jnp.float32):
        assert jax.eval_shape(model, jax.ShapeDtypeStruct((5, 7, 1), dtype), jnp.asarray(0.3)).dtype == dtype


@NETWORKS
def test_symbols_are_read_as_what_they_are(name):
    """Of an image of three symbols a network reads one number for each, and one for what data cannot be."""
    ports = qs.Ports.of(qs.make("kernel", "absorbing", qs.Categorical((5, 7), 3)))
    assert ports.numbers.shapes == ((5, 7, 4),)
    symbols = jnp.zeros((5, 7, 1), jnp.int32)
    assert fresh(name, ports)(symbols, jnp.asarray(0.3)).shape == (5, 7, 3)


def made_by(jaxpr):
    """The shapes of all values that a program makes."""
    for equation in jaxpr.eqns:
        yield from (out.aval.shape for out in equation.outvars)
        for value in equation.params.values():
            if hasattr(value, "eqns") or hasattr(value, "jaxpr"):
                yield from made_by(getattr(value, "jaxpr", value))


@NETWORKS
def test_under_vmap_no_event_has_a_gradient_of_the_weights_of_its_own(name):
    """A network is written for one event; its gradient over a batch is still one operation on the batch for each layer."""
    shape = (9, 13)  # other numbers of patches than of channels
    model, features = fresh(name, ports_of(shape)), jnp.ones((11, *shape, 1))

    def loss(model):
        return jnp.sum(jnp.sin(jax.vmap(lambda features, t: model(features, t))(features, jnp.ones(11))))

    shapes = set(made_by(jax.make_jaxpr(jax.grad(loss))(model).jaxpr))
    weights = {leaf.shape for leaf in jax.tree.leaves(model) if leaf.ndim > 1}
    assert not shapes & {(11, *shape) for shape in weights}


@NETWORKS
@pytest.mark.parametrize("shape", [(), (3,), (2, 2, 2, 2)])
def test_what_is_no_image_is_refused(name, shape):
    if (name, shape) == ("convolutional", (3,)):
        return  # a sequence, for which it has a stack
    with pytest.raises(qs.InputError, match=rf"model '{name}': takes images, .* got events of shape \({shape[:1]!r:.2}"[:40]):
        fresh(name, ports_of(shape))


def test_events_of_several_parts_are_refused(cli):
    result = cli("train", "mixed", "--set", "model.use=mixer")
    assert result.exit_code == 2
    assert "model 'mixer': takes images" in result.stderr and "got events of several parts" in result.stderr


def test_a_table_is_no_image(cli):
    result = cli("train", "swiss-roll", "--set", "model.use=mixer")
    assert result.exit_code == 2
    assert "got events of shape (2,); model 'dense' takes any events" in result.stderr


def by_hand(image, weight):
    """A convolution pixel by pixel."""
    taps, reach = len(weight), len(weight) // 2
    height, width, _ = image.shape
    around = np.pad(image, ((reach, reach), (reach, reach), (0, 0)))
    windows = [[around[y : y + taps, x : x + taps] for x in range(width)] for y in range(height)]
    return np.einsum("hwabi,abio->hwo", windows, weight), np.asarray(windows)


@pytest.mark.parametrize("taps", [1, 3, 5])
def test_a_convolution_and_its_gradients_are_those_by_hand(taps):
    rng = np.random.default_rng(0)
    images, weight = rng.normal(size=(2, 4, 5, 3)), rng.normal(size=(taps, taps, 3, 2))
    pull = rng.normal(size=(2, 4, 5, 2))

    @jax.jit
    def both(images, weight):
        found, back = jax.vjp(lambda images, weight: jax.vmap(networks.convolve, (0, None))(images, weight), images, weight)
        return found, *back(jnp.asarray(pull, jnp.float32))

    found, by_image, by_weight = both(jnp.asarray(images, jnp.float32), jnp.asarray(weight, jnp.float32))
    expected, windows = zip(*(by_hand(image, weight) for image in images), strict=True)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(by_weight, np.einsum("nhwabi,nhwo->abio", windows, pull), atol=1e-4)
    turned = weight[::-1, ::-1].swapaxes(2, 3)
    np.testing.assert_allclose(by_image, [by_hand(each, turned)[0] for each in pull], atol=1e-4)


def convolutions_at(images, weight, pull):
    return jnp.vdot(jax.vmap(networks.convolve, (0, None))(images, weight), pull)


def test_a_convolution_is_linear_in_image_and_weight():
    """To the second order, also where the derivative by the weight adds up parts of a batch, and where each event has a weight."""
    images, pull = jr.normal(jr.key(0), (2, 8, 4, 5, 3))
    weight, move = jr.normal(jr.key(1), (2, 3, 3, 3, 3))
    slope = jax.grad(convolutions_at, argnums=1)
    by_weight, moved = jax.jvp(lambda images: slope(images, weight, pull), (images,), (pull,))
    one_by_one = sum(slope(image[None], weight, change[None]) for image, change in zip(images, pull, strict=True))
    np.testing.assert_allclose(by_weight, one_by_one, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(moved, slope(pull, weight, pull), rtol=1e-4, atol=1e-4)
    moves = weight + jnp.arange(8.0)[:, None, None, None, None] * move
    found = jax.vmap(networks.convolve)(images, moves)
    np.testing.assert_allclose(found[5], networks.convolve(images[5], moves[5]), rtol=1e-4, atol=1e-4)
    mapped = jax.vmap(slope)(images[:, None], moves, pull[:, None])  # gradients of single events
    np.testing.assert_allclose(mapped.sum(0), by_weight, rtol=1e-4, atol=1e-4)


def test_a_block_is_activated_as_its_parts_say():
    """Normalised, modulated, SiLU; so are the gradients, which work it out again."""
    x, pull = 1.0 + 3.0 * jr.normal(jr.key(0), (2, 3, 4, 16))
    scale, shift = jr.normal(jr.key(1), (2, 16))

    def plainly(x, scale, shift):
        grouped = x.reshape(12, 2, 8)
        grouped = (grouped - grouped.mean((0, 2), keepdims=True)) / jnp.sqrt(grouped.var((0, 2), keepdims=True) + 1e-5)
        return jax.nn.silu(grouped.reshape(x.shape) * (1.0 + scale) + shift)

    found, expected = (jax.vjp(each, x, scale, shift) for each in (networks.activated, plainly))
    np.testing.assert_allclose(found[0], expected[0], atol=1e-5)
    for one, other in zip(found[1](pull), expected[1](pull), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("channels", "groups"), [(32, 4), (20, 2), (5, 1)])
def test_groups_of_channels_have_mean_0_and_variance_1(channels, groups):
    assert networks.groups_of(channels) == groups
    x = 3.0 + 2.0 * np.random.default_rng(0).normal(size=(6, 5, channels)).astype(np.float32)
    found = np.asarray(networks.normalised(jnp.asarray(x), groups)).reshape(30, groups, -1)
    np.testing.assert_allclose(found.mean((0, 2)), 0.0, atol=1e-5)
    np.testing.assert_allclose(found.var((0, 2)), 1.0, atol=1e-4)


def test_blocks_of_pixels_and_back():
    image = jnp.arange(4 * 6 * 2).reshape(4, 6, 2)
    found = networks.blocks(image, 2)
    np.testing.assert_array_equal(found[1, 2], np.asarray(image)[2:4, 4:6].ravel())
    np.testing.assert_array_equal(networks.pixels(found, 2), image)


def test_a_patch_of_the_mixer_reads_itself_and_its_neighbours():
    model = qs.make("model", "mixer", ports_of((10, 10)), key=jr.key(0), patch=2, width=3, depth=1)
    slope = jax.jacobian(lambda image: model.enter(networks.blocks(image, 2))[2, 3].sum())(jnp.ones((10, 10, 1)))
    rows, columns = np.nonzero(np.asarray(slope)[..., 0])
    assert (set(rows), set(columns)) == (set(range(2, 8)), set(range(4, 10)))


def test_a_fresh_mixer_is_the_best_linear_denoiser_where_the_kernel_has_measured_the_data():
    """E[x given z] and the variances of each pixel, of normal data with the covariance of the training images."""
    rng = np.random.default_rng(0)
    images = (rng.normal(size=(400, 20)) @ rng.normal(size=(20, 20)) / 4.0 + 0.3).reshape(400, 4, 5).astype(np.float32)
    kernel = qs.make("kernel", "gaussian", qs.Real((4, 5)), reference="mixture", features="residual")
    kernel = kernel.measured(kernel.measure(lambda split: images[:300] if split == "train" else images[300:]))
    diffusion = qs.Diffusion(kernel, fresh("mixer", qs.Ports.of(kernel)), 10)
    flat = images[:300].reshape(300, 20).astype(float)
    mean, covariance = flat.mean(0), np.cov(flat.T, bias=True) + 1e-4 * np.eye(20)
    z = jnp.asarray(rng.normal(size=(4, 5)), jnp.float32)

    @jax.jit
    def ask(t):
        marginal = kernel.marginal(jnp.ones((4, 5)), t)
        found = diffusion.decode(diffusion.params(z, t), z, t)
        return marginal.loc[0, 0], marginal.variance[0, 0], found.loc, found.variance, kernel.encode(z, t)

    for t in (0.1, 0.5, 0.9):
        a, noise, loc, variance, read = (np.asarray(each, float) for each in ask(t))
        gain = a * covariance @ np.linalg.inv(a**2 * covariance + noise * np.eye(20))
        expected = mean + gain @ (np.ravel(z) - a * mean)
        np.testing.assert_allclose(loc.ravel(), expected, atol=2e-3)
        np.testing.assert_allclose(variance.ravel(), np.diag(covariance - a * gain @ covariance), rtol=2e-2)
        np.testing.assert_array_equal(read[..., 0], z)
        np.testing.assert_allclose(read[..., 1].ravel(), (np.ravel(z) - a * expected) / noise**0.5, atol=5e-3)


def test_readings_of_eq_65_have_no_residual():
    with pytest.raises(qs.InputError, match=r"kernel\.features: the readings of eq\. 65 have no denoiser"):
        ports_of(mean="eq65-sqrt", features="residual")
