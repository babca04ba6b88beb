"""The network for images of the 2015 paper: its layer, its size, its readout, and what the paper's kernel makes of zeros."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs
from quasistatic.kits import networks
from quasistatic_plugins.multiscale import MultiscaleOptions
from quasistatic_plugins.multiscale.model import CodeLayer, PrintedLayer, orthogonal

REFERENCE = {"variant": "code", "bump_width": 0.5}  # with the defaults, what the authors' code has
RNG = np.random.default_rng(0)


def pooled(image, size):
    """Means of blocks, pixel by pixel; there are zeros outside of the image."""
    height, width, channels = image.shape
    out = np.zeros((math.ceil(height / size), math.ceil(width / size), channels))
    for y in range(height):
        for x in range(width):
            out[y // size, x // size] += image[y, x] / size**2
    return out


def convolved(image, weight):
    height, width, _ = image.shape
    out = np.zeros((height, width, weight.shape[-1]))
    for y in range(height):
        for x in range(width):
            for dy in range(3):
                for dx in range(3):
                    above, left = y + dy - 1, x + dx - 1
                    if 0 <= above < height and 0 <= left < width:
                        out[y, x] += image[above, left] @ weight[dy, dx]
    return out


def summed(scales, height, width):
    """What each pixel has of every scale, together."""
    return np.array([[sum(each[y >> s, x >> s] for s, each in enumerate(scales)) for x in range(width)] for y in range(height)])


@pytest.mark.parametrize(("height", "width"), [(8, 8), (5, 7)], ids=["divides", "does not"])
@pytest.mark.parametrize("variant", [PrintedLayer, CodeLayer], ids=["paper", "code"])
def test_a_layer_is_its_formula(variant, height, width):
    layer = variant(MultiscaleOptions(scales=3, filters=4), 2, height, width, RNG)
    layer = jax.tree.map(lambda leaf: jnp.asarray(RNG.normal(size=leaf.shape), jnp.float32), layer)
    image = RNG.normal(size=(height, width, 2)).astype(np.float32)
    scales = [convolved(pooled(image, 2**s), np.asarray(weight, float)) for s, weight in enumerate(layer.weights)]
    if variant is PrintedLayer:
        expected = np.logaddexp(0.0, summed(scales, height, width) + np.asarray(layer.bias, float))
    else:
        offset = [each + np.asarray(bias, float)[1:-1, 1:-1] for each, bias in zip(scales, layer.biases, strict=True)]
        expected = summed([np.where(each > 0, each, 0.05 * each) for each in offset], height, width) / 3
    np.testing.assert_allclose(layer(jnp.asarray(image)), expected, atol=2e-5)


def count(tree):
    return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_array)))


def test_the_reference_network_has_the_sizes_that_the_authors_code_has():
    """Of its parts; `quasistatic show` counts the whole, see tests/cli."""
    ports = qs.Ports.of(qs.make("kernel", "gaussian", qs.Real((28, 28))))
    model = qs.make("model", "multiscale", ports, key=jr.key(0), **REFERENCE, dense_width=5)
    dense = 784 * 5 + 5 + 2 * (5 * 5 + 5) + 5 * 1568 + 1568
    assert [count(part) for part in (model.layers, model.dense, model.upper)] == [82_980, dense, 880]


def test_dense_layers_of_the_code_start_orthogonal():
    for inputs, outputs in ((6, 4), (4, 6)):
        weight = np.asarray(orthogonal(inputs, outputs, np.random.default_rng(1)).weight)
        square = weight.T @ weight if inputs > outputs else weight @ weight.T
        np.testing.assert_allclose(square, np.eye(4), atol=1e-6)


def small(**options):
    ports = qs.Ports.of(qs.make("kernel", "gaussian", qs.Real((4, 4))))
    sizes = {"filters": 3, "layers": 1, "dense_layers": 2, "dense_width": 8, "upper_width": 5}
    model = qs.make("model", "multiscale", ports, key=jr.key(0), **sizes, **options)
    leaves, tree = jax.tree.flatten(model)
    return jax.tree.unflatten(tree, [leaf + RNG.normal(size=leaf.shape).astype(np.float32) / 2 for leaf in leaves])


@pytest.mark.parametrize("options", [{"scales": 2}, {**REFERENCE, "scales": 2}], ids=["paper", "code"])
def test_time_is_read_by_bumps_alone(options):
    """Params at any time are those at the bumps' centres, blended; one bump knows no time."""
    model, features = small(bumps=3, **options), jr.normal(jr.key(2), (4, 4, 1))
    times = jnp.array([0.0, 0.5, 1.0, 0.3])
    params = np.asarray(jax.jit(jax.vmap(lambda t: model(features, t)))(times)).reshape(4, -1)
    shares = np.asarray(jax.vmap(lambda t: networks.bumps(t, 3, model.options.bump_width))(times))
    np.testing.assert_allclose(params[3], shares[3] @ np.linalg.solve(shares[:3], params[:3]), atol=1e-3)
    assert np.abs(params[0] - params[2]).max() > 0.1
    still = small(bumps=1, **options)
    one, other = jax.jit(jax.vmap(lambda t: still(features, t)))(times[:2])
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("options", [{"layers": 0}, {"dense_layers": 0}])
def test_each_pathway_works_alone(options):
    ports = qs.Ports.of(qs.make("kernel", "gaussian", qs.Real((4, 4))))
    sizes = {"filters": 3, "dense_width": 8, **options}
    model = qs.make("model", "multiscale", ports, key=jr.key(0), **sizes)
    assert jax.eval_shape(model, jnp.ones((4, 4, 1)), jnp.asarray(0.5)).shape == (4, 4, 2)


def test_no_pathway_at_all_is_refused():
    with pytest.raises(qs.errors.RecipeError, match="layers and dense_layers are both 0"):
        qs.make("model", "multiscale", layers=0, dense_layers=0)


@pytest.mark.parametrize("steps", [40, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("mean", ["eq65-sqrt", "eq65-code", "eq65"])
def test_a_fresh_network_on_unit_normal_data(mean, steps):
    """K - L_null is 0 where zero params keep the forward step, and a bound away from it for eq. 65 as printed."""
    kernel = qs.make("kernel", "gaussian", qs.Real((4, 4)), schedule="reference", reference_steps=steps, mean=mean)
    sizes = {"filters": 2, "layers": 1, "dense_layers": 1, "bumps": 2}
    model = qs.make("model", "multiscale", qs.Ports.of(kernel), key=jr.key(0), **sizes)
    xs = jr.normal(jr.key(1), (1024, 4, 4))
    found = qs.ledger(qs.Diffusion(kernel, model, steps, "paper"), xs, key=jr.key(2))
    null = np.asarray(jax.vmap(kernel.reference().log_prob)(xs), float)
    gain = (found.per_event - null) / (16 * math.log(2.0))
    expected = {40: -0.5350, 1000: -1.1038}[steps] if mean == "eq65" else 0.0
    assert gain.mean() == pytest.approx(expected, abs=4.0 * gain.std() / 32)
    assert gain.std() / 32 < 0.015
