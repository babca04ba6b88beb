"""What is to be trained, and how, without a recipe or a plugin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import jax
import numpy as np

from quasistatic._data.source import AbstractSource
from quasistatic._process.diffusion import Diffusion
from quasistatic._process.objective import AbstractObjective
from quasistatic._process.sampler import AbstractSampler, Ancestral
from quasistatic._training.engine import TrainState, initial_state
from quasistatic._training.observer import RunInfo
from quasistatic._training.options import TrainingOptions


@attrs.frozen(eq=False)
class Task:
    """Everything that training needs; `diffusion` is fresh. `recipe` is only shown to observers.

    `measured` is what the kernel has measured of the data.
    """

    source: AbstractSource
    diffusion: Diffusion
    objective: AbstractObjective
    sampler: AbstractSampler = attrs.field(factory=Ancestral)
    options: TrainingOptions = attrs.field(factory=TrainingOptions)
    seed: int = 0
    recipe: Mapping[str, Any] = attrs.field(factory=dict)
    measured: Mapping[str, np.ndarray] = attrs.field(factory=dict)

    def sizes(self) -> tuple[int, int]:
        """Number of trained parameters, and bytes of the training state; nothing is computed."""
        state: TrainState = jax.eval_shape(lambda: initial_state(self.diffusion, self.options))
        parameters = sum(leaf.size for leaf in jax.tree.leaves(state.trained))
        return parameters, sum(leaf.size * np.dtype(leaf.dtype).itemsize for leaf in jax.tree.leaves(state))

    def info(self, update: int) -> RunInfo:
        """What observers receive at the start."""
        parameters, state_bytes = self.sizes()
        return RunInfo(
            recipe=self.recipe,
            event=self.source.event.describe(),
            parameters=parameters,
            state_bytes=state_bytes,
            first_update=update,
            updates=self.options.updates,
            source=self.source,
            sampler=self.sampler,
        )
