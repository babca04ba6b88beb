"""Events of states and numbers in order: against sums and integrals of a small system, whose network knows all of it."""

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs
from quasistatic.testing import Setting, laws_of
from quasistatic_plugins.conditioning import ParticlesOptions
from quasistatic_plugins.conditioning.particles import Particles

# what a cell is (a number, an atom, missing), a bit, and the number, whose normal distribution hangs on the bit; and a second
# number, which is always there
EVENT = qs.Fields(
    {"bit": qs.Binary((1,)), "cell": qs.Categorical((2,), 3), "number": qs.Real((2,))},
    gates={"number": (qs.Gate("cell", 1, 0), None)},
)
JOINT = np.array([[0.30, 0.10, 0.05], [0.15, 0.15, 0.25]])  # p(bit, second cell); the first cell is even, and tells nothing
MEANS, DEVIATIONS = np.array([[-0.8, 0.2], [0.9, -0.3]]), np.array([[0.4, 0.7], [0.8, 0.5]])  # of the numbers, given the bit
BETWEEN, WITH_HALF = (0.1, 0.3, 0.45, 0.7, 1.0), (0.1, 0.3, 0.5, 0.7, 1.0)


def kernel_of(symbols="uniform", event=EVENT, **numbers):
    return qs.join_kernels(
        {
            "bit": qs.make("kernel", "binomial", event["bit"]),
            "cell": qs.make("kernel", symbols, event["cell"]),
            "number": qs.make("kernel", "gaussian", event["number"], **numbers),
        },
        event,
    )


class Exact(qs.AbstractModel):
    """Each element's distribution given the noisy states of all, but for a number while its bit is not known."""

    kernel: qs.AbstractKernel

    def __call__(self, features, t, side=None, *, key=None):
        late = jnp.where(t > 0.5, 2.0 * t - 1.0, 0.5)
        bit, cell = features["bit"][0, 0] > 0, features["cell"][1, 0]
        kernels = self.kernel.parts

        def likelihood(kernel, states, state):
            return jax.vmap(lambda x: kernel.marginal(jnp.broadcast_to(x, kernel.event.shape), late).log_prob(state))(states)

        of_bit = likelihood(kernels["bit"], jnp.arange(2.0), jnp.where(bit, 1.0, 0.0)[None])
        # of two cells one is even, so its likelihood is the same for all
        of_cell = likelihood(kernels["cell"], jnp.arange(3), jnp.stack([cell, cell])) / 2.0
        log_joint = jnp.log(JOINT)
        tilt_bit = jax.nn.logsumexp(log_joint + of_cell, axis=1)
        tilt_cell = jax.nn.logsumexp(log_joint + of_bit[:, None], axis=0)
        base = kernels["cell"].log_reference()
        return {
            "bit": (tilt_bit[1] - tilt_bit[0])[None, None],
            "cell": jnp.stack([jnp.zeros(3), tilt_cell - jnp.broadcast_to(base, (3,))]),
            "number": self._number(features["number"][..., 0], jnp.where(bit, 1, 0), t),
        }

    def _number(self, z, bit, t):
        schedule = self.kernel.parts["number"].schedule
        log_snr = schedule.log_odds(jnp.where(t < 0.5, 2.0 * t, 1.0))
        a, noise = jnp.exp(0.5 * qs.log_survival(log_snr)), jnp.exp(qs.log_noise(log_snr))
        mean, variance = jnp.asarray(MEANS)[bit], jnp.asarray(DEVIATIONS)[bit] ** 2
        total = a**2 * variance + noise
        loc = mean + a * variance / total * (z - a * mean)
        return jnp.stack([(a * z - loc) / jnp.sqrt(noise), 8.0 * jnp.arctanh(jnp.log(variance / total) / 8.0)], axis=-1)


def events(count, seed=0):
    rng = np.random.default_rng(seed)
    bit, cell = np.divmod(rng.choice(6, size=count, p=JOINT.ravel()), 3)
    number = MEANS[bit] + DEVIATIONS[bit] * rng.standard_normal((count, 2))
    cells = np.stack([rng.integers(3, size=count), cell], axis=1)
    return EVENT.check(EVENT.cleared({"bit": bit[:, None], "cell": cells, "number": number}))


