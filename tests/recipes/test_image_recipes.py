"""The recipes of the 2015 paper's image systems, at full scale: resolved and built, but not trained."""

import equinox as eqx
import jax
import jax.random as jr
import pytest

import quasistatic as qs

SHAPES = {"mnist-2015": (28, 28), "cifar10-2015": (32, 32, 3), "bark-2015": (64, 64), "dead-leaves-2015": (32, 32)}


@pytest.mark.parametrize("name", SHAPES)
def test_the_network_fits_its_images(name):
    recipe = qs.load_recipe(name)
    event = qs.Real(SHAPES[name])
    kernel = recipe.choices["kernel"].component.load()(recipe.choices["kernel"].options, event)
    ports = qs.Ports.of(kernel)
    model = recipe.choices["model"].component.load()(recipe.choices["model"].options, ports, key=jr.key(0))
    count = sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array)))
    assert (count == 1_762_928) == (name == "mnist-2015"), "the reference code's count, with its defaults"
    assert recipe.trajectory.first_step == "paper" and recipe.trajectory.steps == (500 if name == "bark-2015" else 1000)
    assert recipe.training.fuse == 1, "convolutions lose their speed in a loop on a CPU"
