"""Log-likelihood of events beyond the bound K: along the probability flow, or by weighted paths of the chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import attrs
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from quasistatic._data.conversion import data_of, log_scale
from quasistatic._data.source import Data
from quasistatic._process.estimators import importance_weighted, jarzynski, sandwich_bound
from quasistatic._process.flow import EXACT_DIVERGENCE, check_flow, flow_log_prob
from quasistatic._process.gaussian import AbstractGaussianPath
from quasistatic._process.grid import Steps
from quasistatic._process.weights import forward_weights, model_weights
from quasistatic._training.keys import Role, role_key
from quasistatic.errors import DataError, InputError

if TYPE_CHECKING:
    from quasistatic._process.diffusion import Diffusion
    from quasistatic._runs.run import Run

Method = Literal["flow", "weighted"]
METHODS: tuple[Method, ...] = get_args(Method)
FLOW_STEPS = 100  # of Runge-Kutta, unless given; half of them are its check
PROBES = 8  # sign vectors for a divergence that is not computed

# where the flow is infinitely fast: at what time, of signal (0) or noise (1), and what the schedule has there
ENDS = ((0.0, 1, "no noise at t = 0 (kernel.first_noise = 0)"), (1.0, 0, "no data left at t = 1 (kernel.last_survival = 0)"))


@attrs.frozen(eq=False)
class Likelihood:
    """log p of N events in nats and model units, `per_event` (N,), and the error that each has of its own, `errors` (N,).

    `model` says which distribution it is of, as a chain and a flow of one network are two. Where the value `is_bound` it is at
    most log p on average, `is_doubtful` (N,) are the events where it may be too low by more than its error, and
    `own` has bounds from below and from above of as many events of the model itself, (N,) each: how far the two are apart is how
    loose the value is for such events. Densities in the user's units are lower by `log_scale` (N,), None where there is none.
    """

    method: Method
    model: str
    per_event: np.ndarray
    errors: np.ndarray
    is_doubtful: np.ndarray
    own: tuple[np.ndarray, np.ndarray] | None
    data: Data
    log_scale: np.ndarray | None

    @property
    def is_bound(self) -> bool:
        """Whether the values are at most log p, on average."""
        return self.method == "weighted"


@attrs.frozen(eq=False)
class _Found:
    model: str
    per_event: np.ndarray
    errors: np.ndarray
    is_doubtful: np.ndarray
    own: tuple[np.ndarray, np.ndarray] | None = None


def log_prob(
    run: Run, x: Data | Any, *, method: Method = "flow", steps: Steps = None, paths: int = 128, seed: int = 0
) -> Likelihood:
    """See `Run.log_prob`."""
    if method not in METHODS:
        raise InputError(f"log_prob: expected one of {', '.join(METHODS)} for method, got {method!r}")
    data = x if isinstance(x, Data) else data_of(run.source, x)
    if not len(data):
        raise DataError("log_prob: there is no event that the model can have")
    diffusion, key = run.diffusion if run.held_out is None else run.held_out, role_key(seed, Role.EVALUATION)
    found = _by_flow(diffusion, data, key, steps) if method == "flow" else _by_weights(diffusion, data, key, steps, paths)
    return Likelihood(
        method, found.model, found.per_event, found.errors, found.is_doubtful, found.own, data, log_scale(run.source, data.x)
    )


def _by_flow(diffusion: Diffusion, data: Data, key: jax.Array, steps: Steps) -> _Found:
    """Along the flow from t = 0; the error is what half as many steps change, and that of the sign vectors."""
    kernel, event = diffusion.kernel, diffusion.kernel.event
    try:
        check_flow(kernel)
    except TypeError as error:
        raise InputError(f"log_prob: the flow is for Gaussian noise on real numbers: {error}") from None
    if any(field.is_discrete for field in event.parts().values()):
        raise InputError(f"log_prob: the flow gives densities, and these events have probabilities: {event.describe()}")
    _refuse_ends(kernel)
    count = FLOW_STEPS if steps is None else steps
    if not isinstance(count, int) or count < 2:
        raise InputError(f"log_prob: the flow takes a number of steps, at least 2, got {count!r:.80}")
    probes = 1 if event.size <= EXACT_DIVERGENCE else PROBES
    xs, side = (None if tree is None else jax.tree.map(jnp.asarray, tree) for tree in (data.x, data.side))
    keys = jr.split(key, probes)
    fine = np.array([flow_log_prob(diffusion, xs, key=one, steps=count, side=side) for one in keys])
    coarse = flow_log_prob(diffusion, xs, key=keys[0], steps=count // 2, side=side)
    values, errors = fine.mean(axis=0), np.abs(fine[0] - coarse)
    if probes > 1:
        errors = np.hypot(errors, fine.std(axis=0, ddof=1) / np.sqrt(probes))
    if lost := int((~np.isfinite(values)).sum()):
        raise InputError(f"log_prob: the flow is not finite for {lost} of {len(values)} events; method 'weighted' takes them")
    how = "exact divergence" if probes == 1 else f"divergence by {probes} sign vectors"
    model = f"the probability flow of the network, {count} steps of order 4, {how}"
    return _Found(model, values, errors, np.zeros(len(values), bool))


def _refuse_ends(kernel: Any) -> None:
    """Raises InputError where the flow has an infinite speed at an end of the schedule."""
    if not isinstance(kernel, AbstractGaussianPath):
        return
    for time, which, what in ENDS:
        if not np.isfinite(np.asarray(kernel.levels(jnp.asarray(time))[which])).all():
            raise InputError(f"log_prob: the schedule has {what}, where the flow has no finite speed; method 'weighted' takes it")


def _by_weights(diffusion: Diffusion, data: Data, key: jax.Array, steps: Steps, paths: int) -> _Found:
    """The log of the mean weight of forward paths, and the same from both sides for events of the model."""
    if paths < 2:
        raise InputError(f"log_prob: expected at least 2 paths, got {paths}")
    key_data, key_own, key_forth = jr.split(key, 3)
    given: dict[str, Any] = {"steps": steps, "side": data.side}
    found = forward_weights(diffusion, data.x, key=key_data, paths=paths, **given)
    averages = [jarzynski(own) for own in found.totals]
    xs, came_by = model_weights(diffusion, len(data), key=key_own, **given)
    forward = forward_weights(diffusion, xs, key=key_forth, paths=max(2, paths // 4), **given).totals
    return _Found(
        f"the chain of T = {len(found.times)}, by {paths} weighted paths",
        importance_weighted(found.totals),
        np.array([each.standard_error_nats for each in averages]),
        np.array([each.doubt is not None for each in averages]),
        (importance_weighted(forward), sandwich_bound(came_by.totals[:, 0], forward[:, 1:])),
    )
