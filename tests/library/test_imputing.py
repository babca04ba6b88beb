"""Missing cells: draws have the exact posterior where it is known, and all that was known stays as it was."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

import quasistatic as qs
from quasistatic._process.limits import Among, Between
from quasistatic._process.weighted import FEW, weighted_draws

RNG = np.random.default_rng(0)
SMALL = {
    "model.width": 16, "model.depth": 1, "trajectory.steps": 16, "training.updates": 20, "training.batch": 32,
    "training.validate_every": 20, "training.observers": [], "evaluation.events": 64,
}  # fmt: skip
WIDE = 0.8  # correlation of all pairs of numbers


def frame(count: int) -> pl.DataFrame:
    """Numbers that are normal together, a category that follows the first, and one with an atom and a bound."""
    covariance = np.full((3, 3), WIDE) + (1.0 - WIDE) * np.eye(3)
    numbers = RNG.multivariate_normal(np.zeros(3), covariance, count)
    return pl.DataFrame(
        {
            "a": numbers[:, 0],
            "b": numbers[:, 1],
            "c": numbers[:, 2],
            "vote": ["Clinton" if each > 0 else "Dole" for each in numbers[:, 0]],
            "rain": np.where(RNG.random(count) < 0.5, 0.0, RNG.exponential(3.0, count)).round(2),
            "born": [f"1980-0{1 + number % 9}-11" for number in range(count)],
            "id": [f"row {number}" for number in range(count)],
        }
    )


def with_gaps(table: pl.DataFrame, share: float = 0.3) -> pl.DataFrame:
    lost = RNG.random((len(table), 6)) < share
    lost[0] = False
    columns = [table[name].set(pl.Series(lost[:, k]), None) for k, name in enumerate(table.columns[:6])]
    return pl.DataFrame([*columns, table["id"]])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> qs.Run:
    folder = tmp_path_factory.mktemp("runs")
    frame(300).write_csv(folder / "known.csv")
    return qs.train(qs.load_recipe("table", {**SMALL, "source.path": str(folder / "known.csv")}), out=folder / "run")


def test_a_normal_table_has_the_exact_posterior() -> None:
    """The kernel's reference is a fitted mixture of normals: a network that was hardly trained is nearly exact."""
    table = frame(4000).select("a", "b", "c")
    options = {**SMALL, "training.updates": 1, "trajectory.steps": 40, "source.validation_share": 0.1}
    made = qs.train(qs.load_recipe("table", options), table)
    values = frame(60).select("a", "b", "c").to_numpy().copy()
    values[np.arange(60), RNG.integers(3, size=60)] = np.nan
    values[:20, 0] = np.nan
    new = pl.DataFrame({name: values[:, k] for k, name in enumerate("abc")}).fill_nan(None)
    found = made.impute(new, particles=256)
    mean, covariance = table.to_numpy().mean(axis=0), np.cov(table.to_numpy().T)
    ends, away, spread = found.interval(0.9), [], []
    for gap, (row, column) in enumerate(found.cells):
        place, known = "abc".index(column), ~np.isnan(values[row])
        pull = covariance[place, known] @ np.linalg.inv(covariance[np.ix_(known, known)])
        exact = mean[place] + pull @ (values[row, known] - mean[known])
        deviation = float(np.sqrt(covariance[place, place] - pull @ covariance[known, place]))
        away.append((found.mean[gap] - exact) / deviation)
        spread.append((ends[1, gap] - ends[0, gap]) / (2.0 * 1.645 * deviation))
    assert len(away) > 60 and (found.effective > FEW).all()
    assert abs(np.mean(away)) < 0.08 and np.std(away) < 0.25
    assert np.mean(spread) == pytest.approx(1.0, abs=0.1)


def test_known_cells_and_the_order_of_rows_stay(run: qs.Run) -> None:
    new = with_gaps(frame(16))
    new = new.with_columns(extra=pl.int_range(16))
    found = run.impute(new, draws=2, particles=64)
    lacking = {(row, name) for name in new.columns for row in np.flatnonzero(new[name].is_null()).tolist()}
    assert set(found.cells) == lacking and len(found.draws) == 2
    for table in (*found.draws, found.median):
        assert table.columns == new.columns and table.dtypes == new.dtypes and not table.null_count().sum_horizontal().sum()
        for name in new.columns:
            is_known = ~new[name].is_null()
            assert table[name].filter(is_known).to_list() == new[name].filter(is_known).to_list()
        assert set(table["vote"]) == {"Clinton", "Dole"} and (table["rain"] >= 0.0).all()
        assert table["born"].str.to_date("%Y-%m-%d").is_not_null().all()
    assert not found.draws[0].equals(found.draws[1])
    low, high = found.interval(0.9)
    numbers = ~np.isnan(found.mean)
    assert (low[numbers] <= high[numbers]).all() and np.isnan(low[~numbers]).all()
    for ends in found.interval_texts(0.9):
        dates = [text for text, (_, name) in zip(ends, found.cells, strict=True) if name == "born"]
        assert dates and all(pl.Series(dates).str.to_date("%Y-%m-%d").is_not_null())
        assert all(bool(text) == is_number for text, is_number in zip(ends, numbers, strict=True))
    categories = [gap for gap, (_, name) in enumerate(found.cells) if name == "vote"]
    assert (found.share[categories] >= 0.5).all()


