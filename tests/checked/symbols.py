"""Symbols: Sahoo et al. 2024, Lou et al. 2024, models of evolution, and the forward algorithm."""

from __future__ import annotations

import itertools
import math

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import quasistatic as qs

PLACES, LETTERS = 3, 4


def logits(seed: int = 0) -> jax.Array:
    return jr.normal(jr.key(seed), (PLACES, LETTERS))


def sahoo_loss() -> float:
    """A step's term is (alpha_s - alpha_t) / (1 - alpha_t) times the cross-entropy of what is masked. For all masks; relative."""
    kernel = qs.make("kernel", "absorbing", qs.Categorical((PLACES,), LETTERS), reference="uniform", schedule="cosine")
    x, log_p = np.array([2, 0, 3]), np.asarray(jax.nn.log_softmax(logits()))
    worst = []
    for s, t in ((0.1, 0.2), (0.3, 0.9), (0.6, 0.61)):
        alpha_s, alpha_t = math.cos(0.5 * math.pi * s) ** 2, math.cos(0.5 * math.pi * t) ** 2
        for masked in itertools.product((False, True), repeat=PLACES):
            z = jnp.asarray(np.where(masked, LETTERS, x))
            loss = -(alpha_s - alpha_t) / (1.0 - alpha_t) * sum(log_p[place, x[place]] for place in range(PLACES) if masked[place])
            reverse = kernel.reverse(logits(), z, jnp.asarray(s), jnp.asarray(t))
            ours = float(kernel.posterior(jnp.asarray(x), z, jnp.asarray(s), jnp.asarray(t)).kl(reverse, key=jr.key(0)))
            worst.append(abs(ours / loss - 1.0) if any(masked) else abs(ours))
    return max(worst)


def lou_loss() -> float:
    """The term of a short step over its length is their integrand, for masks and for redrawn symbols. Relative.

    sum over y of Q(y, z) (s_y - r_y log s_y + r_y (log r_y - 1)), where r_y = q(y given x) / q(z given x) and s_y is the
    network's mean of it. The rest of the step, of first order in its length, is extrapolated away.
    """
    worst, t, rate = [], 0.6, 1.0 / (1.0 - 0.6)  # survival is 1 - t, so symbols are lost at rate 1 / (1 - t)
    for name, states in (("absorbing", LETTERS + 1), ("uniform", LETTERS)):
        options = {"reference": "uniform"} if name == "absorbing" else {}
        kernel = qs.make("kernel", name, qs.Categorical((1,), LETTERS), **options)
        given = np.zeros((LETTERS, states))  # q(z_t given x)
        given[:, :LETTERS] = (1.0 - t) * np.eye(LETTERS) + (t / LETTERS if name == "uniform" else 0.0)
        given[:, LETTERS:] = t
        jumps = np.full((states, states), rate / LETTERS)  # [from, to]
        if name == "absorbing":
            jumps = rate * np.outer(np.arange(states) < LETTERS, np.arange(states) == LETTERS)
        for x, z in itertools.product(range(LETTERS), range(states)):
            if given[x, z] == 0.0 or (name == "absorbing" and z < LETTERS):
                continue
            params = logits(1)[:1]
            says = np.exp(kernel.decode(params, jnp.array([z]), jnp.asarray(t)).log_probabilities())[0, :LETTERS]
            theirs = 0.0
            for y in set(range(states)) - {z}:
                ratio = given[x, y] / given[x, z]
                score = sum(says[other] * given[other, y] / given[other, z] for other in range(LETTERS) if given[other, z] > 0)
                if score > 0:
                    entropy = ratio * (math.log(ratio) - 1.0) if ratio > 0 else 0.0
                    theirs += jumps[y, z] * (score - ratio * math.log(score) + entropy)
            one, half = (short_step(kernel, params, x, z, t, length) for length in (2e-5, 1e-5))
            worst.append(abs((2.0 * half - one) / theirs - 1.0))
    return max(worst)


def short_step(kernel: qs.AbstractKernel, params: jax.Array, x: int, z: int, t: float, length: float) -> float:
    """The term of -K of a step that ends at t, over its length."""
    s, late, state = jnp.asarray(t - length), jnp.asarray(t), jnp.array([z])
    posterior = kernel.posterior(jnp.array([x]), state, s, late)
    return float(posterior.kl(kernel.reverse(params, state, s, late), key=jr.key(0))) / length


