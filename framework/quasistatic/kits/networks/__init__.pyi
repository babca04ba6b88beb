"""Networks: layers that stay quick under vmap, events as images, and what is read beside them."""

from quasistatic.kits.networks.images import Picture as Picture
from quasistatic.kits.networks.images import as_pictures as as_pictures
from quasistatic.kits.networks.images import blocks as blocks
from quasistatic.kits.networks.images import padded as padded
from quasistatic.kits.networks.images import pixels as pixels
from quasistatic.kits.networks.inputs import bumps as bumps
from quasistatic.kits.networks.inputs import ravel_side as ravel_side
from quasistatic.kits.networks.inputs import side_size as side_size
from quasistatic.kits.networks.layers import Affine as Affine
from quasistatic.kits.networks.layers import Clock as Clock
from quasistatic.kits.networks.layers import Convolution as Convolution
from quasistatic.kits.networks.layers import activated as activated
from quasistatic.kits.networks.layers import dropped as dropped
from quasistatic.kits.networks.layers import groups_of as groups_of
from quasistatic.kits.networks.layers import modulated as modulated
from quasistatic.kits.networks.layers import normal as normal
from quasistatic.kits.networks.layers import normalised as normalised
from quasistatic.kits.networks.layers import numbers_of as numbers_of
from quasistatic.kits.networks.products import convolve as convolve
from quasistatic.kits.networks.products import rows_times as rows_times
