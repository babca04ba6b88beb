"""Work, dissipation and what they tell: estimates and bounds from paths of a diffusion, for every kernel.

Small functions that a library user calls alone. Log-weights are minus the work; values are in nats.
"""

from __future__ import annotations

from quasistatic.thermodynamics._accounts import EnergyMeter as EnergyMeter
from quasistatic.thermodynamics._accounts import chain_flops as chain_flops
from quasistatic.thermodynamics._accounts import landauer_joules as landauer_joules
from quasistatic.thermodynamics._accounts import learning_dissipation as learning_dissipation
from quasistatic.thermodynamics._anomaly import AnomalyScores as AnomalyScores
from quasistatic.thermodynamics._anomaly import anomaly_scores as anomaly_scores
from quasistatic.thermodynamics._classes import ClassTimeline as ClassTimeline
from quasistatic.thermodynamics._classes import class_timeline as class_timeline
from quasistatic.thermodynamics._dissipation import Dissipation as Dissipation
from quasistatic.thermodynamics._dissipation import Objective as Objective
from quasistatic.thermodynamics._dissipation import dissipation as dissipation
from quasistatic.thermodynamics._dissipation import knots_of as knots_of
from quasistatic.thermodynamics._emergence import Profile as Profile
from quasistatic.thermodynamics._emergence import class_information as class_information
from quasistatic.thermodynamics._emergence import clone_agreement as clone_agreement
from quasistatic.thermodynamics._emergence import crossing as crossing
from quasistatic.thermodynamics._emergence import denoised as denoised
from quasistatic.thermodynamics._emergence import information_rate as information_rate
from quasistatic.thermodynamics._emergence import integrated as integrated
from quasistatic.thermodynamics._emergence import log_snr as log_snr
from quasistatic.thermodynamics._emergence import memory as memory
from quasistatic.thermodynamics._emergence import peak as peak
from quasistatic.thermodynamics._emergence import speciation_ladder as speciation_ladder
from quasistatic.thermodynamics._emergence import susceptibility as susceptibility
from quasistatic.thermodynamics._emergence import u_turn as u_turn
from quasistatic.thermodynamics._entropy import EntropyBounds as EntropyBounds
from quasistatic.thermodynamics._entropy import entropy_bounds as entropy_bounds
from quasistatic.thermodynamics._estimators import MAX_PARETO_K as MAX_PARETO_K
from quasistatic.thermodynamics._estimators import MAX_VARIANCE as MAX_VARIANCE
from quasistatic.thermodynamics._estimators import MIN_ESS as MIN_ESS
from quasistatic.thermodynamics._estimators import LogAverage as LogAverage
from quasistatic.thermodynamics._estimators import cumulant_estimate as cumulant_estimate
from quasistatic.thermodynamics._estimators import effective_sample_size as effective_sample_size
from quasistatic.thermodynamics._estimators import harmonic_bound as harmonic_bound
from quasistatic.thermodynamics._estimators import importance_weighted as importance_weighted
from quasistatic.thermodynamics._estimators import jarzynski as jarzynski
from quasistatic.thermodynamics._estimators import log_mean_exp as log_mean_exp
from quasistatic.thermodynamics._estimators import pareto_k as pareto_k
from quasistatic.thermodynamics._estimators import sandwich_bound as sandwich_bound
from quasistatic.thermodynamics._flow import flow_errors as flow_errors
from quasistatic.thermodynamics._grids import Allocation as Allocation
from quasistatic.thermodynamics._grids import doubled as doubled
from quasistatic.thermodynamics._grids import evenly as evenly
from quasistatic.thermodynamics._grids import optimise_grid as optimise_grid
from quasistatic.thermodynamics._grids import reallocate as reallocate
from quasistatic.thermodynamics._grids import thermodynamic_length as thermodynamic_length
from quasistatic.thermodynamics._ladder import Variance as Variance
from quasistatic.thermodynamics._ladder import step_cost as step_cost
from quasistatic.thermodynamics._ladder import with_fitted_variances as with_fitted_variances
from quasistatic.thermodynamics._landscape import Denoiser as Denoiser
from quasistatic.thermodynamics._landscape import MergeTree as MergeTree
from quasistatic.thermodynamics._landscape import asymmetry as asymmetry
from quasistatic.thermodynamics._landscape import denoiser_of as denoiser_of
from quasistatic.thermodynamics._landscape import empirical_denoiser as empirical_denoiser
from quasistatic.thermodynamics._landscape import energy_difference as energy_difference
from quasistatic.thermodynamics._landscape import flow_log_prob as flow_log_prob
from quasistatic.thermodynamics._landscape import merge_tree as merge_tree
from quasistatic.thermodynamics._landscape import modes as modes
from quasistatic.thermodynamics._lengths import Lengths as Lengths
from quasistatic.thermodynamics._lengths import lengths as lengths
from quasistatic.thermodynamics._two_sided import Crooks as Crooks
from quasistatic.thermodynamics._two_sided import PairedCrooks as PairedCrooks
from quasistatic.thermodynamics._two_sided import TwoSided as TwoSided
from quasistatic.thermodynamics._two_sided import bar as bar
from quasistatic.thermodynamics._two_sided import crooks as crooks
from quasistatic.thermodynamics._two_sided import paired_crooks as paired_crooks
from quasistatic.thermodynamics._work import LogWeights as LogWeights
from quasistatic.thermodynamics._work import forward_weights as forward_weights
from quasistatic.thermodynamics._work import model_weights as model_weights
