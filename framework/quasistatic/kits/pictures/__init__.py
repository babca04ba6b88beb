"""Pictures: files of any size and kind as events, what they measure of samples, and what a report shows of them."""

from quasistatic.kits import served

__getattr__, __dir__, _HOMES = served(__name__, __file__)
