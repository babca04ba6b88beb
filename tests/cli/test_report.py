"""The report page: whole, readable without anything else, with the values that were measured."""

from __future__ import annotations

import base64
import html
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import attrs
import numpy as np
import pytest

import quasistatic as qs
from quasistatic._process.estimate import Estimate
from quasistatic._recipes.wire import components
from quasistatic._report.page import HtmlTable, Picture, page
from quasistatic._report.run_report import _of_data, format_estimate, run_report
from quasistatic._report.summary import Summary, all_rows, summarise
from quasistatic._storage.folder import RunFolder
from quasistatic._training.store import Progress
from quasistatic_plugins.jsonl import JsonlOptions
from quasistatic_plugins.jsonl.observer import JsonLines

VOID = {"meta", "img"}
TINY = {
    "model.width": 8,
    "model.depth": 1,
    "training.updates": 20,
    "training.batch": 8,
    "training.validate_every": 10,
    "training.validation_events": 16,
    "trajectory.steps": 4,
    "evaluation.trajectory_steps": [4, 8],
    "evaluation.events": 50,
    "evaluation.samples": 8,
}


class Page(HTMLParser):
    """Tags with their attributes, the cells of tables; refuses tags that do not match."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self._open: list[str] = []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def test_all_text_is_escaped():
    evil = "<script>alert('1')</script>&\""
    table = HtmlTable(evil, (evil,), ((evil, evil),), evil)
    picture = Picture("p", evil, b"png", 5.0, evil)
    text = page(evil, evil, [(evil, evil)], [evil], [table, picture], evil, [evil])
    tags = [tag for tag, _ in Page(text).tags]
    assert "script" not in tags
    assert "<script" not in text
    assert text.count(html.escape(evil)) == 16  # the title twice, a picture's title in its alt text too
    assert Page(text).rows == [[evil], [evil, evil]]


def test_a_picture_is_inside_the_page():
    text = page("t", "s", [], [], [Picture("p", "title", b"\x89PNG...", 5.0)], "", [])
    (image,) = [attrs for tag, attrs in Page(text).tags if tag == "img"]
    assert image["src"] == "data:image/png;base64," + base64.b64encode(b"\x89PNG...").decode()
    assert image["alt"] == "title"


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (-2.61103, 0.02789, "-2.611 \u00b1 0.028"),
        (-19.004, 0.3, "-19.00 \u00b1 0.30"),
        (-123.4, 17.0, "-123 \u00b1 17"),
        (-1.94937, math.nan, "-1.9494"),
        (-2.321928, 0.0, "-2.3219"),
        (-2.321928, 1e-17, "-2.3219"),
    ],
)
def test_two_digits_of_the_error_and_as_many_of_the_value(value, error, text):
    assert format_estimate(Estimate(value, error, "nats")) == text


def finished(folder: Path, recipe: str, **options: object) -> tuple[Summary, RunFolder]:
    """A short run of a recipe, and what `quasistatic run` does after it."""
    run = qs.train(qs.load_recipe(recipe, {**TINY, **options}), observers=[JsonLines(JsonlOptions(every=5), folder)], out=folder)
    return summarise(run), RunFolder.open(folder)


@pytest.fixture(scope="module")
def swiss_roll(tmp_path_factory) -> tuple[Summary, RunFolder, str]:
    summary, folder = finished(tmp_path_factory.mktemp("runs") / "swiss", "swiss-roll")
    return summary, folder, run_report(summary, folder)


def test_the_page_needs_nothing_else(swiss_roll):
    _, _, text = swiss_roll
    tags = Page(text).tags
    assert not {"script", "link", "iframe", "object", "a"} & {tag for tag, _ in tags}
    named = [attrs[key] for _, attrs in tags for key in ("src", "href", "srcset") if key in attrs]
    assert named and all(name.startswith("data:image/png;base64,") for name in named)
    assert "://" not in re.sub(r"base64,[^\"]*", "", text) and "@import" not in text and "url(" not in text
    assert not any(key.startswith("on") for _, attrs in tags for key in attrs)


def test_every_bound_is_there_with_its_steps_its_error_and_three_units(swiss_roll):
    summary, _, text = swiss_roll
    rows = Page(text).rows
    measured = [("test", value) for value in summary.by_steps.values()]
    measured += [(name, summary.by_split[name]) for name in ("train", "validation")]
    for name, value in measured:
        bound = value.bound
        units = [format_estimate(bound.to(unit)) for unit in ("bits", "nats", "bits/dim")]
        assert [name, str(value.ledger.steps), str(bound.events), *units] in rows
        assert format_estimate(bound) in units and "\u00b1" in units[0]
    assert "K, a lower bound on the mean log-likelihood, in model units" in text
    assert ["split", "T", "events", "bits per event", "nats per event", "bits per dim"] in rows
    assert {value.ledger.steps for value in summary.by_steps.values()} == {4, 8}


def test_the_bound_stands_beside_the_truth_the_null_model_and_its_own_terms(swiss_roll):
    summary, _, text = swiss_roll
    rows = {row[0]: row[1:] for row in Page(text).rows if row}
    main = summary.main
    for label, value in (
        ("K (T = 4), in model units", main.bound),
        ("truth of the same events, in model units", main.mean_truth),
        ("truth - K", main.dissipation),
        ("null model, in model units", main.mean_null),
        ("K - null model", main.gain),
        ("K in the units of the data", main.user_bound),
    ):
        assert rows[label] == [format_estimate(value.to(unit)) for unit in ("bits", "nats", "bits/dim")]
    parts = (main.ledger.first, main.ledger.total_gap, main.ledger.prior)
    assert rows["4"] == [*(format_estimate(part.to("bits")) for part in parts), str(main.ledger.evaluations)]


def test_log_densities_say_in_which_units_they_are(swiss_roll):
    summary, folder, text = swiss_roll
    rows = [label for label, _ in all_rows(summary) if label not in ("truth - K", "K - null model") and label[0] != " "]
    assert len(rows) == 7 and all(re.search("in model units$|in the units of the data$", label) for label in rows)
    tiles = [html.unescape(label) for label in re.findall("<dt>(.*?)</dt>", text)]
    assert tiles[:3] == [f"{name}, in model units, bits per event" for name in ("K (T = 4)", "K (T = 8)", "truth")]
    assert "The terms of -K, in model units, bits per event" in text

    def without_density(value):
        return attrs.evolve(value, log_scale=None)

    by_steps = {steps: without_density(value) for steps, value in summary.by_steps.items()}
    by_split = {name: without_density(value) for name, value in summary.by_split.items()}
    plain = Summary(summary.run, by_steps, by_split, {})
    assert not any("units" in label for label, _ in all_rows(plain)) and "in model units" not in run_report(plain, folder)


def test_notes_keep_the_names_of_columns_as_they_are():
    assert _of_data(("h: real, some missing", "splits: 3 train.")) == "Data: h: real, some missing; splits: 3 train."
    assert _of_data(()) == ""


def test_simple_models_of_the_source_stand_there_too(swiss_roll):
    summary, folder, _ = swiss_roll
    main = summary.finest  # K of the largest T is compared
    simple = {"a good model": main.ledger.per_event + 0.5, "a bad model": np.full(50, -30.0)}
    told = Summary(summary.run, summary.by_steps, summary.by_split, simple)
    text = run_report(told, folder)
    table = [row for row in Page(text).rows if row][:5]
    units = [format_estimate(main.user_bound.to(unit)) for unit in ("bits", "nats", "bits/dim")]
    # first of all K in the units of the data, then what it is over the best of them, then all, the best first
    assert table[1] == ["K (T = 8), in the units of the data", *units]
    assert table[2][0] == "K - a good model" and table[2][2] == "-0.5000"
    assert table[3][0] == "a good model"
    assert table[4][0] == "a bad model" and table[4][2] == f"{-30 - main.log_scale.mean():.4f}"
    (advice,) = told.advice()
    assert "K is 0.5000 nats per event below the simple model 'a good model'" in advice and html.escape(advice) in text
    assert "more updates (training.updates)" in advice
    best = summary.run.best
    fell = attrs.evolve(summary.run.progress, history=(best, attrs.evolve(best, update=99, bound_nats=best.bound_nats - 1)))
    overfitted = Summary(attrs.evolve(summary.run, progress=fell), summary.by_steps, summary.by_split, simple)
    assert "more training events" in overfitted.advice()[0] and "more updates" not in overfitted.advice()[0]
    assert not Summary(summary.run, summary.by_steps, summary.by_split, {"a bad model": np.full(50, -30.0)}).advice()
    found = told.to_dict()["baselines"]["a bad model"]
    assert found["value"]["value"] == -30 and found["value_in_user_units"]["value"] == pytest.approx(-30 - main.log_scale.mean())
    assert found["gain"]["value"] == pytest.approx(main.bound.value + 30)


def test_pictures_are_in_the_page_and_in_the_folder(swiss_roll):
    _, folder, text = swiss_roll
    images = [attrs["src"] for tag, attrs in Page(text).tags if tag == "img"]
    inside = {base64.b64decode(image.partition("base64,")[2]) for image in images}
    files = {path.name: path.read_bytes() for path in folder.pictures.iterdir()}
    assert set(files) == {f"{name}.png" for name in ("trajectories", "drift", "samples", "bound", "ledger")}
    assert set(files.values()) == inside and all(data.startswith(b"\x89PNG") for data in inside)


def test_what_was_run_can_be_read_off_the_page(swiss_roll):
    summary, _, text = swiss_roll
    assert html.escape(summary.run.recipe.to_toml()) in text
    for said in ("<h1>swiss-roll</h1>", "2 real per event", "kernel gaussian", "T = 4", "20 updates", "seed 0", "jax "):
        assert said in text


def test_the_references_of_all_components_are_there(swiss_roll):
    """Those of the parts of an event too, whose kernels no recipe names."""
    manager, (_, _, text) = qs.plugins(), swiss_roll
    for kind, name in (("source", "swiss-roll"), ("kernel", "gaussian"), ("objective", "bound"), ("sampler", "ancestral")):
        cited = manager.component(kind, name).references
        assert cited and f"{kind} {name}: {html.escape('; '.join(cited))}." in text
    recipe, event = qs.load_recipe("mixed"), qs.make("source", "mixed", test_events=1).event
    assert set(recipe.choices["kernel"].parts) == {"place"}
    used = {(each.kind, each.name) for each in components(recipe, event, manager)}
    assert used >= {
        ("kernel", "product"),
        ("kernel", "gaussian"),
        ("kernel", "binomial"),
        ("kernel", "uniform"),
        ("source", "mixed"),
    }


def test_the_history_is_that_of_the_checkpoint_and_without_one_its_picture_is_left_out(swiss_roll):
    summary, folder, text = swiss_roll
    folder.metrics.unlink()  # an observer wrote it; nothing depends on it
    assert "K over training" in text and "K over training" in run_report(summary, folder)
    fresh = attrs.evolve(summary, run=attrs.evolve(summary.run, progress=Progress()))
    assert "K over training" not in run_report(fresh, folder)


def test_bits_have_no_drift_and_samples_are_judged(tmp_path):
    # more samples than test events
    options = {"evaluation.trajectory_steps": [4], "evaluation.samples": 48, "source.test_events": 20, "evaluation.events": 20}
    summary, folder = finished(tmp_path / "run", "heartbeat", **options)
    text = run_report(summary, folder)
    assert "Where the way back leads" not in text
    assert re.search(r"48 samples: valid [\d.]+\.", text)


def test_a_source_and_a_network_add_sections_of_their_own(swiss_roll, monkeypatch):
    """In their order: tables behind those of every run, pictures behind the samples, or before all where they ask for it."""
    summary, folder, plain = swiss_roll

    class Reporting(qs.pictures.AbstractReporting):
        def __init__(self, *sections):
            self._sections = sections

        def report(self, reported):
            assert reported.run is summary.run and len(reported.walks.back.x) >= len(reported.data)
            yield from self._sections

    first, last = (Picture(name, f"section {name}", b"png", 3.0, is_first=name == "first") for name in ("first", "last"))
    own, table = Reporting(last, first), HtmlTable("section table", ("", "a"), (("b", "c"),))
    network = Reporting(table)
    monkeypatch.setattr("quasistatic._report.run_report.capability", lambda each, kind: own if each is run.source else network)
    run = summary.run
    monkeypatch.setattr("quasistatic._report.run_report._walks", lambda reported: [Picture("walks", "the walks", b"png", 3.0)])
    text = run_report(summary, folder)
    places = [
        text.index(title)
        for title in ("section table", "<h2>Training", "section first", "the walks", "section last", "K over training")
    ]
    assert places == sorted(places)
    assert not any(name in plain for name in ("section table", "section first", "section last"))
