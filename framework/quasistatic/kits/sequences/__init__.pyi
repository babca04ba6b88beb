"""Sequences: strings of symbols from any kind of file as events, and simple models of them."""

from quasistatic.kits.sequences.drawing import draw_lines as draw_lines
from quasistatic.kits.sequences.options import SymbolChoices as SymbolChoices
from quasistatic.kits.sequences.passages import Passages as Passages
from quasistatic.kits.sequences.passages import markov_models as markov_models
from quasistatic.kits.sequences.passages import ngrams as ngrams
from quasistatic.kits.sequences.source import AbstractSymbolSource as AbstractSymbolSource
from quasistatic.kits.sequences.source import padding as padding
from quasistatic.kits.sequences.strings import Division as Division
from quasistatic.kits.sequences.strings import Strings as Strings
from quasistatic.kits.sequences.strings import joined_strings as joined_strings
from quasistatic.kits.sequences.strings import same_strings as same_strings
from quasistatic.kits.sequences.strings import whole as whole
from quasistatic.kits.sequences.strings import windows as windows
