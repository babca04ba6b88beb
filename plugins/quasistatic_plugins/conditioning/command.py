"""quasistatic impute, inpaint, denoise, condition and guide"""

from __future__ import annotations

import functools
import io
import math
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import click

import quasistatic as qs
from quasistatic.cli import parts
from quasistatic_plugins.conditioning.how import METHODS, How

if TYPE_CHECKING:
    import numpy as np

    from quasistatic_plugins.conditioning.draws import Draws

F = TypeVar("F", bound=Callable[..., Any])
ERROR = "_standard_error"


def how_options(command: F) -> F:
    """The options of `How`, as one argument `how`."""

    @functools.wraps(command)  # with the options that it has already
    def wrapped(*inputs: Any, **values: Any) -> Any:
        how = How(**{field.name: values.pop(field.name) for field in attrs.fields(How) if field.name in values})
        return command(*inputs, how=how, **values)

    for option in reversed(
        (
            parts.run_argument,
            click.option("--method", type=click.Choice(METHODS), default="exact", show_default=True,
                         help="Weighted particles; the tilted walk without weights; or the scheme of the 2015 paper (biased)."),
            click.option("--particles", type=parts.WholeNumber(1), default=64, show_default=True,
                         help="Number of particles (method `exact` only)."),
            parts.steps_option(),
            parts.seed_option,
            parts.json_option,
            parts.out_option((".npz", *parts.PICTURES), "A picture, or all arrays as .npz.", required=True),
        )
    ):  # fmt: skip
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]


def event_options(command: F) -> F:
    """Which events are looked at, and how often each is drawn."""
    for option in (
        click.option("--draws", type=parts.WholeNumber(1), default=4, show_default=True, help="Draws for each event."),
        parts.number_option(4, "Number of events."),
        parts.data_option,
    ):
        command = option(command)
    return command


@click.command()
@parts.run_argument
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--draws", type=parts.WholeNumber(1), default=1, show_default=True,
              help="Completed tables, FILE-1, FILE-2 and so on where they are more than one.")  # fmt: skip
@click.option("--median", "is_median", is_flag=True, help="One table with medians, and the most frequent of what is no number.")
@click.option("--particles", type=parts.WholeNumber(2), default=128, show_default=True,
              help="Particles of a row; where they run out more are used.")  # fmt: skip
@click.option("--cells", type=click.Path(path_type=Path), metavar="OUT.csv", help="Also write a table with a line for every gap.")
@parts.steps_option()
@parts.seed_option
@parts.json_option
@parts.out_option((".csv", ".tsv", ".parquet", ".jsonl", *parts.PICTURES), "The completed table, or a picture of it.",
                  required=True)  # fmt: skip
@click.pass_obj
def impute(
    manager: qs.PluginManager, folder: Path, data: Path, draws: int, is_median: bool, particles: int, cells: Path | None,
    steps: int | None, seed: int, as_json: bool, out: Path,
) -> None:  # fmt: skip
    """Fill in the missing cells of the table DATA, with a finished RUN of a table with these columns.

    What is filled in is drawn from the posterior given the other cells of the row. These, and the order of rows, stay as they are.
    Rows that the model cannot have, such as one with a new category, keep their gaps, and are named.
    """
    from quasistatic_plugins.conditioning import imputing

    if is_median and draws > 1:
        raise click.UsageError("--median and --draws exclude one another: there is one table of medians")
    parts.run_folder(folder)
    parts.refuse_absent(data)
    for each in (out, cells):
        if each is not None:
            qs.files.try_out(each)
    found = qs.open_run(folder, manager).impute(data, draws=draws, particles=particles, steps=steps, seed=seed)
    files = imputing.files(found, out, is_median)
    for path, content in files.items():
        qs.files.write_durably(path, content)
    if cells is not None:
        qs.files.write_durably(cells, imputing.cells_table(found))
    if as_json:
        parts.echo_json({"run": str(folder), "out": [str(path) for path in files], **imputing.values(found)})
        return
    if found.cells:
        parts.echo_table(imputing.HEADERS, imputing.rows(found))
    for line in imputing.summary(found):
        parts.echo(line)
    parts.echo(f"{'median' if is_median else 'draws'}: {', '.join(map(str, files))}")


