"""What a chain costs in memory: a path is kept only where somebody asks for it."""

import jax
import jax.numpy as jnp
import jax.random as jr
import pytest

import quasistatic as qs
from quasistatic._process.blocks import events_together
from quasistatic_plugins.gaussian import GaussianOptions
from quasistatic_plugins.gaussian.kernel import GaussianKernel

EVENTS, SHAPE = 64, (32, 32, 3)
STATE = 4 * EVENTS * 32 * 32 * 3  # bytes of one noisy state of all events


class Trivial(qs.AbstractModel):
    """Knows nothing, and costs nothing."""

    def __call__(self, features, t, side=None, *, key=None):
        return jnp.zeros((*SHAPE, 2))


def memory(steps, keep):
    """What XLA allots to the program that draws EVENTS paths of so many steps."""
    diffusion = qs.Diffusion(GaussianKernel(GaussianOptions(), qs.Real(SHAPE)), Trivial(), steps)
    times = diffusion.times()

    def path(key):
        found = qs.trajectory.reverse(qs.Ancestral(), diffusion, times, key=key, keep=keep)
        return (found.x, found.zs) if keep else found.x

    return jax.jit(jax.vmap(path)).lower(jr.split(jr.key(0), EVENTS)).compile().memory_analysis()


def test_a_path_that_is_not_kept_takes_no_memory():
    short, long = (memory(steps, keep=False).temp_size_in_bytes for steps in (10, 1000))
    # a step more costs its key, 8 bytes, for each event
    assert long - short <= 1.02 * 8 * EVENTS * 990
    # the state, the one before it, its distribution, and the random bits: threefry alone takes two
    assert short <= 6.1 * STATE and long <= 6.75 * STATE


@pytest.mark.parametrize("name", ["convolutional", "mixer", "multiscale"])
def test_sampling_holds_three_states_beside_the_network(name):
    """`sample` takes events in blocks: what their program holds, and what is drawn already, less what the network alone needs."""
    kernel = qs.make("kernel", "gaussian", qs.Real(SHAPE))
    diffusion = qs.Diffusion(kernel, qs.make("model", name, qs.Ports.of(kernel), key=jr.key(0)), 1000)
    block, times = events_together(diffusion), diffusion.times()
    assert block < EVENTS

    def path(key):
        return qs.trajectory.reverse(qs.Ancestral(), diffusion, times, key=key, keep=False).x

    params = jax.vmap(diffusion.params, (0, None))
    network = jax.jit(params).lower(jnp.zeros((block, *SHAPE)), jnp.ones(())).compile().memory_analysis()
    drawing = jax.jit(jax.vmap(path)).lower(jr.split(jr.key(0), block)).compile().memory_analysis()
    beside = drawing.temp_size_in_bytes - network.temp_size_in_bytes - network.output_size_in_bytes
    assert beside + STATE <= 3 * STATE  # the data of all events are a state


def test_a_path_that_is_kept_takes_a_state_for_every_step():
    assert memory(1000, keep=True).output_size_in_bytes >= 1000 * STATE
