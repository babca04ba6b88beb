"""Observers: what they show and write, after an interruption too, and that trouble with files is one sentence."""

from __future__ import annotations

import contextlib
import json
import math
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event

import quasistatic as qs
from quasistatic._recipes.wire import build_task
from quasistatic._training.loop import fit_task
from quasistatic._training.observer import GuardedObserver
from quasistatic_plugins.dense import DenseOptions
from quasistatic_plugins.dense.model import Dense
from quasistatic_plugins.gaussian import GaussianOptions
from quasistatic_plugins.gaussian.kernel import GaussianKernel
from quasistatic_plugins.jsonl import JsonlOptions
from quasistatic_plugins.jsonl.observer import JsonLines
from quasistatic_plugins.progress import ProgressOptions
from quasistatic_plugins.progress.observer import ProgressBar
from quasistatic_plugins.tensorboard import TensorboardOptions
from quasistatic_plugins.tensorboard import observer as tensorboard
from quasistatic_plugins.tensorboard.observer import TensorBoard

FULL = Path("/dev/full")
on_linux = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")


class Line(qs.AbstractGeneratedSource):
    """Points on a line in the plane."""

    event = qs.Real((2,))

    def draw(self, row, *, key):
        return jnp.array([1.0, -1.0]) * jr.normal(key), None


@pytest.fixture(scope="module")
def diffusion() -> qs.Diffusion:
    kernel = GaussianKernel(GaussianOptions(), qs.Real((2,)))
    return qs.Diffusion(kernel, Dense(DenseOptions(width=4, depth=1), qs.Ports.of(kernel), key=jr.key(0)), 3)


@pytest.fixture
def info() -> qs.RunInfo:
    return qs.RunInfo({}, "2 real", 10, 40, 0, 1000, Line(0, 20, 20), qs.Ancestral())


def make_ledger(bound: float = -2.0, steps: int = 3, events: int = 4) -> qs.Ledger:
    """First step 0.5, steps 0.2 each, the rest left at t = 1; nothing random."""
    terms = np.full((events, steps + 1), 0.2)
    terms[:, 0] = 0.5
    terms[:, -1] = -bound - terms[:, :-1].sum(axis=1)
    return qs.Ledger(np.linspace(0, 1, steps), {"": terms}, steps, {"dim": 2})


def lines_of(folder: Path) -> list[dict]:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    text = (folder / "metrics.jsonl").read_text()
    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]