def log_truth(xs):
    """log p of events (N, ...), of states alone, and of the numbers that exist."""
    bit, cell = xs["bit"][:, 0].astype(int), xs["cell"][:, 1]
    states = np.log(JOINT[bit, cell] / 3.0)
    each = -0.5 * (((xs["number"] - MEANS[bit]) / DEVIATIONS[bit]) ** 2 + np.log(2 * np.pi * DEVIATIONS[bit] ** 2))
    return states, np.sum(np.where(EVENT.there(xs)["number"], each, 0.0), axis=1)


def log_weights(diffusion, xs, times, key):
    """The log-weight of one path of each event, (N,)."""

    def one(x, key):
        path = qs.trajectory.forward(diffusion.kernel, x, times, key=key)
        return qs.trajectory.log_weight(diffusion, path, times).sum()

    return np.asarray(eqx.filter_jit(jax.vmap(one))(xs, jr.split(key, len(xs["bit"]))), np.float64)


@pytest.mark.parametrize("symbols", ["uniform", "absorbing"])
def test_k_of_the_exact_network_comes_to_the_log_probability_of_what_is_there(symbols):
    xs = events(1500)
    kernel = kernel_of(symbols)
    ledger = qs.ledger(qs.Diffusion(kernel, Exact(kernel), 80), xs, key=jr.key(1))
    states, numbers = log_truth(xs)
    gaps = {
        "states": states + sum(ledger.by_part[name].sum(axis=1) for name in ("bit", "cell")),
        "numbers": numbers + ledger.by_part["number"].sum(axis=1),
    }
    for name, gap in gaps.items():
        assert abs(gap.mean()) < 4.0 * gap.std() / len(gap) ** 0.5 + 0.01, name


def test_a_number_that_does_not_exist_has_terms_of_exactly_zero():
    kernel = kernel_of(event=alone())
    xs = {"bit": np.ones((9, 1)), "cell": np.tile([[1, 2]], (9, 1)), "number": np.zeros((9, 2))}
    found = qs.ledger(Setting().diffusion_with_random_network(kernel, 7), xs, key=jr.key(2))
    assert np.all(found.by_part["number"] == 0.0) and np.any(found.by_part["cell"] != 0.0)


def alone():
    """The same event where both numbers hang on a cell."""
    return qs.Fields(dict(EVENT), {"number": (qs.Gate("cell", 1, 0), qs.Gate("cell", 0, 0))})


@pytest.mark.parametrize("times", [(1.0,), BETWEEN, WITH_HALF], ids=["one", "between", "half"])
def test_exponentials_of_the_log_weights_are_a_probability_and_that_of_draws(times):
    """The mean over paths from data of the reference, of the exponential less log rho, is one: all that the network says sums up to
    one; and weighted so the events are those that are drawn from it.
    """
    kernel, count = kernel_of(first_noise=0.03), 20_000
    diffusion = attrs.evolve(Setting(), params_scale=0.4).diffusion_with_random_network(kernel, len(times))
    rho, at = kernel.reference(), jnp.asarray(times)
    xs = jax.vmap(rho.sample)(jr.split(jr.key(0), count))
    weights = np.exp(log_weights(diffusion, xs, at, jr.key(1)) - np.asarray(jax.vmap(rho.log_prob)(xs)))
    drawn = qs.sample(diffusion, count, key=jr.key(2), steps=times)
    there = EVENT.there(drawn)["number"]
    assert np.all(drawn["number"][~there] == 0.0) and np.all(drawn["number"][there] != 0.0)

    def features(xs):
        states = [np.asarray(xs["bit"]) == 1, *(np.asarray(xs["cell"]) == state for state in (0, 1))]
        number = np.asarray(xs["number"])
        return np.concatenate([*states, number, number**2, number[:, :1] * states[0]], axis=1).astype(np.float64)

    terms = [np.append(features(each), np.ones((count, 1)), axis=1) for each in (drawn, xs)]
    terms[1] *= weights[:, None]
    error = np.sqrt(sum(each.var(axis=0) for each in terms) / count)
    assert np.max(np.abs(terms[0].mean(axis=0) - terms[1].mean(axis=0)) / (error + 1e-9)) < 4.5


