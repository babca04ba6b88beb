"""Sequences: strings of symbols from any kind of file as events, and simple models of them."""

from quasistatic.kits import served

__getattr__, __dir__, _HOMES = served(__name__, __file__)
