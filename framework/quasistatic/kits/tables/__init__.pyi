"""Tables: one reader for all of their files and for data frames, one look at their columns, and the source of their rows."""

from quasistatic.kits.tables.bends import Bend as Bend
from quasistatic.kits.tables.columns import Column as Column
from quasistatic.kits.tables.densities import simple_models as simple_models
from quasistatic.kits.tables.files import RawTable as RawTable
from quasistatic.kits.tables.files import from_frame as from_frame
from quasistatic.kits.tables.files import is_frame as is_frame
from quasistatic.kits.tables.files import read_table as read_table
from quasistatic.kits.tables.inspection import inspect_table as inspect_table
from quasistatic.kits.tables.mixture import Flat as Flat
from quasistatic.kits.tables.mixture import best_mixture as best_mixture
from quasistatic.kits.tables.normal_mixtures import FittedMixture as FittedMixture
from quasistatic.kits.tables.normal_mixtures import fit_mixture as fit_mixture
from quasistatic.kits.tables.options import ENDINGS as ENDINGS
from quasistatic.kits.tables.options import ColumnOptions as ColumnOptions
from quasistatic.kits.tables.options import ReadingOptions as ReadingOptions
from quasistatic.kits.tables.options import TableOptions as TableOptions
from quasistatic.kits.tables.report import AbstractColumns as AbstractColumns
from quasistatic.kits.tables.source import TableSource as TableSource
from quasistatic.kits.tables.source import frame_source as frame_source
from quasistatic.kits.tables.source import table_source as table_source
from quasistatic.kits.tables.surprises import RowModels as RowModels
from quasistatic.kits.tables.surveying import survey as survey
from quasistatic.kits.tables.values import Values as Values
from quasistatic.kits.tables.values import read_columns as read_columns
from quasistatic.kits.tables.values import read_values as read_values
from quasistatic.kits.tables.values import write_table as write_table
