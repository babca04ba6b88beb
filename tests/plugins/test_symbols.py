"""Kernels for symbols: exact values on a small system, memory, padding, and the processes that they are named after."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs
from quasistatic import oracles
from quasistatic.errors import InputError
from quasistatic.thermodynamics.steps import entropy_bounds
from quasistatic.thermodynamics.work import dissipation, forward_weights, model_weights

PLACES, LETTERS = 4, 3
SMALL = qs.Categorical((PLACES,), LETTERS)
NAMES = ("uniform", "absorbing", "substitution", "ordinal")


def small(name: str, **options: Any) -> qs.AbstractKernel:
    return qs.make("kernel", name, SMALL, **options)


def words() -> tuple[np.ndarray, np.ndarray]:
    """All words of the small system and their shares, in which places depend on one another."""
    xs = np.array(list(itertools.product(range(LETTERS), repeat=PLACES)), np.int32)
    repeats = np.sum(xs[:, 1:] == xs[:, :-1], axis=1)
    weights = np.exp(0.9 * repeats + 0.3 * (xs == 0).sum(axis=1))
    return xs, weights / weights.sum()


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name == "absorbing" else pytest.mark.slow) for name in NAMES])
def test_an_enumerated_system_has_its_exact_values(name: str) -> None:
    xs, weights = words()
    kernel = small(name)
    diffusion = qs.Diffusion(kernel, oracles.ExactDecoder(kernel, xs, weights), 2)
    ledger = oracles.exact_ledger(diffusion, xs, weights)
    for x in (xs[0], xs[7], xs[-1]):
        paths = oracles.path_distribution(diffusion, x)
        assert paths.bound == pytest.approx(ledger.per_event[np.all(xs == x, axis=1)][0], abs=1e-10)
        assert paths.moment(1) + paths.unreachable == pytest.approx(
            np.exp(oracles.log_likelihood(diffusion, x[None]))[0], abs=1e-10
        )
    entropy = -float(weights @ np.log(weights))
    information = oracles.information(kernel, xs, weights, ledger.times)
    produced = oracles.entropy_production(ledger, information, entropy)
    assert produced.total == pytest.approx(-entropy - ledger.bound, abs=1e-10)
    assert produced.end > -1e-12 and np.all(produced.steps > -1e-12)


@pytest.mark.usefixtures("x64")
def test_independent_symbols_lose_nothing_under_absorption() -> None:
    """Data whose places are independent: K of the exact decoder is log p, on any grid."""
    log_p = jax.nn.log_softmax(jr.normal(jr.key(0), (PLACES, LETTERS)))
    xs, _ = words()
    weights = np.exp(np.asarray(log_p)[np.arange(PLACES), xs].sum(axis=1))
    kernel = small("absorbing", reference="uniform")
    diffusion = qs.Diffusion(kernel, oracles.ExactDecoder(kernel, xs, weights), 3)
    assert oracles.exact_ledger(diffusion, xs, weights).per_event == pytest.approx(np.log(weights), abs=1e-10)


@pytest.mark.usefixtures("x64")
def test_one_after_another_nothing_is_lost() -> None:
    """Places that are masked one at a time, the last first, are told by those before them: K of the exact decoder is log p.

    Not so where two share a step, nor in any order with so few steps.
    """
    xs, weights = words()

    def per_event(steps: int, order: str) -> np.ndarray:
        kernel = small("absorbing", order=order)
        return oracles.exact_ledger(qs.Diffusion(kernel, oracles.ExactDecoder(kernel, xs, weights), steps), xs, weights).per_event

    for steps in (PLACES, PLACES + 3):
        assert per_event(steps, "last-first") == pytest.approx(np.log(weights), abs=1e-10)
    for steps, order in ((PLACES - 1, "last-first"), (PLACES, "any")):
        assert weights @ (np.log(weights) - per_event(steps, order)) > 0.01


def stirred(model: qs.AbstractModel) -> qs.AbstractModel:
    keys = iter(jr.split(jr.key(1), 200))
    return jax.tree.map(lambda leaf: leaf + 0.3 * jr.normal(next(keys), leaf.shape) if eqx.is_inexact_array(leaf) else leaf, model)


@pytest.mark.parametrize("counts", [False, True])
def test_a_causal_network_reads_of_what_comes_before_alone(counts: bool) -> None:
    side = qs.Fields({qs.PADDING: qs.Binary((6,)), "label": qs.Categorical((), 3)})
    ports = qs.Ports.of(qs.make("kernel", "absorbing", qs.Categorical((6,), 4)), side)
    model = stirred(qs.make("model", "transformer", ports, key=jr.key(0), width=16, depth=2, causal=True, counts=counts))
    assert model.is_causal
    told = qs.Side({qs.PADDING: jnp.asarray([0.0] * 5 + [1.0]), "label": jnp.asarray(2)}, jnp.asarray(True))
    symbols = np.array([1, 4, 0, 2, 3, 0])
    ask = eqx.filter_jit(lambda symbols, t: model(symbols[:, None], t, told))
    params = np.asarray(ask(symbols, 0.2))
    assert np.array_equal(params, ask(symbols, 0.9))
    for place in range(5):
        changed = np.abs(np.asarray(ask(np.where(np.arange(6) == place, (symbols + 1) % 5, symbols), 0.2)) - params).max(axis=1)
        assert np.all(changed[: place + 1] < 1e-6)
        assert np.all(changed[place + 1 : 5] > 1e-5)


class InSecret(qs.AbstractModel):
    """A network that does not say that it is causal."""

    model: qs.AbstractModel

    def __call__(self, features: Any, t: Any, side: Any = None, *, key: Any = None) -> Any:
        return self.model(features, t, side, key=key)


@pytest.mark.parametrize("steps", [6, 11])
def test_one_call_of_a_causal_network_has_all_terms(steps: int) -> None:
    """The objective is -K itself, whatever is drawn, for events with all their places and with fewer; not so with fewer steps.

    K is that of the same network asked once for each place, which it is where it does not say that it is causal.
    """
    event, side = qs.Categorical((6,), 4), qs.Fields({qs.PADDING: qs.Binary((6,))})
    kernel = qs.make("kernel", "absorbing", event, order="last-first")
    model = stirred(qs.make("model", "transformer", qs.Ports.of(kernel, side), key=jr.key(0), width=16, depth=1, causal=True))
    diffusion = qs.Diffusion(kernel, model, steps, side=qs.Side.absent(side))
    padding = (np.arange(6) >= np.array([[6], [4], [1]])).astype(np.float32)
    xs = np.array([[0, 1, 2, 3, 2, 1], [3, 3, 1, 2, 0, 0], [2, 0, 0, 0, 0, 0]], np.int32)
    objective = qs.make("objective", "bound")

    @eqx.filter_jit
    def losses(diffusion: qs.Diffusion, u: jax.Array) -> jax.Array:
        def loss(x: jax.Array, padding: jax.Array) -> jax.Array:
            return objective(diffusion.given({qs.PADDING: padding}), x, u, key=jr.key(3))[0]

        return jax.vmap(loss)(jnp.asarray(xs), jnp.asarray(padding))

    at_once, one_by_one = (
        qs.ledger(each, xs, key=jr.key(2), side={qs.PADDING: padding})
        for each in (diffusion, qs.Diffusion(kernel, InSecret(model), steps, side=qs.Side.absent(side)))
    )
    assert (at_once.evaluations, one_by_one.evaluations) == (1, 6)
    np.testing.assert_allclose(at_once.terms, one_by_one.terms, atol=1e-4)
    k = at_once.per_event
    for u in (0.1, 0.8):
        assert np.asarray(losses(diffusion, jnp.asarray(u))) == pytest.approx(-k, rel=1e-4)
    uneven = np.append(np.linspace(0.1, 0.2, 8), 1.0)  # most places share the last step: no one call has that
    shared = qs.ledger(diffusion, xs, key=jr.key(2), steps=uneven, side={qs.PADDING: padding})
    assert shared.evaluations == 6
    assert np.abs(shared.per_event - k).max() > 0.1
    few = qs.Diffusion(kernel, model, 3, side=qs.Side.absent(side))
    assert np.abs(np.asarray(losses(few, jnp.asarray(0.1)) - losses(few, jnp.asarray(0.8)))).max() > 0.1


def test_paths_and_their_dissipation_are_those_of_a_network_asked_at_every_step() -> None:
    event = qs.Categorical((4,), 3)
    kernel = qs.make("kernel", "absorbing", event, order="last-first")
    model = stirred(qs.make("model", "transformer", qs.Ports.of(kernel), key=jr.key(0), width=16, depth=1, causal=True))
    xs = np.array([[0, 1, 2, 0], [2, 2, 1, 0], [1, 0, 0, 1]], np.int32)

    def measured(model: qs.AbstractModel) -> list[np.ndarray]:
        diffusion, key = qs.Diffusion(kernel, model, 5), jr.key(1)
        drawn, weights = model_weights(diffusion, 3, key=key)
        forward = forward_weights(diffusion, xs, key=key, paths=2)
        halves = [dissipation(diffusion, xs, key=key, objective=each).per_event for each in ("bound", "ancestral")]
        return [drawn, weights.terms, forward.terms, *halves, entropy_bounds(diffusion, xs, key=key).learned]

    for at_once, one_by_one in zip(measured(model), measured(InSecret(model)), strict=True):
        np.testing.assert_allclose(at_once, one_by_one, atol=1e-4)


def test_one_after_another_takes_a_step_for_each_place() -> None:
    few = qs.load_recipe("dna", {"kernel.order": "last-first", "trajectory.steps": 40})
    with pytest.raises(InputError, match=r"trajectory: .* as an event has elements, 64; got a fixed grid of trajectory.steps = 40"):
        qs.train(few)
    with pytest.raises(InputError, match="schedule and first_noise: with order = 'last-first' every place has its time"):
        small("absorbing", order="last-first", first_noise=0.1)
    ports = qs.Ports.of(qs.join_kernels({"one": small("absorbing"), "other": small("absorbing")}))
    with pytest.raises(InputError, match="causal: takes events of one part"):
        qs.make("model", "transformer", ports, key=jr.key(0), causal=True)


def test_many_steps_of_absorption_weigh_as_in_continuous_time() -> None:
    """-K goes to the integral over t of 1/t times the loss of what is masked (Sahoo et al. 2024, eq. 10), at survival 1 - t.

    Of a network that does not see z, a place is masked at t with probability t, so that every step costs the same.
    """
    kernel = small("absorbing", reference="uniform")
    params = jr.normal(jr.key(1), (PLACES, LETTERS))

    class Same(qs.AbstractModel):
        params: jax.Array

        def __call__(self, features: Any, t: Any, side: Any = None, *, key: Any = None) -> jax.Array:
            return self.params

    xs, steps = words()[0][:3], 40
    losses = -np.asarray(jax.nn.log_softmax(params))[np.arange(PLACES), xs].sum(axis=1)
    diffusion = qs.Diffusion(kernel, Same(params), steps)
    exact = oracles.exact_ledger(diffusion, xs).terms[:, :-1]
    assert exact == pytest.approx(np.repeat(losses[:, None] / steps, steps, axis=1), rel=2e-3)
    # by its jumps every path costs each place once, whenever that is masked
    paths = qs.ledger(diffusion, np.repeat(xs, 20, axis=0), key=jr.key(2))
    assert paths.per_event == pytest.approx(-np.repeat(losses, 20), rel=1e-5)
    assert paths.evaluations == PLACES


@pytest.mark.parametrize("name", ["uniform", "absorbing"])
@pytest.mark.parametrize("question", ["term", "sample", "reverse"])
def test_memory_is_linear_in_the_number_of_symbols(name: str, question: str) -> None:
    def temporaries(n: int) -> int:
        event = qs.Categorical((8,), n)
        kernel = qs.make("kernel", name, event)
        s, t = jnp.asarray(0.3), jnp.asarray(0.6)

        def term(x: jax.Array, z: jax.Array, params: jax.Array, key: jax.Array) -> jax.Array:
            gap = kernel.posterior(x, z, s, t).kl(kernel.reverse(params, z, s, t), key=key)
            return gap - kernel.decode(params, z, t).log_prob(x)

        questions: dict[str, Callable[..., Any]] = {
            "term": jax.grad(term, argnums=2),
            "sample": lambda x, z, params, key: kernel.posterior(x, kernel.marginal(x, t).sample(key), s, t).sample(key),
            "reverse": lambda x, z, params, key: kernel.reverse(params, z, s, t).sample(key),
        }
        x, params = jnp.zeros(8, jnp.int32), jnp.zeros((8, n))
        compiled = jax.jit(questions[question]).lower(x, x, params, jr.key(0)).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    few, many = temporaries(3_000), temporaries(30_000)
    assert many < 20 * 8 * 30_000 * 4  # so many arrays of one number for each symbol, at most
    assert many < 12 * few + 2**16


def test_what_is_redrawn_follows_pi() -> None:
    events = np.repeat([0, 1, 2], [70, 27, 3])[:, None]
    kernel = qs.make("kernel", "uniform", qs.Categorical((1,), 3), pi="marginal")
    kernel = kernel.measured(kernel.measure(lambda split: events))
    pi = np.array([71, 28, 4]) / 103
    assert np.exp(kernel.log_equilibrium()) == pytest.approx(pi, rel=1e-6)
    draws = jax.vmap(kernel.equilibrium().sample)(jr.split(jr.key(0), 40_000))
    shares = np.bincount(np.asarray(draws).ravel(), minlength=3) / 40_000
    assert np.all(np.abs(shares - pi) < 5 * np.sqrt(pi / 40_000))


@pytest.mark.parametrize("name", ["uniform", "absorbing"])
def test_where_there_is_nothing_nothing_costs(name: str) -> None:
    """K of a padded event is that of a shorter one, and the padding stays at symbol 0 on every path."""
    long, short = qs.Categorical((5,), 3), qs.Categorical((3,), 3)
    padding = jnp.asarray([0.0, 0.0, 0.0, 1.0, 1.0])
    padded = qs.make("kernel", name, long).given({qs.PADDING: padding})
    alone = qs.make("kernel", name, short)
    x, s, t, params = jnp.asarray([1, 2, 0, 0, 0]), jnp.asarray(0.4), jnp.asarray(0.8), jr.normal(jr.key(1), (5, 3))
    terms = eqx.filter_jit(kernel_terms)
    for z in ([1, 0, 2], [1, 2, 0]):
        noisy = jnp.asarray([*z, 0, 0])
        ours = terms(padded, x, noisy, s, t, params)
        assert np.asarray(ours) == pytest.approx(np.asarray(terms(alone, x[:3], noisy[:3], s, t, params[:3])), rel=1e-5, abs=1e-6)
    draws = eqx.filter_jit(jax.vmap(lambda key: kernel_paths(padded, x, params, key)))(jr.split(jr.key(3), 50))
    assert np.all(np.asarray(draws)[:, :, 3:] == 0)
    plain = qs.make("kernel", name, long)
    assert plain.given({"label": jnp.asarray(1)}) is plain


@pytest.mark.parametrize("name", ["substitution", "ordinal"])
def test_a_kernel_that_would_count_padding_refuses_it(name: str) -> None:
    with pytest.raises(InputError, match="take events of one length"):
        small(name).given({qs.PADDING: jnp.zeros(PLACES)})


def kernel_terms(kernel: qs.AbstractKernel, x: jax.Array, z: jax.Array, s: jax.Array, t: jax.Array, params: jax.Array) -> jax.Array:
    """What an event costs, term by term."""
    terms = [
        kernel.posterior(x, z, s, t).kl(kernel.reverse(params, z, s, t), key=jr.key(0)),
        kernel.decode(params, z, t).log_prob(x),
        kernel.marginal(x, t).kl(kernel.equilibrium(), key=jr.key(0)),
        kernel.transition(z, s, t).log_prob(z),
    ]
    return jnp.stack(terms)


def kernel_paths(kernel: qs.AbstractKernel, x: jax.Array, params: jax.Array, key: jax.Array) -> jax.Array:
    """Draws of all that moves a state."""
    one, two, three, four = jr.split(key, 4)
    z, s, t = kernel.marginal(x, jnp.asarray(0.8)).sample(one), jnp.asarray(0.4), jnp.asarray(0.8)
    back = kernel.reverse(params, z, s, t).sample(two)
    end = kernel.equilibrium().sample(three)
    return jnp.stack([z, back, end, kernel.decode(params, end, jnp.ones(())).sample(four)])


@pytest.mark.parametrize("counts", [False, True])
def test_a_network_sees_which_places_there_are(counts: bool) -> None:
    """What stands where an event has nothing changes no param of a place where it has something."""
    event, side = qs.Categorical((6,), 4), qs.Fields({qs.PADDING: qs.Binary((6,)), "label": qs.Categorical((), 3)})
    ports = qs.Ports.of(qs.make("kernel", "absorbing", event), side)
    model = qs.make("model", "transformer", ports, key=jr.key(0), width=16, depth=2, counts=counts)
    model = stirred(model)
    told = qs.Side({qs.PADDING: jnp.asarray([0.0] * 4 + [1.0] * 2), "label": jnp.asarray(2)}, jnp.asarray(True))
    one, other = (jnp.asarray([[1], [4], [0], [2], [end], [end]]) for end in (0, 3))
    params = eqx.filter_jit(lambda features, side: model(features, jnp.asarray(0.5), side)[:4])
    assert np.asarray(params(one, told)) == pytest.approx(np.asarray(params(other, told)), abs=1e-6)
    assert np.abs(np.asarray(params(one, None) - params(other, None))).max() > 1e-3


def test_a_token_knows_how_many_of_each_symbol_there_are() -> None:
    """What a symbol is read as, and what all symbols before and after it add, each its own."""
    ports = qs.Ports.of(qs.make("kernel", "absorbing", qs.Categorical((5,), 3)))
    part, plain = (
        qs.make("model", "transformer", ports, key=jr.key(0), width=16, depth=1, counts=counts).parts[0] for counts in (True, False)
    )
    symbols, there = np.array([1, 3, 0, 0, 2], np.int32), np.array([True, True, False, True, True])
    own, onwards, backwards = (np.asarray(each) for each in (part.embedding, part.counted.onwards, part.counted.backwards))
    wanted = np.stack(
        [
            own[symbol]
            + sum(onwards[other] for other in symbols[: place + 1][there[: place + 1]])
            + sum(backwards[other] for other in symbols[place:][there[place:]])
            for place, symbol in enumerate(symbols)
        ]
    )
    np.testing.assert_allclose(part.read(symbols[:, None], there), wanted, atol=1e-5)
    # a causal one reads the symbol before, the mask before the first, what came an odd number of times, and how many follow
    causal = qs.make("model", "transformer", ports, key=jr.key(0), width=16, depth=1, counts=True, causal=True).parts[0]
    tables = (causal.embedding, causal.counted.onwards, causal.counted.odd, causal.counted.following)
    own, onwards, odd, following = map(np.asarray, tables)
    read, there = np.array([3, 1, 3, 0, 0]), np.array([True, True, True, True, False])
    in_odd_numbers = ([3], [1, 3], [1], [0, 1])  # of what is read up to each place
    wanted = np.stack(
        [
            own[read[place]]
            + onwards[read[: place + 1]].sum(axis=0)
            + odd[in_odd_numbers[place]].sum(axis=0)
            + following[3 - place]
            for place in range(4)
        ]
    )
    np.testing.assert_allclose(causal.read(symbols[:, None], there)[:4], wanted, atol=1e-5)
    assert np.array_equal(plain.read(symbols[:, None]), np.asarray(plain.embedding)[symbols])


def test_ordered_symbols_go_to_their_neighbours_first() -> None:
    kernel = qs.make("kernel", "ordinal", qs.Categorical((1,), 9))
    short = np.exp(kernel.log_matrix(None, jnp.asarray(1e-3)))[4]
    assert short[3] > 50 * short[2] and short[5] > 50 * short[6]
    pi = np.exp(kernel.log_equilibrium())
    assert np.argmax(pi) == 4 and pi[0] == pytest.approx(pi[8], rel=1e-5)


TABLES = {
    "1 2\n2 1\n": "expected 3 rows of 3 numbers",
    "0 1 x\n1 0 1\n1 1 0\n": "line 1: expected numbers, got '0 1 x'",
    "0 1 2\n1 0 1\n1 1 0\n": "symmetric",
    "0 1 0\n1 0 0\n0 0 0\n": "apart from the first: [2]",
    "0 -1 1\n-1 0 1\n1 1 0\n": "at least 0",
}


@pytest.mark.parametrize("text", TABLES)
def test_a_table_of_rates_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rates.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=r"kernel\.rates") as refused:
        qs.make("kernel", "substitution", qs.Categorical((1,), 3), rates=str(path))
    assert TABLES[text] in str(refused.value)


def test_a_table_of_rates_is_kept_with_what_was_measured(tmp_path: Path) -> None:
    path = tmp_path / "rates.txt"
    path.write_text("# made up\n0, 1, 2\n1, 0, 4\n2, 4, 0\n")
    event = qs.Categorical((2,), 3)
    kernel = qs.make("kernel", "substitution", event, rates=str(path), pi="marginal")
    arrays = kernel.measure(lambda split: np.array([[0, 1], [2, 2]]))
    assert arrays["exchange"].tolist() == [[0, 1, 2], [1, 0, 4], [2, 4, 0]]
    assert np.exp(kernel.measured(arrays).log_equilibrium()) == pytest.approx(np.array([2, 2, 3]) / 7)
    with pytest.raises(InputError, match="no file and no model"):
        qs.make("kernel", "substitution", event, rates="jc70")
    with pytest.raises(InputError, match="for the 4 letters"):
        qs.make("kernel", "substitution", event, rates="k80")


@pytest.mark.parametrize(("kernel", "event"), [("absorbing", qs.Categorical((11,), 4)), ("gaussian", qs.Real((11,)))])
@pytest.mark.parametrize("name", ["convolutional", "transformer"])
def test_networks_for_sequences_start_at_zero_and_read_all_places(name: str, kernel: str, event: qs.AbstractField) -> None:
    options = {"convolutional": {"widths": (8, 8), "attention": False}, "transformer": {"width": 16, "depth": 1}}[name]
    ports = qs.Ports.of(qs.make("kernel", kernel, event))
    model = qs.make("model", name, ports, key=jr.key(0), **options)
    moved = stirred(model)
    ask = eqx.filter_jit(lambda model, features: model(features, jnp.asarray(0.4)))
    features = jnp.ones(ports.features.shapes[0], ports.features.dtypes[0])
    assert np.all(np.asarray(ask(model, features)) == 0)
    plain, changed = ask(moved, features), ask(moved, features.at[4].set(0))
    assert np.all(np.any(np.abs(np.asarray(changed - plain)) > 1e-6, axis=-1))
