"""Arrays, in memory or on disk: how they become events, and simple models of their numbers."""

from quasistatic.kits.arrays.options import ArrayChoices as ArrayChoices
from quasistatic.kits.arrays.source import AbstractArraySource as AbstractArraySource
from quasistatic.kits.arrays.source import ArraySource as ArraySource
from quasistatic.kits.arrays.source import PictureArraySource as PictureArraySource
from quasistatic.kits.arrays.source import RowArraySource as RowArraySource
from quasistatic.kits.arrays.source import array_source as array_source
from quasistatic.kits.arrays.source import restored_array as restored_array
