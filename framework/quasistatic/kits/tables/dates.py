"""How a column writes its dates: text to days or seconds and back, so that a date is written as the file has it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

import attrs
import numpy as np
import polars as pl

from quasistatic.kits.tables.forms import NumberForm

DAYS = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%m.%d.%Y", "%d-%m-%Y", "%m-%d-%Y", "%d/%m/%y",
        "%m/%d/%y", "%d.%m.%y", "%d-%b-%Y", "%d %b %Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%d-%b-%y")  # fmt: skip
TIME = re.compile(
    r"(?P<day>.*\d)(?P<gap>T| )(?P<time>\d{1,2}:\d\d(?P<second>:\d\d)?(?P<fraction>\.\d+)?)(?P<zone>Z| UTC| GMT|[-+]\d\d:?\d\d)?"
)
CLOCK = ("%H", "%I", "%T", "%R", "%s", "%+")  # of a format, a time of day
LIKE_DATE = re.compile(r"\d{1,4}[-/. ](\d{1,2}|[A-Za-z]{3,9})[-/. ]\d{2,4}.*|[A-Za-z]{3,9} \d{1,2}, \d{4}.*")
Unit = Literal["ns", "us"]
SCALE = {"ns": 1_000_000_000, "us": 1_000_000}


@attrs.frozen
class DateForm:
    """A way to write dates: a format, with which a column has days since 1970-01-01 or, where it has a time of day, seconds since
    `origin` (in seconds); `zone` is text that all cells end with. `short` is the format of midnights, where it is another;
    `case` is that of all letters, and fractions of a second end with so many zeros as `padded` that are not written.
    """

    format: str
    has_time: bool = False
    unit: Unit = "us"
    origin: int = 0
    zone: str = ""
    short: str = ""
    case: Literal["", "upper", "lower"] = ""
    padded: int = 0

    def parse(self, cells: pl.Series) -> np.ndarray:
        """The number of each cell (N,), nan where it is something else."""
        plain = cells.str.strip_suffix(self.zone) if self.zone else cells
        found = self._numbers(plain + "0" * self.padded if self.padded else plain, self.format)
        if self.zone:
            found = np.where(cells.str.ends_with(self.zone).fill_null(False).to_numpy(), found, np.nan)
        if self.short:
            found = np.where(np.isnan(found), self._numbers(cells, self.short), found)
        return found

    def _numbers(self, cells: pl.Series, format: str) -> np.ndarray:
        when = cells.str.to_datetime(format, strict=False, time_unit=self.unit)
        if isinstance(when.dtype, pl.Datetime) and when.dtype.time_zone:
            when = when.dt.replace_time_zone(None)
        ticks = when.to_physical()
        lost = ticks.is_null().to_numpy()
        whole = ticks.fill_null(0).to_numpy()
        scale = SCALE[self.unit]
        values = (whole - self.origin * scale) / scale if self.has_time else whole / (86_400 * scale)
        return np.where(lost, np.nan, values)

    @property
    def resolution(self) -> float:
        """The smallest difference of dates that are written."""
        if not self.has_time:
            return 1.0
        digits = re.search(r"%\.(\d)f", self.format)
        return 10.0 ** -(int(digits[1]) - self.padded) if digits else 1.0 if "%S" in self.format else 60.0

    def rounded(self, values: np.ndarray) -> np.ndarray:
        """Dates (N,) that can be written, nearest to these: none beyond the calendar."""
        low, high = (-62_135_596_800, 253_402_300_799) if self.unit == "us" else (-9_223_372_000, 9_223_372_000)
        per = 1 if self.has_time else 86_400
        first, last = (low - self.origin * self.has_time) / per, (high - self.origin * self.has_time) / per
        return np.clip(np.round(values / self.resolution) * self.resolution, math.ceil(first), math.floor(last))

    def write(self, values: np.ndarray) -> list[str]:
        scale = SCALE[self.unit]
        values = self.rounded(values)
        if self.has_time:
            each = round(self.resolution * scale)  # counted, a float64 has more digits
            ticks = np.round(values / self.resolution).astype(np.int64) * each + self.origin * scale
        else:
            ticks = np.round(values).astype(np.int64) * 86_400 * scale
        when = pl.Series(ticks).cast(pl.Datetime(self.unit, "UTC" if "%:z" in self.format else None))
        texts = [text[: len(text) - self.padded] + self.zone for text in when.dt.to_string(self.format).to_list()]
        if self.short:
            midnight = ticks % (86_400 * scale) == 0
            brief = when.dt.to_string(self.short).to_list()
            texts = [one if is_short else other for one, other, is_short in zip(brief, texts, midnight.tolist(), strict=True)]
        return [getattr(text, self.case)() for text in texts] if self.case else texts


def date_forms(cells: Sequence[str], given: Sequence[str]) -> list[DateForm]:
    """Ways to read all of these cells as dates; more than one where the cells leave it open which number is the month."""
    shown = list(cells[:1000])
    texts = pl.Series(shown, dtype=pl.String)
    if shown and given:
        tried = [_timed(DateForm(each, any(sign in each for sign in CLOCK)), texts) for each in given]
        if fitting := [form for form in tried if _most(form, texts)]:
            return fitting[:1]
    if not shown or not sum(LIKE_DATE.fullmatch(cell) is not None for cell in shown) > 0.5 * len(shown):
        return []
    times = [TIME.fullmatch(cell) for cell in shown]
    timed = [match for match in times if match]
    has_century = sum(re.search(r"\d{4}", cell.partition(":")[0]) is not None for cell in shown) > 0.5 * len(shown)
    days = [day for day in DAYS if ("%Y" in day) == has_century]
    if not timed:
        return _different(_as_spelt([DateForm(day) for day in days if _most(DateForm(day), texts)], texts), texts)
    first = timed[0]
    written = max((len(match["fraction"] or ".") - 1 for match in timed), default=0)
    digits = next((each for each in (0, 3, 6) if each >= written), 9)
    second = "%S" if first["second"] else ""
    clock = "%H:%M" + (f":{second}" if second else "") + (f"%.{digits}f" if digits else "")
    zones = {match["zone"] or "" for match in timed}
    zone = zones.pop() if len(zones) == 1 else ""
    found = []
    for day in days:
        full = f"{day}{first['gap']}{clock}"
        has_short = len(timed) < len(times)
        unit: Unit = "ns" if digits == 9 else "us"
        padded = 0 if zones else max(0, digits - written)
        form = DateForm(full + ("" if not zones else "%:z"), True, unit, 0, zone, day if has_short else "", padded=padded)
        form = _timed(form, texts)
        if _most(form, texts):
            found.append(form)
    return _different(_as_spelt(found, texts), texts)


def _different(forms: Sequence[DateForm], cells: pl.Series) -> list[DateForm]:
    """Those that read most cells, and different dates; of equals the one that writes most cells as they are."""
    found: dict[bytes, DateForm] = {}
    read = [int((~np.isnan(form.parse(cells))).sum()) for form in forms]
    forms = [form for form, count in zip(forms, read, strict=True) if count == max(read)]
    for form in sorted(forms, key=lambda form: -_same(form, cells)):
        found.setdefault((form.parse(cells) + form.origin).tobytes(), form)
    return sorted(found.values(), key=forms.index)


def _same(form: DateForm, cells: pl.Series) -> int:
    values = form.parse(cells)
    good = np.flatnonzero(~np.isnan(values))
    return sum(map(str.__eq__, form.write(values[good]), [cells[int(k)] for k in good]))


def _timed(form: DateForm, cells: pl.Series) -> DateForm:
    """With an origin near the cells, so that float64 keeps the digits of seconds."""
    if not form.has_time:
        return form
    values = form.parse(cells)
    values = values[~np.isnan(values)]
    return attrs.evolve(form, origin=int(np.floor(np.median(values) / 86_400)) * 86_400) if len(values) else form


def _most(form: DateForm, cells: pl.Series) -> bool:
    return bool(np.mean(~np.isnan(form.parse(cells))) > 0.9)


def _as_spelt(forms: Sequence[DateForm], cells: pl.Series) -> list[DateForm]:
    """With 1/2/2020 and 9:05 where the cells have no zeros in front, and with months in their case."""
    found = []
    for form in forms:
        bare = [form.format, form.format.replace("%H", "%-H")]
        bare += [each.replace("%d", "%-d").replace("%m", "%-m") for each in bare]
        cases: Any = ("", "upper", "lower") if "%b" in form.format.lower() else ("",)
        tried = [attrs.evolve(form, format=format, case=case) for format in dict.fromkeys(bare) for case in cases]
        found.append(max(tried, key=lambda each: _same(each, cells)))
    return found


Form = NumberForm | DateForm
FORMS: dict[str, Callable[..., Any]] = {"number": NumberForm, "date": DateForm}
