"""Networks: layers that stay quick under vmap, events as images, and what is read beside them."""

from quasistatic.kits import served

__getattr__, __dir__, _HOMES = served(__name__, __file__)
