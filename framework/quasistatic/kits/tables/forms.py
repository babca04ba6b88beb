"""How a column writes its numbers and dates: text to float64 and back, so that a number is written as the file has it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import attrs
import numpy as np
import polars as pl

PLAIN = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
BLANKS = (" ", "'", "\u00a0", "\u2009", "\u202f")  # that group thousands, beside a comma and a point
GROUPED = {  # thousands in groups, by the sign between them
    ",": re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d*)?"),
    ".": re.compile(r"[-+]?\d{1,3}(\.\d{3})+(,\d*)?"),
    **{sign: re.compile(rf"[-+]?\d{{1,3}}({re.escape(sign)}\d{{3}})+([.,]\d*)?") for sign in BLANKS},
}
COMMA = re.compile(r"[-+]?\d*,\d+([eE][-+]?\d+)?")
AFFIXED = re.compile(  # a # before a number makes it a code
    r"(?P<sign>[-+]?)(?P<before>[^\w\s.,+#-]{1,3} ?)?(?P<number>[\d.,' \u00a0\u2009\u202f]*\d\.?(?:[eE][-+]?\d+)?)"
    r"(?P<after> ?[^\W\d]{1,4}| ?[%‰°€£$¥])?"
)
CODE = r"^[-+]?0\d"  # 007
DIGITS = r"^[-+]?\d+$"  # not 1.5e20
MISSING = frozenset({"na", "n/a", "nan", "nat", "<na>", "null", "none", "?", "nil", "#n/a", "-"})  # in columns of numbers
DISTINCT = 16  # digits that count, from which on a number is written with the fewest that are it in float64
EXACT = 2.0**53  # whole numbers beyond are not all different in float64
TRIED = 2_000  # cells with which the ways to write numbers are compared
Style = Literal["fixed", "short", "point", "general", "scientific", "exact"]


@attrs.frozen
class NumberForm:
    """A way to write numbers.

    `digits` are those after the decimal sign: of the number ("fixed", "short", "point": 5.00, 5, 5.0) or of its mantissa
    ("scientific"); of "general", which changes to exponents where these are shorter, they are all that count; "exact" has the
    fewest that are this number in float64, as Python writes it. `has_plus` is a sign before positive numbers, `has_zero` a 0
    before the decimal sign.
    """

    style: Style = "short"
    digits: int = 0
    decimal: str = "."
    thousands: str = ""
    before: str = ""
    after: str = ""
    capital: bool = False
    exponent: int = 2
    has_plus: bool = False
    has_zero: bool = True

    def bare(self, cells: pl.Series) -> pl.Series:
        """Cells (N,) without what stands around numbers."""
        if self.before:
            cells = cells.str.replace(rf"^([-+]?){re.escape(self.before)}", "${1}")
        if self.after:
            cells = cells.str.strip_suffix(self.after)
        return cells

    def parse(self, cells: pl.Series) -> np.ndarray:
        """The number in each cell (N,), nan where it is something else."""
        cells = self.bare(cells)
        if self.thousands:
            pattern = "^" + GROUPED[self.thousands].pattern + "$"
            is_grouped = cells.str.contains(pattern)
            cut = cells.str.replace_all(self.thousands, "", literal=True)
            # where a sign is not between groups of three, the cell is something else
            mixed = cells.str.contains(self.thousands, literal=True) & ~is_grouped
            cells = pl.select(pl.when(mixed).then(None).otherwise(cut)).to_series()
        if self.decimal != ".":
            # a point that groups nothing is no decimal point here
            cells = pl.select(pl.when(cells.str.contains(".", literal=True)).then(None).otherwise(cells)).to_series()
            cells = cells.str.replace(self.decimal, ".", literal=True)
        values = cells.cast(pl.Float64, strict=False).to_numpy()  # null is nan
        is_finite = np.isfinite(values)
        return values if is_finite.all() else np.where(is_finite, values, np.nan)

    @property
    def resolution(self) -> float | None:
        """The smallest difference of numbers that are written; None where it grows with them."""
        return 10.0**-self.digits if self.style in ("fixed", "short", "point") else None

    def rounded(self, values: np.ndarray) -> np.ndarray:
        """Numbers (N,) that are written without loss, nearest to these."""
        return np.array([float(self._plain(value)) for value in values.tolist()])

    def write(self, values: np.ndarray) -> list[str]:
        """The cell of each number."""
        if self == NumberForm("fixed", self.digits):  # nothing else is to be written
            pattern = f"%.{self.digits}f"
            zero = pattern % -0.0
            return [text if text != zero else zero[1:] for text in map(pattern.__mod__, values.tolist())]  # there is one zero
        return [self._dressed(self._plain(value)) for value in values.tolist()]

    def _plain(self, value: float) -> str:
        if self.style == "scientific":
            return _scientific(value, self.digits, self.exponent)
        if self.style == "general":
            return _general(value, self.digits, self.exponent)
        if self.style == "exact":
            return repr(value + 0.0)
        if self.style == "fixed":
            text = f"{value:.{self.digits}f}"
        else:  # the fewest digits that are this number in float64
            text = np.format_float_positional(round(value, self.digits), trim="-" if self.style == "short" else "0")
        return text[1:] if text.startswith("-") and not text.strip("-0.") else text  # there is one zero

    def _dressed(self, text: str) -> str:
        sign, text = ("-", text[1:]) if text.startswith("-") else ("+" * self.has_plus, text)
        if not self.has_zero and text.startswith("0."):
            text = text[1:]
        if self.capital:
            text = text.upper()
        if self.thousands or self.decimal != ".":
            whole, point, rest = text.partition(".")
            if self.thousands:
                whole = re.sub(r"(?<=\d)(?=(\d{3})+$)", self.thousands, whole)
            text = whole + (self.decimal if point else "") + rest
        return f"{sign}{self.before}{text}{self.after}"


def _scientific(value: float, digits: int, exponent: int) -> str:
    mantissa, _, power = f"{value:.{digits}e}".partition("e")
    sign, size = power[0], int(power[1:])
    if not mantissa.strip("-0."):
        mantissa, sign, size = mantissa.lstrip("-"), "+", 0
    return f"{mantissa}e{sign}{size:0{exponent}d}"


def _general(value: float, digits: int, exponent: int) -> str:
    """The shorter of a plain number and one with an exponent, the plain one of equals, with `digits` that count."""
    if value == 0:
        return "0"
    if digits >= DISTINCT:
        mantissa, _, power = np.format_float_scientific(value).partition("e")
    else:
        mantissa, _, power = f"{value:.{max(digits, 1) - 1}e}".partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    short = f"{mantissa}e{power[0]}{int(power[1:]):0{exponent}d}"
    decimals = max(0, len(mantissa.lstrip("-").replace(".", "")) - 1 - int(power))
    plain = f"{float(f'{mantissa}e{power}'):.{decimals}f}"
    return plain if len(plain) <= len(short) else short


def fit_number_form(cells: Sequence[str], form: NumberForm) -> NumberForm:
    """The style and the digits with which most of these cells, which are numbers, are written as they are; `form` has all else."""
    tried_on = list(cells[:TRIED])
    values = form.parse(pl.Series(tried_on, dtype=pl.String))
    bare = [_bare(cell, form) for cell in cells]
    decimals = max((len(each.partition(".")[2]) for each in bare if "e" not in each), default=0)
    mantissas = [each.partition("e") for each in bare if "e" in each]
    powers = max(1, min((len(power.lstrip("+-")) for _, _, power in mantissas), default=2))
    base = attrs.evolve(
        form,
        capital=any("E" in cell for cell in cells),
        exponent=powers,
        has_plus=any(cell.startswith("+") for cell in cells),
        has_zero=any(each.startswith(("0.", "-0.")) for each in bare) or not any(each.startswith((".", "-.")) for each in bare),
    )
    tried = [attrs.evolve(base, style=style, digits=decimals) for style in ("fixed", "short", "point")]
    if mantissas:
        counting = max(len(each.partition("e")[0].replace(".", "").lstrip("-0").rstrip("0") or "0") for each in bare)
        digits = max(len(mantissa.partition(".")[2]) for mantissa, _, _ in mantissas)
        general = attrs.evolve(base, style="general", digits=min(counting, 17))
        tried = [attrs.evolve(base, style="scientific", digits=digits), general, attrs.evolve(base, style="exact")]
    best, chosen = -1, tried[0]
    for each in tried:
        count = sum(map(str.__eq__, each.write(values), tried_on))
        best, chosen = max((best, chosen), (count, each), key=lambda found: found[0])
        if best == len(tried_on):  # the first of equals is chosen
            break
    return chosen


def _bare(cell: str, form: NumberForm) -> str:
    """A cell with a decimal point, a small e, and nothing around it."""
    cell = cell.replace(form.before, "", 1).removesuffix(form.after) if form.before or form.after else cell
    cell = cell.replace(form.thousands, "") if form.thousands else cell
    return cell.replace(form.decimal, ".").lower().lstrip("+")


def number_forms(cells: Sequence[str], decimal: str, delimiter: str) -> Iterator[NumberForm]:
    """Ways to read most of these cells as numbers; more than one where the cells leave it open.

    `decimal` is "auto", "." or ","; where it is "auto" and a comma parts the cells of the file, a comma groups thousands.
    """
    affixes = {("", "")}
    shown = cells[:1000]
    if not any(PLAIN.fullmatch(cell) for cell in shown):
        found = [match for match in map(AFFIXED.fullmatch, shown) if match]
        affixes = {(match["before"] or "", match["after"] or "") for match in found}
        affixes = affixes if len(affixes) == 1 else set()
    for before, after in affixes:
        bare = [cell.replace(before, "", 1).removesuffix(after) for cell in shown] if before or after else shown
        for point, thousands in _signs(bare, decimal, delimiter):
            yield NumberForm(decimal=point, thousands=thousands, before=before, after=after)


def _signs(cells: Sequence[str], decimal: str, delimiter: str) -> Iterator[tuple[str, str]]:
    """The decimal sign and the sign of thousands."""
    for sign in BLANKS:
        if any(GROUPED[sign].fullmatch(cell) for cell in cells):
            is_comma = decimal == "," or (decimal == "auto" and any("," in cell for cell in cells))
            yield "," if is_comma else ".", sign
            return
    commas = [cell for cell in cells if "," in cell and any(each.fullmatch(cell) for each in (COMMA, GROUPED[","], GROUPED["."]))]
    if decimal == ",":
        yield ",", "." if any(GROUPED["."].fullmatch(cell) for cell in cells) else ""
        return
    groups = [cell for cell in commas if GROUPED[","].fullmatch(cell)]
    if not commas or decimal == "." or len(commas) < sum("." in cell for cell in cells if PLAIN.fullmatch(cell)):
        yield ".", "," if groups else ""
        return
    points = [cell for cell in commas if COMMA.fullmatch(cell) and not GROUPED[","].fullmatch(cell)]
    points += [cell for cell in commas if GROUPED["."].fullmatch(cell)]
    sure = [cell for cell in groups if cell.count(",") > 1 or "." in cell]
    is_open = not points and not sure and delimiter != ","
    if not points and (groups or is_open):
        yield ".", ","
    if points or is_open:
        yield ",", "." if any(GROUPED["."].fullmatch(cell) for cell in commas) else ""


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
