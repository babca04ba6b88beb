"""Arrays, in memory or on disk: how they become events, and simple models of their numbers."""

from quasistatic.kits import served

__getattr__, __dir__, _HOMES = served(__name__, __file__)
