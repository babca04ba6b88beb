"""The steps of a chain: where they should be, what their variance costs, bounds on their entropy, and those of the flow."""

from quasistatic.thermodynamics._entropy import EntropyBounds, entropy_bounds
from quasistatic.thermodynamics._flow import flow_errors
from quasistatic.thermodynamics._grids import Allocation, evenly, optimise_grid, reallocate, thermodynamic_length
from quasistatic.thermodynamics._lengths import Lengths, lengths
from quasistatic.thermodynamics._variances import Variance, step_cost, with_fitted_variances

__all__ = [
    "Allocation",
    "EntropyBounds",
    "Lengths",
    "Variance",
    "entropy_bounds",
    "evenly",
    "flow_errors",
    "lengths",
    "optimise_grid",
    "reallocate",
    "step_cost",
    "thermodynamic_length",
    "with_fitted_variances",
]
