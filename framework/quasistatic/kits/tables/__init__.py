"""Tables: one reader for all of their files and for data frames, one look at their columns, and the source of their rows."""

from quasistatic.kits import served

__getattr__, __dir__, _HOMES = served(__name__, __file__)