def test_paths_average_to_the_probability_of_a_chain_of_two_steps_by_integrals():
    """Jarzynski: over paths from x, the mean of the exponential is what the chain gives x."""
    kernel, at = kernel_of(), jnp.array([0.5, 1.0])
    diffusion = attrs.evolve(Setting(), params_scale=0.3).diffusion_with_random_network(kernel, 2)
    grid = jnp.linspace(-7.0, 7.0, 2001)
    xs = jax.tree.map(lambda leaf: jnp.asarray(leaf[:6]), events(200, seed=3))
    pi = {name: kernel.parts[name].equilibrium() for name in ("bit", "cell")}
    bits, cells = (pi[name].nodes() for name in ("bit", "cell"))

    def decoded(z, t):
        return diffusion.decode(diffusion.params(z, t), z, t)

    @jax.jit
    def exact(x):
        def from_noise(bit, cell):
            parts = decoded({"bit": bit, "cell": cell, "number": jnp.zeros(2)}, at[1]).parts
            return parts["bit"].log_prob(x["bit"]) + parts["cell"].log_prob(x["cell"])

        over = jax.vmap(jax.vmap(from_noise, (None, 0)), (0, None))(bits[0], cells[0])
        states = jax.nn.logsumexp(over + jnp.log(bits[1])[:, None] + jnp.log(cells[1]))

        def from_number(number):
            z = {"bit": x["bit"], "cell": x["cell"], "number": number}
            return decoded(z, at[0]).log_prob_by_part(x)["number"] - 0.5 * jnp.sum(number**2) - jnp.log(2 * jnp.pi)

        plane = jnp.stack(jnp.meshgrid(grid[::20], grid[::20]), axis=-1).reshape(-1, 2)
        step = grid[20] - grid[0]
        return states + jax.nn.logsumexp(jax.vmap(from_number)(plane)) + 2.0 * jnp.log(step)

    for number in range(6):
        x = jax.tree.map(lambda leaf, row=number: leaf[row], xs)
        many = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (8_000, *leaf.shape)), x)
        weights = np.exp(log_weights(diffusion, many, at, jr.key(number)))
        assert abs(weights.mean() - np.exp(exact(x))) < 4.5 * weights.std() / 8_000**0.5


@pytest.mark.parametrize("symbols", ["uniform", "absorbing", pytest.param("substitution", marks=pytest.mark.slow)])
def test_the_kernel_keeps_the_laws(symbols):
    quick = {"bayes", "averaging", "shapes", "times", "support"} | ({"zero-params"} if symbols == "uniform" else set())
    kernel = kernel_of(symbols)
    assert kernel.is_exact_at_zero and not kernel.is_stationary
    for law in laws_of("kernel", kernel):
        if law.name in quick:
            attrs.evolve(law, examples=1)()


@pytest.mark.slow
@pytest.mark.parametrize("mean", ["velocity", "levels"])
def test_the_kernel_keeps_all_laws(mean):
    field = qs.Levels((2,), -1.0, 1.0, 5) if mean == "levels" else EVENT["number"]
    event = qs.Fields({**EVENT, "number": field}, EVENT.gates)
    for law in laws_of("kernel", kernel_of(event=event, mean=mean)):
        law()


ON_A_LATTICE = qs.Fields({**EVENT, "number": qs.Measured((2,), (0.25, 0.0), (-3, None), (3, None))}, EVENT.gates)


@pytest.mark.parametrize("event", [EVENT, ON_A_LATTICE], ids=["real", "measured"])
def test_divergences_are_means_of_log_ratios(event):
    kernel = kernel_of(event=event)
    setting = Setting()
    for s, t in ((0.2, 0.4), (0.3, 0.5), (0.2, 0.7), (0.6, 0.9)):
        x, _, z = jax.tree.map(lambda leaf: leaf[3], setting.spots(kernel, jnp.asarray(s), jnp.asarray(t), 5))
        p, q = kernel.posterior(x, z, s, t), kernel.reverse(setting.params(kernel), z, s, t)

        def ratio(key, p=p, q=q):
            draw = p.sample(key)
            one, other = p.log_prob_by_part(draw), q.log_prob_by_part(draw)
            return jnp.stack([one[name] - other[name] for name in sorted(one)])

        values = jax.jit(jax.vmap(ratio))(jr.split(jr.key(0), 4000))
        told = p.kl_by_part(q, key=jr.key(1))
        gap = np.abs(np.asarray(values.mean(axis=0)) - [told[name] for name in sorted(told)])
        assert np.all(gap <= 4.5 * np.asarray(values.std(axis=0)) / 4000**0.5 + 1e-4), (s, t)