def evolution(rates: str, frequencies: list[float], kappa: float) -> float:
    """Probabilities of a change over a distance, by the closed forms that textbooks give, at ten distances. Absolute.

    HKY85 with frequencies pi, all rates to j being pi_j but transitions kappa pi_j. K80 has equal frequencies, JC69 kappa = 1 too.
    """
    pi = np.array(frequencies) / sum(frequencies)
    options = {} if rates == "jc69" else {"kappa": kappa}
    if rates == "hky85":
        options["pi"] = "marginal"
    kernel = qs.make("kernel", "substitution", qs.Categorical((1,), 4), rates=rates, last_survival=1e-3, **options)
    if rates == "hky85":
        # the frequencies of these events, each counted once more
        events = np.repeat(np.arange(4), [int(each) - 1 for each in frequencies])[:, None]
        kernel = kernel.measured(kernel.measure(lambda split: events))
    group = {0: (0, 2), 2: (0, 2), 1: (1, 3), 3: (1, 3)}  # purines A and G, pyrimidines C and T
    shares = [float(pi[list(group[base])].sum()) for base in range(4)]
    slowest = min(1.0, *(1.0 + share * (kappa - 1.0) for share in shares))
    worst = [float(np.abs(np.exp(kernel.log_equilibrium()) - pi).max())]
    for t in np.linspace(0.05, 0.95, 10):
        survival = 1.0 - (1.0 - 1e-3) * t  # of the slowest mode
        tau = -math.log(survival) / slowest
        ours = np.exp(kernel.log_matrix(None, jnp.asarray(t)))
        worst += [abs(ours[i, j] - CLOSED[rates](i, j, tau, pi, kappa)) for i in range(4) for j in range(4)]
    return float(max(worst))


def jukes_cantor(i: int, j: int, tau: float, pi: np.ndarray, kappa: float) -> float:
    """Jukes & Cantor 1969: every change has the rate a = 1/4."""
    faded = math.exp(-4.0 * 0.25 * tau)
    return 0.25 + 0.75 * faded if i == j else 0.25 - 0.25 * faded


def kimura(i: int, j: int, tau: float, pi: np.ndarray, kappa: float) -> float:
    """Kimura 1980: transitions have the rate a = kappa/4, each of two transversions b = 1/4."""
    a, b = 0.25 * kappa, 0.25
    slow, fast = math.exp(-4.0 * b * tau), math.exp(-2.0 * (a + b) * tau)
    if i == j:
        return 0.25 + 0.25 * slow + 0.5 * fast
    return 0.25 + 0.25 * slow - 0.5 * fast if (i + j) % 2 == 0 else 0.25 - 0.25 * slow


def hasegawa(i: int, j: int, tau: float, pi: np.ndarray, kappa: float) -> float:
    """Hasegawa, Kishino & Yano 1985, with the frequency of the purines or the pyrimidines that j is one of."""
    if (i + j) % 2:
        return float(pi[j] * (1.0 - math.exp(-tau)))
    own = float(pi[j % 2] + pi[j % 2 + 2])
    slow, fast = math.exp(-tau), math.exp(-tau * (1.0 + own * (kappa - 1.0)))
    both = pi[j] + pi[j] * (1.0 / own - 1.0) * slow
    return float(both + (own - pi[j]) / own * fast if i == j else both - pi[j] / own * fast)


CLOSED = {"jc69": jukes_cantor, "k80": kimura, "hky85": hasegawa}


def forward_algorithm() -> float:
    """log p of sequences of 64 bases under a hidden Markov chain, by Rabiner's induction in plain probabilities. In nats."""
    source = qs.make("source", "hidden-markov", validation_events=1, test_events=20)
    xs, worst = source.split("test").x, []
    starts, moves, shows = (np.asarray(each).tolist() for each in (source.start, source.moves, source.shows))
    states = range(len(starts))
    for symbols, ours in zip(xs.tolist(), source.log_prob(xs), strict=True):
        alpha = [starts[i] * shows[i][symbols[0]] for i in states]
        for symbol in symbols[1:]:
            alpha = [sum(alpha[i] * moves[i][j] for i in states) * shows[j][symbol] for j in states]
        worst.append(abs(float(ours) - math.log(sum(alpha))))
    return max(worst)
