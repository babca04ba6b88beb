"""An animation shows the very samples that are drawn without it."""

import io

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from PIL import Image

import quasistatic as qs
from quasistatic._process import trajectory
from quasistatic._report.film import Filmed, animation, cells, drawn_range, sheet, spread
from quasistatic.kits import arrays, pictures
from quasistatic.kits.pictures.drawing import strip_of
from quasistatic_plugins.dense import DenseOptions
from quasistatic_plugins.dense.model import Dense
from quasistatic_plugins.gaussian import GaussianOptions
from quasistatic_plugins.gaussian.kernel import GaussianKernel

STEPS = 7


@pytest.fixture(scope="module")
def diffusion():
    kernel = GaussianKernel(GaussianOptions(), qs.Real((4, 4)))
    return qs.Diffusion(kernel, Dense(DenseOptions(width=4, depth=1), qs.Ports.of(kernel), key=jr.key(0)), STEPS)


@pytest.fixture(scope="module")
def source():
    return arrays.array_source(np.random.RandomState(0).normal(size=(40, 4, 4)))


@pytest.mark.parametrize("kept", [(0, 6), (0, 2, 5, 6), tuple(range(7)), (0,)])
def test_what_is_kept_is_the_path_at_these_times(diffusion, kept):
    plain = qs.Ancestral()
    path = jax.jit(lambda key: trajectory.reverse(plain, diffusion, diffusion.times(), key=key))(jr.key(1))
    filmed = Filmed(plain, kept, STEPS)
    x, film = jax.jit(lambda key: trajectory.reverse(filmed, diffusion, diffusion.times(), key=key, keep=False).x)(jr.key(1))
    np.testing.assert_allclose(x, path.x, atol=1e-5)
    np.testing.assert_allclose(film, path.zs[jnp.asarray(kept)], atol=1e-5)


def test_numbers_of_times_are_spread_evenly_with_both_ends():
    assert spread(1000, 5) == (0, 250, 500, 749, 999)
    assert spread(3, 6) == (0, 1, 2) and spread(1, 6) == (0,)


def test_a_sheet_is_the_drawing_of_the_source(source):
    xs = source.split("test", 4).x
    pixels = np.asarray(sheet(source, xs))
    assert pixels.shape == (9, 9, 3)  # two by two pictures of four pixels, and a gap
    assert (pixels[4] == 255).all() and (pixels[:, 4] == 255).all()
    grey = pixels[:4, :4, 0].astype(float)
    user = source.units.to_user(xs)[0]
    assert np.corrcoef(grey.ravel(), user.ravel())[0, 1] < -0.99  # ink is dark


@pytest.mark.parametrize("form", ["gif", "webp"])
def test_an_animation_goes_from_noise_to_the_samples(source, form):
    xs = source.split("test", 4).x
    film = np.random.RandomState(1).normal(size=(4, 5, 4, 4)).astype(np.float32)
    with Image.open(io.BytesIO(animation(source, film, xs, form))) as moving:
        assert moving.n_frames == 6 and min(moving.size) >= 320
        bounds = drawn_range(source, xs)
        for frame, expected in ((0, film[:, -1]), (4, film[:, 0]), (5, xs)):
            moving.seek(frame)
            seen = np.asarray(moving.convert("RGB").resize((9, 9), Image.Resampling.NEAREST), float)
            assert np.abs(seen - np.asarray(sheet(source, expected, bounds), float)).max() < 12  # of 256 colours


def test_a_strip_has_a_sample_a_row_from_the_left_to_the_right(source):
    xs = source.split("test", 2).x
    film = np.random.RandomState(1).normal(size=(2, 3, 4, 4)).astype(np.float32)
    found, bounds = strip_of(source, film, xs), drawn_range(source, xs)
    assert found.shape == (9, 19, 3)
    np.testing.assert_array_equal(found[:4, 15:], np.asarray(sheet(source, xs[:1], bounds)))
    np.testing.assert_array_equal(found[5:, :4], np.asarray(sheet(source, film[1:, -1], bounds)))
    np.testing.assert_array_equal(pictures.in_a_row(cells(source, xs, bounds))[:, 5:], np.asarray(sheet(source, xs[1:], bounds)))