def test_what_is_known_of_states_conditions_the_numbers():
    kernel, count = kernel_of(), 4_000
    known = {"bit": qs.Known(jnp.ones(1), jnp.array([True])), "cell": qs.Known(jnp.array([0, 0]), jnp.array([False, True]))}
    both = qs.AllOf((*(qs.OnPart(factor, name) for name, factor in known.items()), nothing_known()))
    drawn = draws(qs.Diffusion(kernel, Exact(kernel), 24), both, count)
    assert np.all(drawn["bit"] == 1) and np.all(drawn["cell"][:, 1] == 0)
    error = DEVIATIONS[1] / count**0.5
    assert np.all(np.abs(drawn["number"].mean(axis=0) - MEANS[1]) < 4.0 * error + 0.01)
    np.testing.assert_allclose(drawn["number"].std(axis=0), DEVIATIONS[1], rtol=0.05)


def nothing_known():
    return qs.OnPart(qs.Known(jnp.zeros(2), jnp.zeros(2, bool)), "number")


def draws(diffusion, potential, count, sampler=None):
    stacked = jax.tree.map(lambda leaf: leaf[None], potential)
    return qs.sample(diffusion, count, key=jr.key(5), potential=stacked, sampler=sampler)


def test_a_mask_that_is_false_everywhere_changes_nothing():
    kernel = kernel_of()
    for t in (0.3, 0.5, 0.8):
        z = jax.tree.map(lambda leaf: leaf[0], Setting().spots(kernel, jnp.asarray(0.1), jnp.asarray(t), 1).late)
        data = kernel.decode(kernel.zero_params(), z, t)
        tilted, log_mean = nothing_known().tilt(data)
        assert log_mean == 0.0 and eqx.tree_equal(tilted.parts["number"].loc, data.parts["number"].loc)
        assert type(tilted) is type(data)


def test_a_number_that_is_known_tells_of_the_states_by_particles():
    """Numbers come after states on the way back: what they say of them is in the weights."""
    kernel, value = kernel_of(), 0.1
    known = qs.AllOf(
        (
            qs.OnPart(qs.Known(jnp.array([0, 0]), jnp.array([False, True])), "cell"),
            qs.OnPart(qs.Known(jnp.array([value, 0.0]), jnp.array([True, False])), "number"),
        )
    )
    drawn = draws(qs.Diffusion(kernel, Exact(kernel), 12), known, 1_200, Particles(ParticlesOptions(16)))
    density = np.exp(-0.5 * ((value - MEANS[:, 0]) / DEVIATIONS[:, 0]) ** 2) / DEVIATIONS[:, 0]
    posterior = JOINT[:, 0] * density / (JOINT[:, 0] @ density)
    assert np.all(drawn["cell"][:, 1] == 0) and np.allclose(drawn["number"][:, 0], value, atol=1e-5)
    share = drawn["bit"].mean()
    assert abs(share - posterior[1]) < 4.0 * (posterior[1] * posterior[0] / 1_200) ** 0.5 + 0.02
    assert abs(share - JOINT[1, 0] / JOINT[:, 0].sum()) > 0.03  # without the weights


