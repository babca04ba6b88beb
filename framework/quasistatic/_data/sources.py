"""What a source can do besides its events, and what it is made of: classes to inherit from, rows, records outside, units."""

from __future__ import annotations

from quasistatic._data.classes import Classes as Classes
from quasistatic._data.conversion import from_user as from_user
from quasistatic._data.conversion import to_user as to_user
from quasistatic._data.draw import AbstractPartDrawing as AbstractPartDrawing
from quasistatic._data.events import events_of_table as events_of_table
from quasistatic._data.gaps import AbstractGapped as AbstractGapped
from quasistatic._data.gaps import AbstractGaps as AbstractGaps
from quasistatic._data.source import AbstractBaselines as AbstractBaselines
from quasistatic._data.source import AbstractDrawing as AbstractDrawing
from quasistatic._data.source import AbstractFramed as AbstractFramed
from quasistatic._data.source import AbstractJudge as AbstractJudge
from quasistatic._data.source import AbstractKept as AbstractKept
from quasistatic._data.source import AbstractOwnUnits as AbstractOwnUnits
from quasistatic._data.source import AbstractPictures as AbstractPictures
from quasistatic._data.source import AbstractReading as AbstractReading
from quasistatic._data.source import AbstractRefitting as AbstractRefitting
from quasistatic._data.source import AbstractSurprises as AbstractSurprises
from quasistatic._data.source import AbstractTruth as AbstractTruth
from quasistatic._data.source import AbstractWriting as AbstractWriting
from quasistatic._data.source import ArrayRows as ArrayRows
from quasistatic._data.source import AugmentedSource as AugmentedSource
from quasistatic._data.source import Kept as Kept
from quasistatic._data.source import Outside as Outside
from quasistatic._data.source import Rows as Rows
from quasistatic._data.source import capability as capability
from quasistatic._process.limits import Limits as Limits