@click.command()
@event_options
@click.option("--hide", default="left", show_default=True, metavar="WHERE",
              help="left, right, top, bottom, center; rows and columns such as 2:6,0:8; a share such as 0.5; or a picture whose "
              "bright pixels are hidden.")  # fmt: skip
@how_options
@click.pass_obj
def inpaint(manager: qs.PluginManager, how: How, number: int, data: Path | None, hide: str) -> None:
    """Hide elements of events and draw them from what is left, with a finished RUN.

    Prints how far the draws are from what was hidden, and log p of what was shown.
    """
    from quasistatic_plugins.conditioning import draws

    run, event, events = _opened(manager, how, data, number)
    hidden = draws.hidden_elements(hide, event.shape, how.seed)
    found = draws.inpainted(run, events, hidden, how)
    _show(run, how, found, "hidden", hidden)


@click.command()
@event_options
@click.option("--noise", type=click.FloatRange(0, min_open=True), required=True,
              help="Standard deviation of normal noise in the units of the data; of bits the share that is flipped.")  # fmt: skip
@click.option("--noisy", is_flag=True, help="The events of --data are noisy already; by default noise is added first.")
@how_options
@click.pass_obj
def denoise(manager: qs.PluginManager, how: How, number: int, data: Path | None, noise: float, noisy: bool) -> None:
    """Draw what noisy events were before, with a finished RUN and a known level of noise."""
    from quasistatic_plugins.conditioning import draws

    if not math.isfinite(noise):
        raise click.UsageError(f"--noise: expected a finite number, got {noise}")
    if noisy and data is None:
        raise click.UsageError("--noisy: name the noisy events with --data")
    run, event, events = _opened(manager, how, data, number)
    if isinstance(event, qs.Binary) and noise >= 0.5:
        raise click.UsageError(f"--noise: of bits at most half can be flipped, expected a share below 0.5, got {noise}")
    _show(run, how, draws.denoised(run, events, noise, noisy, how), "all", None)


