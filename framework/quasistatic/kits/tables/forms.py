"""How a column writes its numbers: text to float64 and back, so that a number is written as the file has it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

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
UNREAD = {  # cells that a person reads as numbers
    "times of day": re.compile(r"\d{1,2}:\d\d(:\d\d(\.\d+)?)?( ?[AaPp]\.?[Mm]\.?)?"),
    "amounts with a currency": re.compile(r"[A-Z]{3} ?\d[\d.,']*"),
}
CODE = r"^[-+]?0\d"  # 007
DIGITS = r"^[-+]?\d+$"  # not 1.5e20
MISSING = frozenset({"na", "n/a", "nan", "nat", "<na>", "null", "none", "?", "nil", "#n/a", "-"})  # in columns of numbers
DISTINCT = 16  # digits that count, from which on a number is written with the fewest that are it in float64
SURE, ALL = 15, 17  # digits that count, of which float64 keeps each number, and of which no two of its numbers have the same
EXACT_POWER = 22  # the highest power of ten that is a float64
EXACT = 2.0**53  # whole numbers beyond are not all different in float64
TRIED = 2_000  # cells with which the ways to write numbers are compared
Style = Literal["fixed", "short", "point", "general", "scientific", "exact"]


@attrs.frozen
class NumberForm:
    """A way to write numbers.

    `digits` are those after the decimal sign: of the number ("fixed", "short", "point": 5.00, 5, 5.0) or of its mantissa
    ("scientific"); of "general", which changes to exponents where these are shorter, they are all that count; "exact" has the
    fewest that are this number in float64, as Python writes it. `counting` are the digits that count at most: R writes 15, where
    float64 distinguishes 17. `has_plus` is a sign before positive numbers, `has_zero` a 0 before the decimal sign.
    """

    style: Style = "short"
    digits: int = 0
    counting: int = ALL
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

    @property
    def most_counting(self) -> int:
        """How many digits of a number count at most."""
        return {"scientific": self.digits + 1, "general": max(self.digits, 1), "exact": ALL}.get(self.style, self.counting)

    def last_digit(self, values: np.ndarray) -> np.ndarray:
        """What the last digit that counts stands for in numbers (N,) whose digits are those that count."""
        size = np.where(values == 0, 1e-300, np.abs(values))
        return np.maximum(10.0 ** (np.floor(np.log10(size)) + 1 - self.most_counting), np.spacing(size))

    def rounded(self, values: np.ndarray) -> np.ndarray:
        """Numbers (N,) that are written without loss, nearest to these."""
        if self.style in ("scientific", "general", "exact") or self.counting < ALL or self.digits > EXACT_POWER:
            return self._read_back(values)
        # a whole number over a power of ten is the float64 nearest to that decimal fraction, as both are exact
        power = 10.0**self.digits
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = values * power
            whole = np.rint(scaled)
            # the product is off by a rounding: next to a half, where that decides, and where it is no longer small, it is not used
            is_sure = (np.abs(np.abs(scaled - whole) - 0.5) > 1e-3) & (np.abs(scaled) < 1e12)
        found = whole / power + 0.0
        found[~is_sure] = self._read_back(values[~is_sure])
        return found

    def _read_back(self, values: np.ndarray) -> np.ndarray:
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
        value = value if self.counting >= ALL else float(f"{value:.{self.counting - 1}e}")
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
    text = pl.Series(cells, dtype=pl.String)
    tried_on = text.head(TRIED).to_list()
    values = form.parse(text.head(TRIED))
    bare = _bare(text, form)
    has_power = bare.str.contains("e", literal=True)
    plain, mantissas, powers = (
        bare.filter(~has_power),
        bare.str.replace("e.*$", ""),
        bare.filter(has_power).str.replace("^.*e[-+]?", ""),
    )
    decimals = _longest(plain.str.replace(r"^[^.]*\.?", ""))
    base = attrs.evolve(
        form,
        capital=text.str.contains("E", literal=True).any(),
        exponent=max(1, min(map(len, powers.to_list()), default=2)),
        has_plus=text.str.starts_with("+").any(),
        has_zero=bare.str.contains(r"^-?0\.").any() or not bare.str.contains(r"^-?\.").any(),
    )
    counting = _longest(mantissas.str.replace(".", "", literal=True).str.strip_chars_start("-0").str.strip_chars_end("0")) or 1
    most = _longest(plain.str.strip_chars_start("-0").str.replace(r"\..*$", "")) + decimals
    kept = SURE if most > SURE >= counting else ALL
    tried = [attrs.evolve(base, style=style, digits=decimals, counting=kept) for style in ("fixed", "short", "point")]
    if len(powers):
        digits = _longest(mantissas.filter(has_power).str.replace(r"^[^.]*\.?", ""))
        general = attrs.evolve(base, style="general", digits=min(counting, 17))
        tried = [attrs.evolve(base, style="scientific", digits=digits), general, attrs.evolve(base, style="exact")]
    best, chosen = -1, tried[0]
    for each in tried:
        count = sum(map(str.__eq__, each.write(values), tried_on))
        best, chosen = max((best, chosen), (count, each), key=lambda found: found[0])
        if best == len(tried_on):  # the first of equals is chosen
            break
    return chosen


def _bare(cells: pl.Series, form: NumberForm) -> pl.Series:
    """Cells (N,) with a decimal point, a small e, and nothing around them."""
    cells = form.bare(cells)
    cells = cells.str.replace_all(form.thousands, "", literal=True) if form.thousands else cells
    return cells.str.replace(form.decimal, ".", literal=True).str.to_lowercase().str.strip_chars_start("+")


def _longest(texts: pl.Series) -> int:
    """The most characters of a text, 0 of none."""
    return int(texts.str.len_bytes().max() or 0)  # type: ignore[arg-type]


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
