"""Exact values on small systems: users test their own kernels and networks with them.

Data are given as points `xs` (N, ...) and weights (N,): all the states of a finite space, or the nodes of a normal distribution.
Nothing is sampled: expectations are sums over the nodes of the kernel's distributions. That is exact on finite spaces, and for
normal distributions as long as every term is quadratic in the state (linear reverse steps whose variances do not depend on the
state). Everything is in nats, and in float64 when jax's x64 mode is on. The cost grows with the number of states squared.
"""

from __future__ import annotations

from quasistatic.oracles._decoder import ExactDecoder as ExactDecoder
from quasistatic.oracles._entropy import ConditionalEntropies as ConditionalEntropies
from quasistatic.oracles._entropy import EntropyProduction as EntropyProduction
from quasistatic.oracles._entropy import conditional_entropies as conditional_entropies
from quasistatic.oracles._entropy import entropy_production as entropy_production
from quasistatic.oracles._entropy import information as information
from quasistatic.oracles._ledger import ExactLedger as ExactLedger
from quasistatic.oracles._ledger import exact_ledger as exact_ledger
from quasistatic.oracles._ledger import expect as expect
from quasistatic.oracles._ledger import moments as moments
from quasistatic.oracles._paths import PathDistribution as PathDistribution
from quasistatic.oracles._paths import log_likelihood as log_likelihood
from quasistatic.oracles._paths import path_distribution as path_distribution
