"""Classes of events: K where the class is not known, and classes that are learned without labels."""

from quasistatic.kits import served

__getattr__, __dir__, _HOMES = served(__name__, __file__)
