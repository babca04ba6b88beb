"""Pictures show what they say: the right values at the right places, with units; matplotlib stays as it was."""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs
import jax.random as jr
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import quasistatic as qs
from quasistatic._data.draw import worth_drawing
from quasistatic._process import trajectory
from quasistatic._report import film
from quasistatic._report.page import page
from quasistatic._report.pictures import Walks
from quasistatic._training.store import Measured
from quasistatic.errors import printable
from quasistatic.kits import arrays, networks, pictures
from quasistatic.kits.pictures import restoring
from quasistatic.kits.pictures.panels import HIDDEN
from quasistatic.thermodynamics.steps import EntropyBounds
from quasistatic_plugins.binomial import BinomialOptions
from quasistatic_plugins.binomial.kernel import BinomialKernel
from quasistatic_plugins.dense import DenseOptions
from quasistatic_plugins.dense.model import Dense
from quasistatic_plugins.gaussian import GaussianOptions
from quasistatic_plugins.gaussian.kernel import GaussianKernel
from quasistatic_plugins.thermodynamics.drawing import _entropy

BIT = math.log(2)


class Anything(qs.AbstractGeneratedSource):
    """Unit-normal events, or even bits, of any shape."""

    def __init__(self, event: qs.AbstractField):
        super().__init__(0, 10, 10)
        self.event = event

    def draw(self, row, *, key):
        return jr.normal(key, self.event.shape), None


class Shown(Anything, qs.sources.AbstractPictures):
    """The same, which are pictures."""


def make(event: qs.AbstractField, steps: int = 5) -> qs.Diffusion:
    kernel = (
        GaussianKernel(GaussianOptions(schedule="erasure", first_noise=0.0, last_survival=0.0), event)
        if isinstance(event, qs.Real)
        else BinomialKernel(BinomialOptions(), event)
    )
    return qs.Diffusion(kernel, Dense(DenseOptions(width=4, depth=1), qs.Ports.of(kernel), key=jr.key(0)), steps)


def data(event: qs.AbstractField, count: int) -> np.ndarray:
    xs = np.random.default_rng(0).normal(size=(count, *event.shape)).astype(np.float32)
    return xs if isinstance(event, qs.Real) else (xs > 0).astype(np.float32)


def walked(event: qs.AbstractField, count: int = 9, times: tuple[float, ...] = (0.2, 0.6, 1.0)) -> Walks:
    """Some walks, made up."""
    kinds = [data(type(event)((len(times), *event.shape)), count) for _ in range(2)]
    x, earlier = data(event, count), np.array([np.nan, *times[:-1]])
    return Walks(np.array(times), trajectory.Path(x, kinds[0]), trajectory.Path(x[::-1], kinds[1] + 0.0), earlier)


def words(figure: Figure) -> str:
    from matplotlib.text import Text

    return "\n".join(text.get_text() for text in figure.findobj(Text))


