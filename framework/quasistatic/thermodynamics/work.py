"""The work of paths: log-weights, what they say of log p(x) from one side and from both, and what every step dissipates.

Log-weights are minus the work; values are in nats.
"""

from quasistatic._process.estimators import (
    MAX_VARIANCE,
    LogAverage,
    cumulant_estimate,
    importance_weighted,
    jarzynski,
    sandwich_bound,
)
from quasistatic._process.weights import LogWeights, forward_weights, model_weights
from quasistatic.thermodynamics._dissipation import Dissipation, Objective, dissipation, knots_of
from quasistatic.thermodynamics._two_sided import Crooks, PairedCrooks, TwoSided, bar, crooks, paired_crooks

__all__ = [
    "MAX_VARIANCE",
    "Crooks",
    "Dissipation",
    "LogAverage",
    "LogWeights",
    "Objective",
    "PairedCrooks",
    "TwoSided",
    "bar",
    "crooks",
    "cumulant_estimate",
    "dissipation",
    "forward_weights",
    "importance_weighted",
    "jarzynski",
    "knots_of",
    "model_weights",
    "paired_crooks",
    "sandwich_bound",
]