def test_a_table_without_gaps_is_itself_and_costs_nothing(run: qs.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quasistatic._runs.imputing.weighted_draws", None)
    new = frame(12)
    found = run.impute(new)
    assert not found.cells and all(table.equals(new) for table in (*found.draws, found.median))


def test_a_row_that_cannot_be_is_refused_by_name_and_the_others_are_filled(run: qs.Run) -> None:
    new = with_gaps(frame(16)).with_columns(
        vote=pl.when(pl.col("id") == "row 5").then(pl.lit("Perot")).otherwise("vote"),
        a=pl.when(pl.col("id") == "row 5").then(None).otherwise("a"),
        b=pl.when(pl.col("id") == "row 7").then(None).otherwise("b"),
    )
    found = run.impute(new, particles=64)
    assert [each.number for each in found.outside] == [5] and "'Perot'" in found.outside[0].reason
    assert found.median["a"].null_count() == 1 and found.median["b"][7] is not None and 5 not in found.gaps.rows


def test_more_particles_are_used_where_they_run_out(run: qs.Run) -> None:
    new = with_gaps(frame(6), 0.5).with_columns(a=pl.lit(3.0), c=pl.lit(-3.0))  # against all correlations
    few = run.impute(new, particles=4)
    assert (few.particles > 4).any() and (few.particles[~few.is_few] * 1.0 >= few.effective[~few.is_few]).all()
    assert (few.effective[few.particles == 4] >= FEW).all()


def test_of_pandas_too(run: qs.Run) -> None:
    pandas = pytest.importorskip("pandas")
    new = with_gaps(frame(16)).to_pandas()
    new.index = range(100, 116)
    found = run.impute(new, draws=1, particles=64).draws[0]
    assert isinstance(found, pandas.DataFrame) and not found.isna().any().any() and list(found.index) == list(new.index)
    known = new.notna()
    pandas.testing.assert_frame_equal(found.where(known), new.where(known), check_dtype=False)


def test_files(run: qs.Run, tmp_path: Path) -> None:
    from quasistatic_plugins.conditioning.command import impute

    lines = ["id;a;b;c;vote;rain;born;note", 'p1;0.50;-.25;;Dole;0.00;1980-01-11;"a; b"', "p2;1.0;NA;0.1;Perot;2.5;1980-02-11;x"]
    lines += ["p3; 0.7;+1.10;0.1;;;;", "p4;0.1;0.2;0.3;Dole;1.25;1980-03-11;"]
    (tmp_path / "new.csv").write_text("\n".join(lines) + "\n")

    def call(*arguments: Any) -> str:
        arguments = (run.folder, tmp_path / "new.csv", "--particles", 64, *arguments)
        result = CliRunner().invoke(impute, [str(each) for each in arguments], obj=qs.plugins(), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    shown = call("-o", tmp_path / "out.csv", "--cells", tmp_path / "cells.csv")
    assert "4 gaps of 2 rows are filled in; 1 rows have none" in shown and "refused: line 3" in shown and "'Perot'" in shown
    with (tmp_path / "out.csv").open() as file:
        old, new = (list(csv.reader(each, delimiter=";")) for each in (lines, file))
    assert new[0] == old[0] and new[2] == old[2] and new[4] == old[4]
    for before, after in zip(old, new, strict=True):
        assert all(cell == filled for cell, filled in zip(before[:-1], after[:-1], strict=True) if cell)
    assert all(new[1]) and all(new[3][:-1]) and new[3][-1] == ""
    call("-o", tmp_path / "many.csv", "--draws", 2)
    assert (tmp_path / "many-1.csv").exists() and (tmp_path / "many-2.csv").exists()
    known = json.loads(call("-o", tmp_path / "out.parquet", "--median", "--json"))
    assert len(known["cells"]) == 4 and known["outside"][0]["row"] == 1
    assert pl.read_parquet(tmp_path / "out.parquet")["vote"].to_list()[1:2] == ["Perot"]
    call("-o", tmp_path / "out.png")
    assert (tmp_path / "out.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("vote=Dole", lambda table: (table["vote"] == "Dole").all()),
        ("vote!=Dole", lambda table: (table["vote"] == "Clinton").all()),
        ("a>0.5", lambda table: (table["a"] > 0.5).all()),
        ("rain=0.00", lambda table: (table["rain"] == 0.0).all()),
        ("rain>=2", lambda table: (table["rain"] >= 2.0).all()),
        (("b < -0.2", "b >= -1"), lambda table: ((table["b"] < -0.199) & (table["b"] >= -1.001)).all()),
    ],
)
def test_samples_have_what_their_conditions_say(run: qs.Run, condition: Any, holds: Any) -> None:
    assert holds(run.sample(16, where=condition, as_frame=True))


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("vote", "expected a column, one of"),
        ("vot=Dole", "there is no column 'vot'"),
        ("vote=Perot", "'Perot' is not among what the column holds"),
        ("rain<0", "the column has no such number"),
        ("a!=1", "of a column of numbers expected one of"),
        (("a>1", "a<0"), "no row fulfils it with the others"),
        ("a>1000", "the model makes such rows too seldom"),
    ],
)
def test_conditions_that_cannot_be_are_refused(run: qs.Run, condition: Any, message: str) -> None:
    with pytest.raises(qs.InputError, match=message):
        run.sample(2, where=condition)