@pytest.mark.parametrize(("form", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_figure_becomes_a_file(form, begins):
    figure = qs.pictures.samples(Anything(qs.Real((2,))), data(qs.Real((2,)), 5))
    assert qs.pictures.encode(figure, form).startswith(begins)


def test_matplotlib_stays_as_it_was(python: Callable[..., str]):
    code = """
import sys, quasistatic
assert "matplotlib" not in sys.modules
import matplotlib, numpy as np
settings = lambda: {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if name != "backend"}
before = settings()
ledger = quasistatic.Ledger(np.array([0.5, 1.0]), {"": np.ones((3, 3))}, 2, {"dim": 1})
quasistatic.pictures.encode(quasistatic.pictures.ledger_per_step(ledger))
from quasistatic._training.store import Measured
history = [Measured(1, -2.0, 0.1, 4), Measured(2, -1.0, 0.1, 4)]
quasistatic.pictures.encode(quasistatic.pictures.bound_history(history))
assert settings() == before
assert "matplotlib.pyplot" not in sys.modules
"""
    python(code)


class TestWalk:
    def test_data_are_destroyed_by_the_kernel_and_the_way_back_starts_at_equilibrium(self):
        event = qs.Real((2,))
        diffusion, xs = make(event, 20), data(event, 2000)
        walks = qs.pictures.walk(diffusion, xs, key=jr.key(1))
        assert walks.times == pytest.approx([0.05, 0.25, 0.45, 0.6, 0.8, 1.0])
        assert walks.earlier[1:] == pytest.approx(walks.times[1:] - 0.05) and math.isnan(walks.earlier[0])
        np.testing.assert_array_equal(walks.out.x, xs)
        # erasure: the covariance of z_t with the data is sqrt(1 - t), at every time shown
        kept = np.mean(walks.out.zs * xs[:, None], axis=(0, 2))
        np.testing.assert_allclose(kept, np.sqrt(1.0 - walks.times), atol=0.08)
        # a fresh network is the exact reversal of unit-normal data: so are its states, and neighbours hang together
        assert walks.back.zs.shape == walks.out.zs.shape
        np.testing.assert_allclose(np.var(walks.back.zs, axis=(0, 2)), 1.0, atol=0.12)
        with_samples = np.mean(walks.back.zs * walks.back.x[:, None], axis=(0, 2))
        np.testing.assert_allclose(with_samples, np.sqrt(1.0 - walks.times), atol=0.08)

    def test_a_chain_of_one_step(self):
        event = qs.Real((2,))
        diffusion = make(event, 1)
        walks = qs.pictures.walk(diffusion, data(event, 10), key=jr.key(1))
        assert walks.times.tolist() == [1.0] and walks.back.zs.shape == (10, 1, 2)
        qs.pictures.encode(qs.pictures.trajectories(Anything(event), walks))
        qs.pictures.encode(qs.pictures.drift(diffusion, walks))


class TestTrajectories:
    @pytest.mark.parametrize("shape", [(1,), (2,), (5,), (3, 4)])
    @pytest.mark.parametrize("kind", [qs.Real, qs.Binary])
    def test_a_row_out_and_a_row_back_for_events_of_any_shape(self, shape, kind):
        event = kind(shape)
        figure = qs.pictures.trajectories(Anything(event), walked(event))
        titles = [axes.get_title() for axes in figure.axes]
        assert titles[1:4] == ["t = 0.2", "t = 0.6", "t = 1"] and len(titles) == 8
        assert titles[0].startswith("data") and titles[4].startswith("samples")
        qs.pictures.encode(figure)

    def test_panels_hold_the_events_of_their_time_on_one_scale(self):
        event = qs.Real((2,))
        walks = walked(event)
        figure = qs.pictures.trajectories(Anything(event), walks)
        panels = [axes.collections[0].get_offsets() for axes in figure.axes]
        np.testing.assert_allclose(panels[0], walks.out.x)
        np.testing.assert_allclose(panels[3], walks.out.zs[:, 2])
        np.testing.assert_allclose(panels[4], walks.back.x)
        np.testing.assert_allclose(panels[5], walks.back.zs[:, 0])
        assert len({(axes.get_xlim(), axes.get_ylim()) for axes in figure.axes}) == 1
        colours = [tuple(axes.collections[0].get_facecolor()[0]) for axes in figure.axes]
        assert len(set(colours[:4])) == len(set(colours[4:])) == 1 and colours[0] != colours[4]

    def test_of_many_events_those_worth_drawing_are_shown(self):
        event = qs.Real((5,))
        shown = worth_drawing(event)
        figure = qs.pictures.trajectories(Anything(event), walked(event, shown + 7))
        assert {len(axes.images[0].get_array()) for axes in figure.axes} == {shown}

    def test_pictures_of_real_numbers_share_their_greys(self):
        event = qs.Real((5,))
        figure = qs.pictures.trajectories(Anything(event), walked(event))
        assert len({axes.images[0].get_clim() for axes in figure.axes}) == 1


class TestDrift:
    def test_arrows_are_the_mean_step_back(self):
        event = qs.Real((2,))
        figure = qs.pictures.drift(make(event), walked(event, 500))
        blank, first, second, _ = figure.axes
        assert not blank.axison
        assert first.get_title() == "0.2 \N{RIGHTWARDS ARROW} data"
        assert second.get_title() == "0.6 \N{RIGHTWARDS ARROW} 0.2"
        # from t = 0.6 to 0.2 erasure leaves half of the signal's variance; a fresh network reverses unit-normal data
        (quiver,) = [item for item in second.collections if hasattr(item, "U")]
        arrows, points = np.stack([quiver.U, quiver.V], axis=1), quiver.XY
        radius, length = np.linalg.norm(points, axis=1), np.linalg.norm(arrows, axis=1)
        np.testing.assert_allclose(np.sum(arrows * points, axis=1), -radius * length, atol=1e-5)
        free = length < 0.99 * length.max()  # not cut to the longest
        np.testing.assert_allclose(length[free], (1 - math.sqrt(0.5)) * radius[free], atol=1e-5)
        assert float(second.get_xlabel().removeprefix("longest ")) == pytest.approx(length.max(), rel=0.05)

    def test_a_long_guess_far_from_the_data_does_not_dwarf_the_rest(self):
        event = qs.Real((2,))
        walks = walked(event, 200)
        near = walks._replace(out=trajectory.Path(walks.out.x, 0.1 * walks.out.zs))
        quiver = next(item for item in qs.pictures.drift(make(event), near).axes[1].collections if hasattr(item, "U"))
        length, colours = np.hypot(quiver.U, quiver.V), quiver.get_facecolor()
        dark = np.all(colours == colours[len(colours) // 2], axis=1)  # as the arrow in the middle
        assert 0 < dark.sum() < len(length) / 2
        assert length.max() <= length[dark].max() * 1.001


def history(updates: list[int], values: list[float], errors: list[float], steps: int = 4) -> list[Measured]:
    return [Measured(*one, steps) for one in zip(updates, values, errors, strict=True)]


class TestBoundHistory:
    def test_values_in_their_unit_beside_the_truth(self):
        figure = qs.pictures.bound_history(history([100, 200], [-3 * BIT, -2 * BIT], [0.1, 0.1], 40), -1.5 * BIT, "bits")
        (axes,) = figure.axes
        measured, truth = axes.lines
        np.testing.assert_allclose(measured.get_xydata(), [[100, -3], [200, -2]])
        assert truth.get_ydata() == pytest.approx([-1.5, -1.5])
        assert axes.get_ylabel() == "K (T = 40), bits per event" and axes.get_xlabel() == "updates"
        low, high = axes.get_ylim()
        assert low < -3 and high > -1.5
        assert "truth" in words(figure)

    def test_an_early_value_far_below_is_cut_off_and_the_last_is_not(self):
        figure = qs.pictures.bound_history(history([1, 2, 3, 4], [-1e4, -2.2, -2.1, -2.0], [0.01] * 4), unit="nats")
        low, high = figure.axes[0].get_ylim()
        assert -10 < low < -2.2 and high > -2.0
        assert "truth" not in words(figure)

    @pytest.mark.parametrize("values", [[math.inf], [math.nan, -math.inf], [1e308, -1e308], [-math.inf, -2.0], [0.0]])
    @pytest.mark.parametrize("error", [0.0, math.nan, math.inf, 1e308])
    def test_values_that_cannot_be_drawn_are_left_out(self, values, error):
        figure = qs.pictures.bound_history(history(list(range(len(values))), values, [error] * len(values)), None, "nats")
        qs.pictures.encode(figure)
        assert ("no K is finite" in words(figure)) == (not any(abs(value) < 10 for value in values))

    def test_a_single_value_without_an_error(self):
        figure = qs.pictures.bound_history(history([10], [-2.0], [math.nan]), -1.0, "nats")
        low, high = figure.axes[0].get_ylim()
        assert low < -2.0 and high > -1.0
        qs.pictures.encode(figure)


class TestLedgerPerStep:
    def test_terms_stand_at_their_times_in_their_unit(self):
        terms = np.tile([0.5, 0.1, 0.3, 0.2], (6, 1)) * BIT
        figure = qs.pictures.ledger_per_step(qs.Ledger(np.array([0.2, 0.6, 1.0]), {"": terms}, 3, {"dim": 4}), "bits")
        left, right = figure.axes
        assert [bar.get_width() for bar in left.patches] == pytest.approx([0.5, 0.4, 0.2, 1.1])
        steps = next(line for line in right.lines if len(line.get_xdata()) == 2 and line.get_color() == "#2f5d8c")
        np.testing.assert_allclose(steps.get_xydata(), [[0.6, 0.1], [1.0, 0.3]])
        marks = {line.get_xdata()[0] for line in right.lines if line.get_linestyle() == "--"}
        assert marks == {0.2, 1.0}
        labels = [label.get_text() for label in left.get_yticklabels()]
        assert labels == ["first step", "2 steps", "left at t = 1", "\N{MINUS SIGN}K (T = 3)"]
        assert left.get_xlabel() == "bits per event" and right.get_ylabel() == "bits per event and step"

    @pytest.mark.parametrize("steps", [1, 2, 300])
    def test_chains_of_any_length(self, steps):
        ledger = qs.Ledger(np.linspace(0, 1, steps + 1)[1:], {"": np.full((3, steps + 1), -0.1)}, steps, {"dim": 4})
        qs.pictures.encode(qs.pictures.ledger_per_step(ledger, "nats"))


def test_samples_are_drawn_by_their_source():
    class Odd(Anything, qs.sources.AbstractDrawing):
        def render(self, xs, axes):
            axes.set_title(f"{len(xs)} odd events")

    figure = qs.pictures.samples(Odd(qs.Real((2,))), data(qs.Real((2,)), 3))
    assert figure.axes[0].get_title() == "3 odd events"


def drawn_alone(event: qs.AbstractField, xs: np.ndarray) -> Axes:
    (axes,) = qs.pictures.samples(Anything(event), xs).axes
    return axes


def test_levels_have_a_bar_each_and_noisy_ones_are_a_histogram() -> None:
    event = qs.Levels((1,), 0.0, 2.0, 5)
    levels = np.float32([0.0, 0.5, 0.5, 2.0]).reshape(-1, 1)
    bars = drawn_alone(event, levels).patches
    assert [bar.get_height() for bar in bars] == [0.25, 0.5, 0.25]
    assert [bar.get_width() for bar in bars] == pytest.approx(3 * [0.4])  # no bar reaches into the next
    noisy = drawn_alone(event, np.random.default_rng(0).normal(size=(1000, 1)).astype(np.float32)).patches
    assert len(noisy) == 60 and sum(bar.get_height() * bar.get_width() for bar in noisy) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("event", "values", "ticks"),
    [
        (qs.Binary((1,)), [0.0, 1.0, 1.0], [0, 1]),
        (qs.Categorical((1,), 3), [0, 2, 2], [0, 1, 2]),
        (qs.Levels((1,), -1.0, 1.0, 3), [-1.0, 0.0, 1.0], [-1, 0, 1]),
        (qs.Counts((1,)), [0, 1, 3], [0, 1, 2, 3]),
    ],
)
def test_ticks_are_at_states_and_nowhere_between(event: qs.AbstractField, values: list[float], ticks: list[float]) -> None:
    axes = drawn_alone(event, np.array(values).reshape(-1, 1))
    low, high = axes.get_xlim()
    assert [tick for tick in axes.get_xticks() if low <= tick <= high] == ticks


def test_the_learned_entropy_has_a_band_of_two_standard_errors() -> None:
    above = np.array([[1.0, 2.0], [3.0, 2.0], [2.0, 2.0], [2.0, 2.0]])
    lower = np.random.default_rng(0).normal(size=above.shape)  # both share it, so it is no error of the difference
    bounds = EntropyBounds(np.array([0.0, 0.5, 1.0]), lower, lower + 3, lower + 3, lower + above)
    axes = Figure().add_subplot()
    _entropy(axes, bounds, 1.0)
    points = axes.collections[1].get_paths()[0].vertices
    for time, error in ((0.5, math.sqrt(2.0 / 3.0) / 2.0), (1.0, 0.0)):
        ends = points[points[:, 0] == time, 1]
        assert (ends.min(), ends.max()) == pytest.approx((2.0 - 2.0 * error, 2.0 + 2.0 * error))


def test_a_source_may_name_its_axes():
    class Named(Anything, qs.sources.AbstractDrawing):
        def render(self, xs, axes):
            axes.scatter(*xs.T)
            axes.set_xlabel("first angle, degrees")

    event = qs.Real((2,))
    own, plain = (qs.pictures.samples(source(event), data(event, 3)).axes[0].get_xlabel() for source in (Named, Anything))
    assert (own, plain) == ("first angle, degrees", "units of the data")


@pytest.mark.parametrize("names", [(r"$\foo$", "$_{$"), ("\x1b[31mred", "\0\x9b\u202e"), ("5$ to 10$", "\U00020000" * 3000)])
def test_names_from_files_are_only_text(names: tuple[str, str]) -> None:
    table = qs.files.as_table(np.random.default_rng(0).normal(size=(20, 2)))
    source = arrays.array_source(attrs.evolve(table, columns=names), arrays.ArrayChoices())
    drawn = qs.pictures.samples(source, source.split("train", 9).x)
    assert qs.pictures.encode(drawn)  # no error and no warning
    shown = drawn.axes[0].get_xlabel(), drawn.axes[0].get_ylabel()
    assert shown == tuple(printable(name)[:100] for name in names) and not set("\x1b\0\x9b\u202e") & set("".join(shown))


def test_a_page_obeys_no_name() -> None:
    written = page("<b>\x1b[31m\u202e", "x", [], [], [], "a = 1\n", ["\0<script>"])
    assert r"&lt;b&gt;\u001b[31m\u202e" in written and r"\u0000&lt;script&gt;" in written and "a = 1\n" in written


@pytest.mark.parametrize("shape", [(5, 4), (4, 5, 3)])
@pytest.mark.parametrize("name", ["dense", "convolutional", "mixer", "multiscale"])
def test_filters_are_those_of_the_first_layer(name: str, shape: tuple[int, ...]) -> None:
    """Where the weights of filter 2 alone are not zero, one picture of each channel is not either."""
    ports = qs.Ports.of(make(qs.Real(shape)).kernel)
    model = qs.make("model", name, ports, key=jr.key(0))
    found = np.asarray(model.filters())
    colours = shape[2] if len(shape) == 3 else 1
    heights = {"dense": shape[:2], "multiscale": shape[:2], "convolutional": (3, 3)}
    assert found.shape[1:] == heights.get(name, found.shape[1:]) and len(found) % colours == 0
    assert np.isfinite(found).all() and np.abs(found).max(axis=(1, 2)).min() > 0
    assert qs.pictures.encode(pictures.filters(model)).startswith(b"\x89PNG")


def test_filters_are_cut_out_of_the_weights_in_the_order_of_pixels() -> None:
    """A mixer reads a patch with its neighbours: its filter shows a pixel where the network feels it."""
    ports = qs.Ports.of(make(qs.Real((6, 6))).kernel)
    model = qs.make("model", "mixer", ports, key=jr.key(0), patch=2, width=8, depth=1)
    images = np.eye(36, dtype=np.float32).reshape(36, 6, 6)
    felt = np.stack(
        [np.asarray(model.enter(networks.blocks(image[:, :, None], 2)))[1, 1] for image in images]
    )  # of the patch in the middle
    shown = np.asarray(model.filters())
    middle = felt.reshape(6, 6, 8).transpose(2, 0, 1) - np.asarray(model.enter.bias)[:, None, None]
    size = shown.shape[1]
    start = (size - 6) // 2
    np.testing.assert_allclose(shown[:, start : start + 6, start : start + 6], middle, atol=1e-6)


@pytest.mark.parametrize("event", [qs.Real((8, 8)), qs.Binary((8, 8))])
def test_what_is_seen_is_kept_and_what_is_hidden_is_drawn(event: qs.AbstractField, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {}
    monkeypatch.setattr(restoring, "triptych", lambda source, columns, covered: kept.update(columns=columns, covered=covered))
    xs = data(event, 4)
    pictures.restored(Anything(event), make(event), qs.Data(xs), key=jr.key(0))
    columns, covered = kept["columns"], kept["covered"]
    hidden = np.zeros((8, 8), bool)
    hidden[2:6, 2:6] = True
    assert (covered[:3] == hidden).all() and not covered[3:].any()
    first, last = columns["draw 1"][:3], columns["draw 1"][3:]
    np.testing.assert_allclose(first[:, ~hidden], columns["data"][:3][:, ~hidden], atol=0.06)  # six deviations of what is seen
    assert np.abs(first[:, hidden] - columns["data"][:3][:, hidden]).mean() > 0.2
    # of noisy pixels the data are unit normal or even bits here, so that the mean is nearer to them than what is seen
    away = [np.mean((columns[name][3:] - columns["data"][3:]) ** 2) for name in ("mean of draws", "seen")]
    assert away[0] < 1.6 * away[1] and np.isfinite(last).all()
    assert not np.isnan(columns["seen"][3:]).any() and np.isnan(columns["seen"][covered]).all()


def test_a_kernel_that_cannot_be_tilted_has_no_picture_of_it() -> None:
    kernel = qs.make("kernel", "gaussian", qs.Real((4, 4)), variance="posterior")
    plain = qs.Diffusion(kernel, qs.make("model", "dense", qs.Ports.of(kernel), key=jr.key(0)), 3)
    assert pictures.restored(Anything(qs.Real((4, 4))), plain, qs.Data(data(qs.Real((4, 4)), 2)), key=jr.key(0)) is None


def test_a_triptych_has_one_scale_and_marks_what_is_hidden() -> None:
    source, xs = Shown(qs.Real((4, 4))), data(qs.Real((4, 4)), 2)
    covered = np.zeros(xs.shape, bool)
    covered[0, 1, 2] = True
    columns = {"data": xs, "seen": np.where(covered, np.nan, xs), "draw": 9 * xs}
    (axes,) = pictures.triptych(source, columns, covered).axes
    shown = np.asarray(axes.images[0].get_array())
    assert shown.shape == (9, 14, 3) and [text.get_text() for text in axes.texts] == list(columns)
    assert [text.xy[0] for text in axes.texts] == [1.5, 6.5, 11.5]  # the middles of pictures of 4 pixels, with gaps of 1
    bounds = (float(9 * xs.min()), float(9 * xs.max()))
    for number, column in enumerate((xs, xs, 9 * xs)):
        for event in range(2):
            found = shown[5 * event : 5 * event + 4, 5 * number : 5 * number + 4]
            (expected,) = film.cells(source, column[event : event + 1], bounds)
            if number == 1 and event == 0:
                assert tuple(found[1, 2]) == HIDDEN
                expected[1, 2] = HIDDEN
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("columns", [3, 6])
def test_titles_stand_over_the_middles_of_wide_columns(columns: int) -> None:
    source, xs = Shown(qs.Real((12, 12))), data(qs.Real((12, 12)), 2)
    (axes,) = pictures.triptych(source, {f"column {number}": xs for number in range(columns)}).axes
    shown = np.asarray(axes.images[0].get_array())
    inked = np.flatnonzero((shown < 255).any(axis=(0, 2)))
    middles = [part.mean() for part in np.split(inked, np.flatnonzero(np.diff(inked) > 1) + 1)]
    assert shown.shape[1] == 14 * columns - 2 and [text.xy[0] for text in axes.texts] == middles


def test_a_triptych_of_rows_has_a_panel_for_each_column() -> None:
    source, xs = Anything(qs.Real((5,))), data(qs.Real((5,)), 3)
    covered = np.zeros(xs.shape, bool)
    covered[0, 2] = True
    data_axes, seen = pictures.triptych(source, {"data": 9 * xs, "seen": xs}, covered).axes
    assert data_axes.images[0].get_clim() == seen.images[0].get_clim()
    assert data_axes.images[0].get_array().shape == xs.shape
    np.testing.assert_array_equal(np.isfinite(np.ma.filled(seen.images[1].get_array(), np.nan)), covered)
