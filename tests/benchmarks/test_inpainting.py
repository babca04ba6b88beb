"""The middle of textures, drawn from what is around it: a trained network beside exact conditioning of a normal distribution.

    python -m pytest -m benchmark -s tests/benchmarks/test_inpainting.py

trains, conditions and prints one table in a quarter of an hour.
"""

import math

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import quasistatic as qs
from quasistatic_plugins.conditioning import draws
from quasistatic_plugins.conditioning.how import How

pytestmark = pytest.mark.benchmark

SIZE, EVENTS, DRAWS, PARTICLES = 32, 12, 16, 32
SMALL = ("model.widths=[16,32]", "training.updates=800", "training.validate_every=400", "training.observers=[]")
BIT = math.log(2)


def conditioned(train, validation, xs, hidden):
    """Means (N, hidden) and log densities of the hidden elements given the others, under a normal distribution of all of them.

    Its covariance is that of the training rows, drawn towards its own diagonal as far as suits the validation rows best.
    """
    mean = train.mean(axis=0)
    sample = np.cov(train, rowvar=False)

    def shrunk(share):
        return (1.0 - share) * sample + share * np.diag(np.diag(sample))

    def density(covariance, away):
        root = np.linalg.cholesky(covariance)
        scaled = np.linalg.solve(root, away.T)
        return -0.5 * np.sum(scaled**2, axis=0) - np.log(np.diag(root)).sum() - 0.5 * len(root) * math.log(2.0 * math.pi)

    shares = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3)
    share = max(shares, key=lambda share: density(shrunk(share), validation - mean).mean())
    covariance = shrunk(share)
    inner = covariance[np.ix_(hidden, hidden)]
    across, outer = covariance[np.ix_(hidden, ~hidden)], covariance[np.ix_(~hidden, ~hidden)]
    gain = np.linalg.solve(outer, across.T).T
    means = mean[hidden] + (xs[:, ~hidden] - mean[~hidden]) @ gain.T
    return means, density(inner - gain @ across.T, xs[:, hidden] - means), share


def test_the_middle_of_a_texture(tmp_path):
    """Root mean square error of the mean, and log p of what is hidden given the rest, in bits per hidden pixel."""
    recipe = qs.load_recipe("textures", [f"source.size={SIZE}", *SMALL])
    run = qs.train(recipe, out=tmp_path / "run")
    source = run.source
    events = source.split("test", EVENTS)
    xs = events.x
    hidden = draws.hidden_elements("center", source.event.shape, 0)
    found, walked = (
        draws.inpainted(run, events, hidden, How(tmp_path / "run", tmp_path / "x.npz", method, DRAWS, PARTICLES, None, 0, True))
        for method in ("exact", "bridged")
    )

    rows = {split: source.split(split).x.reshape(-1, SIZE * SIZE) for split in ("train", "validation")}
    flat, mask = xs.reshape(EVENTS, -1), hidden.ravel()
    means, log_density, share = conditioned(rows["train"], rows["validation"], flat, mask)
    count = int(mask.sum())
    # a level is so wide in model units: its probability is nearly density times width
    width = (source.event.high - source.event.low) / (source.event.levels - 1)
    exact = (log_density + count * math.log(width)) / count / BIT
    # K is a bound on log p of all of it, and log Z that of what is seen, if several particles count: with one it is too low
    whole = np.asarray(qs.ledger(run.diffusion, xs, key=jr.key(1), steps=1000).per_event)
    ours = np.full(EVENTS, np.nan) if found.few else (whole - found.log_evidence) / count / BIT

    # those draws follow the noisy path of what is seen, so the ledger given that has terms of the hidden elements alone: it is a
    # bound on log p of these under the same draws
    given = [
        qs.ledger(run.diffusion.tilted(qs.Known(jnp.asarray(x), jnp.asarray(~hidden))), x[None], key=jr.key(2), steps=1000)
        for x in xs
    ]
    walk = np.concatenate([ledger.per_event for ledger in given]) / count / BIT

    def error(mean):
        return np.sqrt(np.mean((source.units.to_user(mean) - source.units.to_user(flat[:, mask])) ** 2, axis=1))

    table = {
        f"normal, exactly ({share:g} of the diagonal)": (error(means), exact),
        "network, exact draws": (error(found.draws.mean(axis=1).reshape(EVENTS, -1)[:, mask]), ours),
        "network, draws without weights": (error(walked.draws.mean(axis=1).reshape(EVENTS, -1)[:, mask]), walk),
        "mean of what is seen": (error(np.repeat(flat[:, ~mask].mean(axis=1)[:, None], count, axis=1)), np.full(EVENTS, np.nan)),
    }
    print(f"\n{'':>36} {'error, levels':>18} {'log p, bits per hidden pixel':>30}")
    for name, columns in table.items():
        told = [f"{column.mean():.3f} +- {column.std(ddof=1) / math.sqrt(EVENTS):.3f}" for column in columns]
        print(f"{name:>36} {told[0]:>18} {told[1]:>30}")
    refused = ", so log p is refused" if found.few else ""
    print(f"least effective share of {PARTICLES} particles: {found.least_ess.min():.3f}{refused}")
    assert (table["network, draws without weights"][0] - table["mean of what is seen"][0]).mean() < 0