class TestJsonLines:
    def train(self, folder: Path, info: qs.RunInfo, first: int, last: int, reason: str = "done") -> None:
        """Chunks of 50 updates with a validation every 400; what is reported is a function of the update alone."""
        observer = JsonLines(JsonlOptions(), folder)
        observer.start(attrs.evolve(info, first_update=first))
        for update in range(first + 50, last + 50, 50):
            observer.progress(update, {"loss_nats": 1 / update})
            if update % 400 == 0:
                observer.validation(update, make_ledger(-1 / update), None)
        if reason == "killed":
            observer._close()
        else:
            observer.finish(last, reason)

    def test_values_in_nats_with_their_errors_and_their_steps(self, tmp_path, info):
        self.train(tmp_path, info, 0, 400)
        start, *progress, validation, finish = lines_of(tmp_path)
        assert start["kind"] == "start" and start["updates"] == 1000
        assert [line["update"] for line in progress] == [100, 200, 300, 400]
        assert progress[1] == {"kind": "progress", "update": 200, "loss_nats": 1 / 200}
        assert validation["bound_nats"] == pytest.approx(-1 / 400)
        assert validation["bound_bits_per_dim"] == pytest.approx(-1 / 400 / math.log(2) / 2)
        assert validation["first_nats"] + validation["gaps_nats"] + validation["prior_nats"] == pytest.approx(1 / 400)
        assert validation["first_nats"] == 0.5 and validation["gaps_nats"] == pytest.approx(0.4)
        assert validation["standard_error_nats"] == pytest.approx(0, abs=1e-12)
        assert (validation["trajectory_steps"], validation["events"], validation["evaluations"]) == (3, 4, 3)
        assert finish == {"kind": "finish", "update": 400, "reason": "done"}

    @pytest.mark.parametrize("checkpoint", [0, 250, 400, 650])
    @pytest.mark.parametrize("reason", ["killed", "stopped"])
    def test_a_resumed_run_leaves_the_file_of_an_uninterrupted_one(self, tmp_path, info, checkpoint, reason):
        whole, broken = tmp_path / "whole", tmp_path / "broken"
        whole.mkdir()
        broken.mkdir()
        self.train(whole, info, 0, 1000)
        self.train(broken, info, 0, 650, reason)
        if reason == "killed":
            with (broken / "metrics.jsonl").open("ab") as file:
                file.write(b'{"kind": "progress", "update": 3\xff')
        self.train(broken, info, checkpoint, 1000)
        assert (broken / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()
        assert [path.name for path in broken.iterdir()] == ["metrics.jsonl"]

    def test_what_is_on_the_disk_is_readable_at_any_time(self, tmp_path, info):
        observer = JsonLines(JsonlOptions(every=1), tmp_path)
        observer.start(info)
        observer.progress(10, {"loss_nats": 1.0})
        assert [line["kind"] for line in lines_of(tmp_path)] == ["start", "progress"]
        observer.finish(10, "failed")

    def test_what_is_not_finite_is_null(self, tmp_path, info):
        observer = JsonLines(JsonlOptions(every=1), tmp_path)
        observer.start(info)
        observer.progress(1, {"loss_nats": math.nan, "gradient_norm": math.inf})
        observer.validation(1, make_ledger(events=1), None)  # one event has no standard error
        observer.finish(1, "failed")
        _, progress, validation, _ = lines_of(tmp_path)
        assert progress["loss_nats"] is None and progress["gradient_norm"] is None
        assert validation["standard_error_nats"] is None and validation["bound_nats"] == -2.0

    @on_linux
    def test_a_full_disk_is_reported_once_with_the_path(self, tmp_path, info):
        observer = JsonLines(JsonlOptions(every=1), tmp_path)
        observer.start(info)
        observer._file.close()
        observer._file = FULL.open("w")
        with pytest.raises(qs.errors.QuasistaticError, match=r"metrics\.jsonl: cannot be written: No space left"):
            observer.progress(1, {"loss_nats": 1.0})
        observer.finish(1, "failed")

    def test_without_a_folder_it_does_nothing(self, info, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        self.train(None, info, 0, 400)
        assert not list(tmp_path.iterdir())


def events_of(folder: Path) -> Iterator[Event]:
    """The records of all event files, oldest first: a length, its checksum, an event, its checksum."""
    for path in sorted((folder / "tensorboard").iterdir(), key=lambda path: int(path.suffix[1:])):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            assert len(data) >= 16 + length, "cut short"
            yield Event.FromString(data[12 : 12 + length])
            data = data[16 + length :]


def values_of(folder: Path) -> dict[tuple[str, int], object]:
    return {(value.tag, event.step): value for event in events_of(folder) for value in event.summary.value}


class TestTensorBoard:
    def test_scalars_histograms_and_pictures(self, tmp_path, info, diffusion):
        observer = TensorBoard(TensorboardOptions(), tmp_path)
        observer.start(info)
        for update in (50, 100, 150, 200):
            observer.progress(update, {"loss_nats": 1 / update})
        observer.validation(200, make_ledger(-1.5), diffusion)
        observer.finish(200, "done")
        values = values_of(tmp_path)
        assert values["training/loss_nats", 100].simple_value == pytest.approx(1 / 100)
        assert ("training/loss_nats", 150) not in values and ("training/loss_nats", 200) in values
        assert values["validation/bound_nats", 200].simple_value == -1.5
        assert values["validation/bound_bits_per_dim", 200].simple_value == pytest.approx(-1.5 / math.log(2) / 2)
        assert values["validation/standard_error_nats", 200].simple_value == pytest.approx(0)
        parts = [values[f"ledger/{part}_nats", 200].simple_value for part in ("first", "gaps", "prior")]
        assert parts == pytest.approx([0.5, 0.4, 0.6])
        weights = [value.histo.num for (tag, _), value in values.items() if tag.startswith("model")]
        leaves = jax.tree.leaves(eqx.filter(diffusion.model, eqx.is_inexact_array))
        assert sorted(weights) == sorted(leaf.size for leaf in leaves)
        # zero params reverse unit-normal data exactly, in steps of any length
        assert abs(values["thermodynamics/dissipated_nats", 200].simple_value) < 1e-3
        # unit-normal data in two dimensions: a^4 tr C^2 / d^4 is 2 a^4 without noise
        highest = values["thermodynamics/susceptibility_nats", 200].simple_value
        assert highest == pytest.approx(2.0 * (1.0 - 1e-4) ** 2, rel=0.02)
        assert 0.0 <= values["thermodynamics/most_susceptible_time", 200].simple_value <= 1.0
        for tag in ("samples", "ledger"):
            image = values[tag, 200].image
            assert image.encoded_image_string.startswith(b"\x89PNG") and image.width > image.height / 2 > 0

    @pytest.mark.parametrize(("reason", "last"), [("done", [900]), ("stopped", []), ("failed", [])])
    def test_samples_are_drawn_at_doublings_and_at_the_end(self, tmp_path, info, diffusion, monkeypatch, reason, last):
        monkeypatch.setattr(tensorboard, "PATIENCE", -1)
        observer = TensorBoard(TensorboardOptions(), tmp_path)
        observer.start(info)
        for update in range(0, 901, 100):
            observer.validation(update, make_ledger(-1.5), diffusion)
        observer.finish(900, reason)
        values = values_of(tmp_path)
        assert [update for tag, update in values if tag == "samples"] == [100, 200, 300, 600, *last]
        assert [update for tag, update in values if tag == "validation/bound_nats"] == list(range(0, 901, 100))

    def test_a_short_training_has_samples_at_its_end_alone(self, tmp_path, info, diffusion):
        observer = TensorBoard(TensorboardOptions(), tmp_path)
        observer.start(info)
        for update in (0, 10, 20):
            observer.validation(update, make_ledger(-1.5), diffusion)
        observer.finish(20, "done")
        assert [update for tag, update in values_of(tmp_path) if tag == "samples"] == [20]

    @pytest.mark.parametrize("fails", [False, True])
    def test_small_events_are_measured_in_haste_and_nothing_else_is(self, tmp_path, info, diffusion, monkeypatch, fails):
        """A training that went on without optimisation would be slow, and nobody would know why."""
        hasty = []

        def watched(*_arguments):
            hasty.append(jax.config.read("jax_disable_most_optimizations"))
            if fails:
                raise ArithmeticError
            return {}

        monkeypatch.setattr(tensorboard, "_thermodynamics", watched)
        monkeypatch.setattr(tensorboard, "PATIENCE", -1)
        observer = TensorBoard(TensorboardOptions(), tmp_path)
        observer.start(info)
        with pytest.raises(ArithmeticError) if fails else contextlib.nullcontext():
            observer.validation(20, make_ledger(-1.5), diffusion)
        observer.finish(20, "done")
        assert hasty == [True] and jax.config.read("jax_disable_most_optimizations") is False

    def test_a_resumed_run_hides_what_came_after_its_checkpoint(self, tmp_path, info):
        for first in (0, 200):
            observer = TensorBoard(TensorboardOptions(), tmp_path)
            observer.start(attrs.evolve(info, first_update=first))
            observer.progress(first + 100, {"loss_nats": 1.0})
            observer.finish(first + 100, "stopped")
        starts = [event.step for event in events_of(tmp_path) if event.HasField("session_log")]
        assert starts == [1, 201]  # readers drop what has this step or a later one
        assert len(list((tmp_path / "tensorboard").iterdir())) == 2

    def test_validations_can_be_read_while_the_run_goes_on(self, tmp_path, info, diffusion):
        observer = TensorBoard(TensorboardOptions(), tmp_path)
        observer.start(info)
        observer.validation(10, make_ledger(), diffusion)
        assert ("validation/bound_nats", 10) in values_of(tmp_path)
        observer.finish(10, "done")

    @on_linux
    def test_a_full_disk_stops_with_a_message_instead_of_blocking(self, tmp_path, info):
        observer = TensorBoard(TensorboardOptions(), tmp_path)
        observer.start(info)
        record = observer._writer._py_recordio_writer
        record._writer.close()
        with FULL.open("wb", buffering=0) as record._writer:
            with pytest.raises(qs.errors.QuasistaticError, match="tensorboard: cannot be written: No space left"):
                observer.progress(100, {"loss_nats": 1.0})
            observer.finish(100, "failed")

    def test_a_folder_that_cannot_be_made_is_named(self, tmp_path, info):
        (tmp_path / "tensorboard").write_text("a file")
        with pytest.raises(qs.errors.QuasistaticError, match="tensorboard: cannot be written"):
            TensorBoard(TensorboardOptions(), tmp_path).start(info)

    def test_without_a_folder_it_does_nothing(self, info, diffusion, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        observer = TensorBoard(TensorboardOptions(), None)
        observer.start(info)
        observer.progress(100, {"loss_nats": 1.0})
        observer.validation(100, make_ledger(), diffusion)
        observer.finish(100, "done")
        assert not list(tmp_path.iterdir())


class TestProgressBar:
    def make(self, info: qs.RunInfo) -> tuple[ProgressBar, Callable[[float], None]]:
        now = [0.0]
        observer = ProgressBar(ProgressOptions(), None, clock=lambda: now[0])
        observer.start(info)

        def at(seconds: float) -> None:
            now[0] = seconds

        return observer, at

    def test_lines_where_there_is_no_terminal(self, capsys, info):
        observer, at = self.make(info)
        for update, seconds in ((10, 30), (20, 31), (30, 41), (200, 42), (210, 62)):
            at(seconds)
            observer.progress(update, {"loss_nats": 1.25})
        observer.validation(210, make_ledger(-math.log(2)), None)
        observer.finish(210, "stopped")
        out, err = capsys.readouterr()
        assert out == ""
        # compiling took 30 s and is left out of the pace; no line within 10 s or 1 % of the run of the one before
        assert err.splitlines() == [
            "update 10 of 1000: loss 1.250 nats",
            "update 30 of 1000: loss 1.250 nats, 0:08:54 left",
            "update 210 of 1000: loss 1.250 nats, 0:02:06 left",
            "update 210 of 1000: K (T = 3) -1.0000 +- 0.0000 bits per event",
        ]

    def test_a_long_run_fills_no_log(self, capsys, info):
        observer, at = self.make(attrs.evolve(info, updates=100_000))
        for update in range(100, 100_001, 100):
            at(update)
            observer.progress(update, {"loss_nats": 1.0})
        assert len(capsys.readouterr().err.splitlines()) == 100

    def test_a_bar_where_there_is_one(self, capsys, info, monkeypatch):
        for name, value in (("FORCE_COLOR", "1"), ("TERM", "xterm"), ("COLUMNS", "100")):
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("NO_COLOR", raising=False)
        stdout, stderr = sys.stdout, sys.stderr
        observer, at = self.make(attrs.evolve(info, first_update=400))
        assert sys.stdout is stdout  # it may be a pipe that somebody reads
        at(1.0)
        observer.progress(500, {"loss_nats": 1.25})
        at(2.0)
        observer.progress(600, {"loss_nats": 1.5})
        observer.validation(600, make_ledger(-math.log(2)), None)
        observer.finish(600, "done")
        observer.finish(600, "done")
        assert sys.stderr is stderr
        out, err = capsys.readouterr()
        assert out == ""
        assert "compiling" in err and "400/1000" in err and "600/1000" in err
        assert "loss 1.500 nats, 0:00:04 left" in err
        assert "update 600 of 1000: K (T = 3) -1.0000 +- 0.0000 bits per event" in err

    def test_large_events_are_measured_in_nats(self, capsys, info):
        observer, _ = self.make(info)
        observer.validation(10, attrs.evolve(make_ledger(), units={"dim": 64}), None)
        assert capsys.readouterr().err == "update 10 of 1000: K (T = 3) -2.0000 +- 0.0000 nats per event\n"


TINY = {
    "training.updates": 40, "training.batch": 8, "training.validate_every": 20, "training.validation_events": 8,
    "training.checkpoint_every": 20, "model.width": 8, "model.depth": 1, "trajectory.steps": 3, "evaluation.events": 8,
    "evaluation.trajectory_steps": [3], "evaluation.samples": 4, "training.observers": [],
}  # fmt: skip
OCCASIONS = ("start", "progress", "validation", "finish")


class Faulty(qs.AbstractObserver):
    """Raises on one occasion, every time; keeps the names of its calls."""

    def __init__(self, occasion: str, error: BaseException):
        self.occasion, self.error = occasion, error
        self.calls: list[str] = []

    def _called(self, occasion: str) -> None:
        self.calls.append(occasion)
        if occasion == self.occasion:
            raise self.error

    def start(self, info):
        self._called("start")

    def progress(self, update, metrics):
        self.metrics = dict(metrics)
        metrics.clear()
        self._called("progress")

    def validation(self, update, ledger, diffusion):
        self._called("validation")

    def finish(self, update, reason):
        self._called("finish")


def call_all(observer: qs.AbstractObserver) -> None:
    """The calls of a run of two chunks."""
    observer.start(None)
    for update in (10, 20):
        observer.progress(update, {"loss_nats": 1.0})
        observer.validation(update, None, None)
    observer.finish(20, "done")


class TestIsolation:
    @pytest.mark.parametrize("occasion", OCCASIONS)
    @pytest.mark.parametrize(
        ("error", "name"),
        [(KeyError("x"), "KeyError: 'x'"), (SystemExit(3), "SystemExit: 3"), (MemoryError(), "MemoryError")],
    )
    def test_an_observer_that_raises_is_reported_once_and_called_no_more(self, occasion, error, name):
        observer, reported = Faulty(occasion, error), []
        call_all(GuardedObserver(observer, "observer 'tally' of plugin 'thinning' (quasistatic-thinning 0.1.0)", reported.append))
        goes_on = "" if occasion == "finish" else ", training goes on"
        assert reported == [
            f"observer 'tally' of plugin 'thinning' (quasistatic-thinning 0.1.0) raised {name} in {occasion}; "
            f"it is switched off{goes_on}"
        ]
        assert observer.calls.count(occasion) == 1 and observer.calls[-1] == occasion

    def test_a_healthy_observer_notices_nothing(self):
        observer, reported = Faulty("never", KeyError()), []
        call_all(GuardedObserver(observer, "", reported.append))
        assert reported == []
        assert observer.calls == ["start", "progress", "validation", "progress", "validation", "finish"]

    def test_whoever_interrupts_the_program_is_obeyed(self):
        with pytest.raises(KeyboardInterrupt):
            call_all(GuardedObserver(Faulty("progress", KeyboardInterrupt())))

    def test_in_the_library_it_is_a_warning(self):
        message = "^observer Faulty raised KeyError: 'x' in start; it is switched off, training goes on$"
        with pytest.warns(RuntimeWarning, match=message):
            call_all(GuardedObserver(Faulty("start", KeyError("x"))))

    def test_training_ends_with_the_same_bits(self):
        task = build_task(qs.load_recipe("swiss-roll", TINY), qs.plugins())
        alone = fit_task(task)
        faulty = [Faulty(occasion, ValueError(occasion)) for occasion in OCCASIONS]
        healthy = Faulty("never", ValueError())
        with pytest.warns(RuntimeWarning) as warned:
            watched = fit_task(task, [*faulty, healthy])
        assert sorted(str(each.message).partition(" in ")[2].partition(";")[0] for each in warned) == sorted(OCCASIONS)
        assert healthy.calls == ["start", "validation", *(["progress"] * 2 + ["validation"]) * 2, "finish"]
        assert set(healthy.metrics) == {"loss_nats", "gradient_norm"}  # whatever the others did to theirs
        assert eqx.tree_equal(alone.state, watched.state) and alone.progress == watched.progress and watched.reason == "done"

    def test_a_failed_run_is_reported_as_such_whatever_observers_do(self):
        def stop() -> bool:
            raise qs.DataError("the disk is on fire")

        task = build_task(qs.load_recipe("swiss-roll", TINY), qs.plugins())
        healthy = Faulty("never", ValueError())
        with pytest.warns(RuntimeWarning, match="in finish"), pytest.raises(qs.DataError, match="on fire"):
            fit_task(task, [Faulty("finish", ValueError()), healthy], stop=stop)
        assert healthy.calls == ["start", "validation", "finish"]


class TestIsolationOnTheCommandLine:
    """The same of a plugin's observer, which is named with its plugin."""

    OWNER = "observer 'raising' of plugin 'raising_observer' (bad-raising-observer 0.1)"

    @pytest.fixture
    def train(self, cli, install_plugin, tmp_path):
        install_plugin("raising_observer")

        def call(name: str, **options: Any):
            chosen = {**TINY, "training.observers": '["raising", "jsonl"]'}
            chosen |= {f"observer.raising.{key}": value for key, value in options.items()}
            words = [word for key, value in chosen.items() for word in ("--set", f"{key}={value}")]
            return cli("run", "swiss-roll", "--out", tmp_path / name, "--json", *words)

        return call

    def test_it_is_reported_once_and_the_run_is_that_without_it(self, train, tmp_path):
        result = train("faulty", when="progress")
        assert result.exit_code == 0, result.output
        assert result.stderr.splitlines() == [
            f"warning: {self.OWNER} raised KeyError: 'progress' in progress; it is switched off, training goes on"
        ]
        assert train("healthy", when="finish", exits="true").stderr.count("raised SystemExit: 4 in finish") == 1
        states = [sorted((tmp_path / name).rglob("state.safetensors")) for name in ("faulty", "healthy")]
        assert len(states[0]) == len(states[1]) == 2
        for one, other in zip(*states, strict=True):
            assert one.read_bytes() == other.read_bytes()
        assert lines_of(tmp_path / "faulty") == lines_of(tmp_path / "healthy")

    @pytest.mark.parametrize(("exits", "error"), [("false", "KeyError: 'build'"), ("true", "SystemExit: 4")])
    def test_one_that_cannot_be_built_is_an_error_before_anything_is_lost(self, train, exits, error):
        result = train("unbuilt", when="build", exits=exits)
        assert result.exit_code == 2
        assert f"Error: {self.OWNER} cannot be built: {error}\n" in result.stderr