def test_numbers_alone_and_gates_that_are_none_are_an_order_without_gaps():
    event = qs.Fields({"bit": qs.Binary((1,)), "number": qs.Real((2,))}, {"number": (None, None)})
    parts = {
        "bit": qs.make("kernel", "binomial", event["bit"]),
        "number": qs.make("kernel", "gaussian", event["number"], reference="mixture"),
    }
    kernel = qs.join_kernels(parts, event)
    xs = {"bit": np.zeros((300, 1)), "number": np.random.default_rng(0).normal(size=(300, 2))}
    kernel = kernel.measured(kernel.measure(lambda split: xs))
    assert np.all(kernel.parts["number"].mixture.means != 0)
    for law in laws_of("kernel", kernel):
        if law.name in ("bayes", "averaging"):
            attrs.evolve(law, examples=1)()
    only = qs.Fields({"number": event["number"]}, event.gates)
    alone = qs.join_kernels({"number": parts["number"]}, only)
    np.testing.assert_array_equal(alone.times(7), parts["number"].times(7))
    found = qs.ledger(Setting().diffusion_with_random_network(alone, 5), {"number": xs["number"][:8]}, key=jr.key(0))
    assert np.isfinite(found.bound.value)


def test_a_mixture_is_fitted_to_numbers_with_gaps_and_the_whole_has_no_reference():
    kernel = kernel_of(reference="mixture")
    xs = events(200)
    found = kernel.measure(lambda split: xs)
    assert found and kernel.measured(found).reference() is None


def test_chains_have_the_turn_in_them():
    kernel = kernel_of()
    assert kernel.times(1).tolist() == [1.0] and kernel.times(2).tolist() == [0.5, 1.0]
    for steps in (3, 10, 101):
        times = kernel.times(steps)
        assert 0.5 in times and len(times) == steps and np.all(np.diff(times) > 0)
    one = qs.Fields({"bit": qs.Binary((1,)), "number": qs.Real((2,))}, {"number": (qs.Gate("bit", 0, 1), None)})
    uses = {"bit": "binomial", "number": "gaussian"}
    joined = qs.join_kernels({name: qs.make("kernel", use, one[name]) for name, use in uses.items()}, one)
    assert joined.times(10)[-2:].tolist() == [0.5, 1.0]


@pytest.mark.parametrize(
    ("part", "use", "options", "said"),
    [
        ("bit", "binomial", {"first_noise": 0.1}, "set kernel.parts.bit.first_noise = 0"),
        ("number", "gaussian", {"variance": "posterior"}, "kernel.parts.number: events with gates need a kernel that averages"),
    ],
)
def test_a_kernel_that_does_not_fit_is_one_message(part, use, options, said):
    parts = dict(kernel_of().parts)
    with pytest.raises(ValueError, match=said):
        qs.join_kernels({**parts, part: qs.make("kernel", use, EVENT[part], **options)}, EVENT)


@pytest.mark.parametrize(
    ("gates", "said"),
    [
        ({"number": (None,)}, "expected a gate or None for each of 2 elements, got 1"),
        ({"bit": (None,)}, "Fields.gates.bit: expected a part of numbers, got 1 binary"),
        ({"none": (None,)}, "Fields.gates.none: expected a part of numbers, got none"),
        ({"number": (qs.Gate("cell", 2, 0), None)}, "'cell' has 2 elements of 3 states"),
        ({"number": (qs.Gate("cell", 0, 3), None)}, "'cell' has 2 elements of 3 states"),
        ({"number": (qs.Gate("number", 0, 0), None)}, "expected a gate on bits or symbols, 'number' is no such part"),
    ],
)
def test_gates_that_cannot_be_are_refused(gates, said):
    with pytest.raises(ValueError, match=said):
        qs.Fields(dict(EVENT), gates)


def test_a_number_that_does_not_exist_must_be_zero():
    xs = events(20)
    row = int(np.flatnonzero(~EVENT.there(xs)["number"][:, 0])[0])
    assert all(np.all(each) for each in EVENT.contains(xs).values())
    for filler in (1.0, np.nan):
        wrong = {**xs, "number": np.where(np.arange(20)[:, None] == row, np.array([filler, 0.0]), xs["number"])}
        with pytest.raises(qs.DataError, match=rf"events.number: event {row}, element 0 is .*expected 0, as it does not exist"):
            EVENT.check(wrong)
        np.testing.assert_array_equal(EVENT.check(EVENT.cleared(wrong))["number"][row, 0], 0.0)
    assert hash(EVENT) == hash(qs.Fields(dict(EVENT), dict(EVENT.gates))) and EVENT != qs.Fields(dict(EVENT))