def test_refused(run: qs.Run, tmp_path: Path) -> None:
    with pytest.raises(qs.InputError, match="where and sampler exclude"):
        run.sample(2, where="a>0", sampler="ancestral")
    with pytest.raises(qs.DataError, match="there is no column 'b'"):
        run.impute(frame(3).drop("b"))
    (tmp_path / "empty.csv").write_text("a,b,c,vote,rain,born,id\n")
    with pytest.raises(qs.DataError, match="holds a header and no rows"):
        run.impute(tmp_path / "empty.csv")
    other = qs.train(qs.load_recipe("array", {**SMALL, "training.updates": 1}), RNG.normal(size=(60, 2)))
    for attempt in (lambda: other.impute(np.zeros((2, 2))), lambda: other.sample(2, where="a>0")):
        with pytest.raises(qs.InputError, match="table"):
            attempt()


def test_between_is_a_truncated_normal_distribution() -> None:
    """Its weights are exact: the mean of r, and the means under the product, by many weighted draws."""
    data = qs.Normal(jnp.array([0.0, 1.0, -2.0]), jnp.array([1.0, 4.0, 0.25]))
    low, high = jnp.array([0.5, -jnp.inf, -jnp.inf]), jnp.array([1.5, 0.0, jnp.inf])
    factor = Between(low, high, "", None)
    twist = factor.twist(data)
    xs = jax.vmap(twist.data.sample)(jax.random.split(jax.random.key(0), 20_000))
    weights = np.exp(np.asarray(jax.vmap(twist.left)(xs)))
    from scipy.stats import norm, truncnorm

    mass = (norm.cdf(1.5) - norm.cdf(0.5)) * norm.cdf(-0.5)
    assert float(twist.log_mean) == pytest.approx(np.log(mass), rel=1e-4)
    assert np.mean(weights) == pytest.approx(1.0, abs=float(4 * weights.std() / 20_000**0.5 + 1e-3))
    mean = (weights[:, None] * np.asarray(xs)).sum(axis=0) / weights.sum()
    exact = [truncnorm.mean(0.5, 1.5), truncnorm.mean(-np.inf, -0.5, 1.0, 2.0), -2.0]
    np.testing.assert_allclose(mean, exact, atol=0.03)
    assert (
        float(factor.log_factor(jnp.array([2.0, -1.0, 9.0]))) < -1e20 < 0.0 == float(factor.log_factor(jnp.array([1.0, -1.0, 9.0])))
    )


def test_among_leaves_the_shares_of_what_is_allowed() -> None:
    allowed = jnp.array([[True, False, True], [False, True, False]])
    shares = jnp.array([[0.2, 0.3, 0.5], [0.6, 0.1, 0.3]])
    tilted, log_mean = Among(allowed).tilt(qs.Finite(jnp.log(shares)))
    np.testing.assert_allclose(np.exp(tilted.log_probs), [[2 / 7, 0, 5 / 7], [0, 1, 0]], atol=1e-6)
    assert float(log_mean) == pytest.approx(np.log(0.7 * 0.1), rel=1e-5)
    assert float(Among(allowed).log_factor(jnp.array([2, 1]))) == 0.0 > -1e20 > float(Among(allowed).log_factor(jnp.array([1, 1])))


def test_no_event_is_refused() -> None:
    kernel = qs.make("kernel", "gaussian", qs.Real((2,)))
    diffusion = qs.Diffusion(kernel, qs.make("model", "dense", qs.Ports.of(kernel), key=jax.random.key(0), width=4), 3)
    nothing = Between(jnp.zeros((0, 2)), jnp.zeros((0, 2)), "", None)
    with pytest.raises(ValueError, match="at least one event"):
        weighted_draws(qs.make("sampler", "particles"), diffusion, nothing, key=jax.random.key(0), draws=1)
