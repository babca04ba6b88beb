"""What a distribution can do: classes to inherit from."""

from __future__ import annotations

from quasistatic._process.distribution import AbstractDiscrete as AbstractDiscrete
from quasistatic._process.distribution import AbstractElementwiseDistribution as AbstractElementwiseDistribution
from quasistatic._process.distribution import AbstractIntegrable as AbstractIntegrable
from quasistatic._process.normal import AbstractBasis as AbstractBasis