@click.command()
@how_options
@click.argument("name", metavar="POTENTIAL")
@parts.number_option(16, "Number of events.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="An option of the potential; may be repeated.")
@click.pass_obj
def condition(manager: qs.PluginManager, how: How, name: str, number: int, settings: tuple[str, ...]) -> None:
    """Draw samples of a finished RUN from p(x) r(x) / Z, where r is an installed POTENTIAL."""
    from quasistatic_plugins.conditioning import draws

    run = qs.open_run(how.folder, manager)
    options = dict(_option(setting) for setting in settings)
    potential = qs.make("potential", name, run.source.event, manager=manager, **options)
    found = draws.under(run, potential, number, how)
    _show(run, how, found, "all", None)


@click.command()
@parts.run_argument
@click.option("--label", metavar="CLASS", required=True, help="The class y, by name or number; the network must read it.")
@click.option("--weight", "weights", type=float, multiple=True, default=(0.0, 1.0, 2.0, 4.0), show_default=True,
              help="Weight w of guidance; may be repeated.")  # fmt: skip
@click.option("--particles", type=parts.WholeNumber(2), default=256, show_default=True, help="Particles of a system.")
@click.option("--systems", type=parts.WholeNumber(2), default=8, show_default=True, help="Systems of particles for each weight.")
@parts.steps_option()
@parts.seed_option
@parts.json_option
@click.pass_obj
def guide(
    manager: qs.PluginManager,
    folder: Path,
    label: str,
    weights: tuple[float, ...],
    particles: int,
    systems: int,
    steps: int | None,
    seed: int,
    as_json: bool,
) -> None:
    """How far guided samples of a finished RUN are from p(x) p(y given x)^(1 + w) / Z, and what weighted particles make of it.

    `path` is the divergence of guided paths from those of the product, at least that of the samples; `samples` is exact, where
    all events can be enumerated. The effective sample size is that of the sampler `particles`, which draws from the product.
    """
    import jax
    import numpy as np

    from quasistatic_plugins.conditioning.guiding import distances

    run = qs.open_run(folder, manager)
    classes = qs.sources.Classes.of(run.source)
    sides = classes.with_class(run.source.split("test", 1).side, classes.number(label), 1)
    side = jax.tree.map(lambda leaf: np.asarray(leaf[0]), sides)
    chain: dict[str, Any] = {"particles": particles, "systems": systems, "steps": steps, "key": jax.random.key(seed)}
    found = distances(run.diffusion.given(side), weights, **chain)
    if as_json:
        parts.echo_json({"run": str(folder), "label": label, "distances": [attrs.asdict(row) for row in found]})
        return
    headers = ["w", "path, nats", "+-", "samples, nats", "effective share", "log Z", "+-"]
    rows = [
        [f"{row.weight:g}", f"{row.path:.4f}", f"{row.path_standard_error:.4f}", "" if row.exact is None else f"{row.exact:.4f}",
         f"{row.ess:.3f}", f"{row.log_evidence:.4f}", f"{row.log_evidence_standard_error:.4f}"]
        for row in found
    ]  # fmt: skip
    parts.echo_table(headers, rows)
    parts.echo(f"draw from the product: sample --sampler particles --set sampler.count={particles} --label {label} --guidance W")


def _option(setting: str) -> tuple[str, Any]:
    key, equals, text = setting.partition("=")
    if not equals:
        raise click.UsageError(f"--set: expected KEY=VALUE, got {setting!r}")
    try:
        return key, tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return key, text


def _opened(manager: qs.PluginManager, how: How, data: Path | None, number: int) -> tuple[qs.Run, qs.AbstractField, qs.Data]:
    run = qs.open_run(how.folder, manager)
    event = run.source.event
    if not isinstance(event, qs.AbstractField):
        raise qs.InputError(f"{how.folder}: its events have several parts; in Python, `qs.OnPart` puts a potential on one of them")
    if getattr(run.source.units, "mixing", None) is not None:
        raise qs.InputError(
            f"{how.folder}: its data were whitened, so that an element of an event is a mixture of columns; train with "
            "source.scale = 'columns' or 'one'"
        )
    events = run.source.split("test", number) if data is None else qs.read_events(run.source, data).head(number)
    if outside := qs.answers.about_outside(events):
        if not len(events):
            raise qs.DataError(f"{data}: {outside}")
        parts.echo(f"note: left out: {outside}", err=True)
    return run, event, events


def _show(run: qs.Run, how: How, found: Draws, where: str, hidden: np.ndarray | None) -> None:
    from quasistatic_plugins.conditioning import draws, picture

    if how.out.suffix.lower() == ".npz":
        import numpy as np

        file, arrays = io.BytesIO(), dict[str, Any](found.arrays(run.source))
        np.savez(file, **arrays)
        qs.files.write_durably(how.out, file.getvalue())
    else:
        qs.files.write_durably(how.out, picture.encoded(run.source, found, hidden, how.out.suffix.lower()[1:]))
    values = found.values(run.source, where, hidden)
    if how.as_json:
        parts.echo_json({"run": str(how.folder), "method": how.method, "out": str(how.out), **values})
        return
    for name, value in values.items():
        if value is not None and not name.endswith(ERROR):
            label, unit = draws.LABELS[name]
            error = values.get(f"{name}{ERROR}")
            parts.echo(f"{label:>45}  {value:.4f}{'' if error is None else f' +- {error:.4f}'}{unit}")
    if found.few:
        same = "draws of one event are the same and its log evidence is not known; more --particles help"
        parts.echo(f"note: of {found.few} events few particles carried all the weight: {same}", err=True)
    parts.echo(f"{len(found.draws)} events, {found.draws.shape[1]} draws each: {how.out}")
