"""Files, for sources, observers and commands: read within the limit of sizes, written whole or not at all, known by digest."""

from __future__ import annotations

from quasistatic._data.origin import Origin as Origin
from quasistatic._data.origin import Places as Places
from quasistatic._data.origin import Reopened as Reopened
from quasistatic._data.origin import origin_of as origin_of
from quasistatic._data.origin import origin_of_digests as origin_of_digests
from quasistatic._data.origin import unreadable_record as unreadable_record
from quasistatic._data.reading import read_array as read_array
from quasistatic._data.reading import read_bytes as read_bytes
from quasistatic._data.tables import Table as Table
from quasistatic._data.tables import as_table as as_table
from quasistatic._storage.files import csv_bytes as csv_bytes
from quasistatic._storage.files import read_head as read_head
from quasistatic._storage.files import read_plain as read_plain
from quasistatic._storage.files import reason as reason
from quasistatic._storage.files import refuse_costly as refuse_costly
from quasistatic._storage.files import refuse_large as refuse_large
from quasistatic._storage.files import try_out as try_out
from quasistatic._storage.files import write_durably as write_durably
from quasistatic._storage.isolation import SECONDS as SECONDS
from quasistatic._storage.isolation import isolated as isolated
