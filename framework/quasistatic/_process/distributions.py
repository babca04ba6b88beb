"""What a distribution can do, classes to inherit from; and distributions of numbers in levels, in bins and on lattices."""

from __future__ import annotations

from quasistatic._process.distribution import AbstractDiscrete as AbstractDiscrete
from quasistatic._process.distribution import AbstractElementwiseDistribution as AbstractElementwiseDistribution
from quasistatic._process.distribution import AbstractIntegrable as AbstractIntegrable
from quasistatic._process.finite import Leveled as Leveled
from quasistatic._process.normal import AbstractBasis as AbstractBasis
from quasistatic._process.normal import BinnedNormal as BinnedNormal
from quasistatic._process.normal import MeasuredNormal as MeasuredNormal
