"""report.html: what a run found, on one page that opens without a server, a script or a network."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable, Iterator
from typing import Any

from matplotlib.figure import Figure

from quasistatic import pictures
from quasistatic._files import write_durably
from quasistatic._folder import RunFolder
from quasistatic._keys import Role, role_key
from quasistatic._summary import Summary, customary_unit, table

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p.about { opacity: .7; margin-top: .2rem; }
table { border-collapse: collapse; } td { padding: .15rem 1.5rem .15rem 0; white-space: pre; font-variant-numeric: tabular-nums; }
tr:first-child { font-weight: 600; }
img { max-width: 100%; background: white; border-radius: 4px; }
pre { overflow-x: auto; font-size: .8rem; }
"""


def run_report(summary: Summary, folder: RunFolder) -> str:
    """The page of a finished run; its pictures are also left in the run folder as files."""
    recipe, source = summary.run.recipe, summary.run.wired.source
    versions = folder.read_about()
    packages = ", ".join(f"{name} {version}" for name, version in versions.get("packages", {}).items())
    software = f"Python {versions.get('python', '')}, {packages}"
    about = (
        f"source {recipe.source.component.name} ({source.event.describe()}), kernel {recipe.kernel.component.name}, "
        f"model {recipe.model.component.name}, T = {recipe.trajectory.steps}, {summary.run.steps_done} updates, seed {recipe.seed}"
    )
    body = [f"<h1>{_text(recipe.name)}</h1>", f'<p class="about">{_text(about)}</p>', "<h2>K, a bound on the log-likelihood</h2>"]
    body.append("<table>" + "".join(f"<tr><td>{_text(a)}</td><td>{_text(b)}</td></tr>" for a, b in table(summary)) + "</table>")
    body.append(f"<p>{_text(_reading(summary))}</p>")
    body += [f"<p>{_text(note)}</p>" for note in source.notes]
    for name, title, figure in _figures(summary, folder):
        picture = pictures.encode(figure)
        folder.pictures.mkdir(exist_ok=True)
        write_durably(folder.pictures / f"{name}.png", picture)
        data = base64.b64encode(picture).decode()
        body.append(f'<h2>{_text(title)}</h2><img alt="{_text(title)}" src="data:image/png;base64,{data}">')
    body.append(f"<details><summary>The recipe, with every option</summary><pre>{_text(recipe.to_toml())}</pre></details>")
    body.append(f'<p class="about">{_text(software)}</p>')
    return _page(recipe.name, body)


def _reading(summary: Summary) -> str:
    what = "Test split; the errors are standard errors over events. K is a lower bound on the mean log-likelihood for this T."
    if summary.main.truth is None:
        return what
    return what + " The gap to the truth is model error and dissipated work together; it shrinks as T grows."


def _figures(summary: Summary, folder: RunFolder) -> Iterator[tuple[str, str, Figure]]:
    run = summary.run
    source, diffusion, sampler = run.wired.source, run.diffusion, run.wired.sampler
    unit = customary_unit(source.event)
    data = source.split("test")
    count = min(len(data), 1000 if source.event.size == 2 else run.recipe.evaluation.samples)
    given = None if data.given is None else data.given[:count]
    key = role_key(run.recipe.seed, Role.PICTURES)
    yield (
        "trajectories",
        "Destruction, and the learned way back",
        pictures.trajectories(source, diffusion, sampler, data.x[:count], key, given),
    )
    if source.event.shape == (2,) and source.event.support == "real" and source.event.given == 0:
        yield "drift", "Where the reverse process pulls", pictures.drift(diffusion, data.x[:count])
    history = list(_validations(folder))
    if history:
        truth = summary.main.mean_truth
        columns = ([line[name] for line in history] for name in ("step", "bound_nats", "standard_error_nats"))
        yield (
            "bound",
            "K of the validation split over training",
            pictures.bound_history(*columns, None if truth is None else truth.value, unit),
        )
    yield "ledger", "The ledger: what each step costs", pictures.ledger_per_step(summary.main.ledger, unit)


def _validations(folder: RunFolder) -> Iterator[dict[str, Any]]:
    """The validation lines of metrics.jsonl, where that observer was on."""
    if not folder.metrics.exists():
        return
    for text in folder.metrics.read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        if line.get("kind") == "validation" and line.get("bound_nats") is not None:
            yield line


def _text(value: str) -> str:
    return html.escape(value)


def _page(title: str, body: Iterable[str]) -> str:
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{_text(title)}</title><style>{STYLE}</style>'
    return head + "\n".join(body) + "</html>\n"
