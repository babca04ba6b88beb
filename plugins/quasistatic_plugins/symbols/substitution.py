"""Symbols that replace one another, at reversible rates: molecular evolution, and steps between neighbours.

For biology this forward process is the evolution of a sequence: after a time tau every site has been replaced as exp(Q tau) says,
and the way back reads what the ancestor was. Rates are exchange rates (symmetric) times the equilibrium pi, so that the process is
reversible; time is scaled so that what lasts longest of a symbol falls as the schedule says.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

import quasistatic as qs
from quasistatic_plugins.symbols import OrdinalOptions, SubstitutionOptions
from quasistatic_plugins.symbols.kernels import shares

LETTERS = 4  # A, C, G, T, in this order
TRANSITIONS = ((0, 2), (1, 3))
LARGEST_TABLE = 2**22  # bytes


class Rates(eqx.Module):
    """exp(Q tau) of a reversible process, by the modes of its symmetric form: S exp(-r tau) S^-1.

    Constants, in float64 where that is what is computed in.
    """

    modes: np.ndarray  # (n, n), a column for each
    inverse: np.ndarray  # (n, n)
    speeds: np.ndarray  # (n,): 0, 1 for the slowest that fades, ..
    log_pi: np.ndarray  # (n,)

    @classmethod
    def of(cls, exchange: np.ndarray, pi: np.ndarray) -> "Rates":
        """Of symmetric exchange rates (n, n), whose diagonal does not matter, and an equilibrium (n,)."""
        rates = exchange * pi
        np.fill_diagonal(rates, 0.0)
        np.fill_diagonal(rates, -rates.sum(axis=1))
        root = np.sqrt(pi)
        symmetric = root[:, None] * rates / root
        speeds, vectors = np.linalg.eigh(-0.5 * (symmetric + symmetric.T))
        vectors[:, 0], speeds[0] = root, 0.0  # equilibrium itself, to the last digit
        return cls(vectors / root[:, None], vectors.T * root, speeds / speeds[1], np.log(pi))

    def log_matrix(self, log_kept: jax.Array) -> Float[Array, "*states"]:
        """log of the matrix [from, to] of a step of which the slowest mode keeps exp(log_kept)."""
        faded = jnp.expm1(self.speeds * jnp.maximum(log_kept, qs.numerics.FLOOR))
        # from the identity on: a short step keeps the relative precision of its small entries
        return qs.numerics.floored_log(jnp.eye(len(self.speeds)) + (self.modes * faded) @ self.inverse)


class SubstitutionKernel(qs.FiniteKernel):
    """Independent sites with reversible rates; zero params reverse the equilibrium."""

    options: SubstitutionOptions | OrdinalOptions = eqx.field(static=True)
    event: qs.Categorical = eqx.field(static=True)
    exchange: tuple[tuple[float, ...], ...] = eqx.field(static=True)
    rates: Rates
    is_exact_at_zero: ClassVar[bool] = True

    @property
    def schedule(self) -> qs.AbstractSchedule:
        options = self.options
        return qs.make_schedule(options.schedule, options.first_noise, options.last_survival)

    @property
    def is_reversible(self) -> bool:
        return True

    @property
    def max_prior_nats(self) -> float:
        """By the largest probability of a symbol at t = 1 over that in equilibrium."""
        late = self.rates.log_matrix(jnp.log(jnp.asarray(self.schedule.last_survival)))
        return max(0.0, float(jnp.max(late - self.rates.log_pi)))

    def times(self, steps: int) -> np.ndarray:
        return self.schedule.times(steps)

    def given(self, side: Any) -> "SubstitutionKernel":
        """Raises InputError for padded events: these rates would replace what is not there, and K would count it."""
        if isinstance(side, Mapping) and qs.PADDING in side and np.shape(side[qs.PADDING]) == self.event.shape:
            raise qs.InputError(
                "the kernels 'substitution' and 'ordinal' take events of one length, and these are padded; "
                "use 'absorbing' or 'uniform', or windows of one length"
            )
        return self

    def measure(self, events: Callable[[Literal["train", "validation"]], Any]) -> dict[str, np.ndarray]:
        """What the run needs of the data and of a table of rates, so that it needs neither again."""
        found = {"exchange": np.asarray(self.exchange)}
        if self.options.pi == "marginal":
            found["shares"] = shares(events("train"), self.event.categories)
        return found

    def measured(self, arrays: Mapping[str, np.ndarray]) -> "SubstitutionKernel":
        if not arrays:
            return self
        pi = arrays["shares"] if "shares" in arrays else np.exp(np.asarray(self.rates.log_pi, np.float64))
        return eqx.tree_at(lambda kernel: kernel.rates, self, Rates.of(np.array(arrays["exchange"]), pi / pi.sum()))

    def log_matrix(self, s: Float[Array, ""] | None, t: Float[Array, ""]) -> Float[Array, "*states"]:
        log_kept = qs.log_survival(self.schedule.log_odds(t))
        if s is not None:
            log_kept = log_kept - qs.log_survival(self.schedule.log_odds(s))
        return self.rates.log_matrix(log_kept)

    def log_equilibrium(self) -> Float[Array, "*states"]:
        return jnp.asarray(self.rates.log_pi)

    def log_reference(self) -> Float[Array, "*states"]:
        return jnp.asarray(self.rates.log_pi)

    def encode(self, z: Int[Array, "*event"], t: Float[Array, ""]) -> Float[Array, "*features"]:
        return z.astype(jnp.int32)[..., None]


def _kernel(options: Any, event: qs.Categorical, exchange: np.ndarray, pi: np.ndarray) -> SubstitutionKernel:
    return SubstitutionKernel(options, event, tuple(map(tuple, exchange.tolist())), Rates.of(exchange.copy(), pi))


def substitution(options: SubstitutionOptions, event: qs.Categorical) -> SubstitutionKernel:
    """The kernel of a model of evolution or of a table. Raises ValueError for another event or an invalid table."""
    n = event.categories
    return _kernel(options, event, _exchange(options, n), np.full(n, 1.0 / n))


def _exchange(options: SubstitutionOptions, n: int) -> np.ndarray:
    if options.rates == "jc69":
        return np.ones((n, n))
    if options.rates not in ("k80", "hky85"):
        return _table(Path(options.rates), n)
    if n != LETTERS:
        raise ValueError(f"kernel.rates: {options.rates!r} is for the {LETTERS} letters A, C, G, T, the data have {n} symbols")
    if options.rates == "k80" and options.pi != "uniform":
        raise ValueError("kernel.rates: 'k80' has equal frequencies; for those of the data use 'hky85'")
    exchange = np.ones((n, n))
    for a, b in TRANSITIONS:
        exchange[a, b] = exchange[b, a] = options.kappa
    return exchange


def _table(path: Path, n: int) -> np.ndarray:
    """A square table of numbers in a text file, separated by blanks, commas or tabs; what follows a # is left out."""
    accepted = "jc69, k80, hky85, or a file with a table of exchange rates"
    if not path.is_file():
        raise ValueError(f"kernel.rates: {str(path)!r} is no file and no model; accepted are {accepted}")
    if path.stat().st_size > LARGEST_TABLE:
        raise ValueError(f"kernel.rates: {path} has {path.stat().st_size} bytes, more than a table of exchange rates")
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        words = line.split("#")[0].replace(",", " ").split()
        try:
            rows += [[float(word) for word in words]] if words else []
        except ValueError as error:
            raise ValueError(f"kernel.rates: {path}, line {number}: expected numbers, got {line.strip()!r:.60}") from error
    if [len(row) for row in rows] != [n] * n:
        found = f"{len(rows)} rows of {sorted({len(row) for row in rows})} numbers"
        raise ValueError(f"kernel.rates: {path}: expected {n} rows of {n} numbers, one for each symbol, got {found}")
    table = np.array(rows)
    off = ~np.eye(n, dtype=bool)
    if not np.all(np.isfinite(table)) or np.any(table[off] < 0) or not np.allclose(table, table.T, rtol=1e-6):
        raise ValueError(f"kernel.rates: {path}: expected finite rates of at least 0, symmetric, so that the process is reversible")
    table[~off] = 0.0
    joined = np.linalg.matrix_power((table > 0) + np.eye(n), n) > 0
    if not joined.all():
        raise ValueError(
            f"kernel.rates: {path}: expected every symbol to reach every other, these are apart from the first: "
            f"{np.flatnonzero(~joined[0]).tolist()}"
        )
    return table


def ordinal(options: OrdinalOptions, event: qs.Categorical) -> SubstitutionKernel:
    """Birth and death: only neighbours replace one another."""
    n = event.categories
    place = (np.arange(n) - 0.5 * (n - 1)) / n
    log_pi = -0.5 * (place / options.width) ** 2 if options.pi == "normal" else np.zeros(n)
    pi = np.exp(log_pi) / np.exp(log_pi).sum()
    exchange = np.zeros((n, n))
    for low in range(n - 1):
        # rates up and down are equal in the flow between neighbours, and near 1 each
        exchange[low, low + 1] = exchange[low + 1, low] = 1.0 / np.sqrt(pi[low] * pi[low + 1])
    return _kernel(options, event, exchange, pi)
