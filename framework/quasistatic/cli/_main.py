"""The command group: built-in commands by name, the plugins' commands beside them, and the one boundary for errors."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
from collections.abc import Iterator
from typing import Any

import click
from click.shell_completion import CompletionItem

from quasistatic._plugins.commands import BUILT_IN
from quasistatic.cli._common import completer, manager_of
from quasistatic.cli._jax import set_xla_flags
from quasistatic.cli._waiting import shown_waiting
from quasistatic.cli.parts import echo
from quasistatic.errors import ComponentNotFound, PluginError, QuasistaticError, did_you_mean, one_line, printable


class _Failure(click.ClickException):
    """An error as the command line shows it."""

    def __init__(self, message: str, exit_code: int):
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance

    def format_message(self) -> str:
        return printable(self.message).replace("\n", "\n       ")


@contextlib.contextmanager
def boundary(ctx: click.Context | None = None) -> Iterator[None]:
    """Where errors become one clear message and an exit code: 2 for what the user gave, 1 for what failed."""
    debug = os.environ.get("QUASISTATIC_DEBUG")
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except QuasistaticError as error:
        if debug and isinstance(error, PluginError) and error.__cause__ is not None:  # a defect of a plugin
            raise
        raise _Failure(str(error), error.exit_code) from error
    except KeyboardInterrupt:
        raise click.exceptions.Exit(130) from None
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader has gone: click ends quietly
            raise
        where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
        raise _Failure(f"{where}{error.strerror or error}", 1) from error
    except SystemExit:
        raise
    except MemoryError as error:
        raise _Failure("there is not enough memory for this; QUASISTATIC_LIMIT_GB sets what may be read", 2) from error
    except BaseException as error:  # also what is no Exception, such as a panic of a library in Rust
        if debug:
            raise
        what = _culprit(ctx, one_line(error))
        raise _Failure(f"{what}; set QUASISTATIC_DEBUG=1 for the traceback", 1) from error


def _culprit(ctx: click.Context | None, error: str) -> str:
    """Whose defect an error is: that of a plugin's command, or ours."""
    name = ctx.invoked_subcommand if ctx else None
    if ctx is None or name is None or name in BUILT_IN:
        return f"this is a defect ({error})"
    return f"command {name!r} of plugin {manager_of(ctx).owner('command', name).owner} raised {error}"


class Group(click.Group):
    """Imports a command when it is called, and no sooner."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with boundary():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with boundary(ctx), shown_waiting():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*BUILT_IN, *(command.name for command in manager_of(ctx).commands())]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in BUILT_IN:
            module, _, attribute = BUILT_IN[name][0].partition(":")
            return getattr(importlib.import_module(f"quasistatic.cli.{module}"), attribute)
        return _plugin_command(ctx, name)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        try:
            return super().resolve_command(ctx, args)
        except ComponentNotFound:
            if ctx.resilient_parsing:  # a shell completes a line
                return None, None, []
            hint = did_you_mean(name, self.list_commands(ctx))
            absent = [status.name for status in manager_of(ctx).statuses() if not status.usable]
            lost = f"  (not loaded: {', '.join(absent)}; quasistatic plugins says why)" if absent else ""
            ctx.fail(f"no command is called {name!r}{hint}{lost}")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {"Commands": [(name, text) for name, (_, text) in BUILT_IN.items()]}
        manager = manager_of(ctx)
        for command in manager.commands():
            owner = manager.owner("command", command.name).name
            sections.setdefault(f"Commands of plugin {owner}", []).append((command.name, command.summary))
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows)

    @completer
    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        texts = {name: text for name, (_, text) in BUILT_IN.items()}
        texts |= {command.name: command.summary for command in manager_of(ctx).commands()}
        found = [CompletionItem(name, help=text) for name, text in texts.items() if name.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)


def _plugin_command(ctx: click.Context, name: str) -> click.Command:
    manager = manager_of(ctx)
    command = manager.command(name)
    owner = manager.owner("command", name).owner
    try:
        loaded = command.load()
    except (Exception, SystemExit) as error:
        raise PluginError(f"command {name!r} of plugin {owner} cannot be loaded: {one_line(error)}") from error
    if not isinstance(loaded, click.Command):
        raise PluginError(f"command {name!r} of plugin {owner} is not a click command but {loaded!r:.80}")
    return loaded


def _print_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from quasistatic import __version__

        echo(f"quasistatic {__version__}")
        ctx.exit()


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-p",
    "modules",
    multiple=True,
    metavar="MODULE",
    is_eager=True,
    help="Load a module as a plugin for this call. May be repeated.",
)
@click.option("--no-plugin", "blocked", multiple=True, metavar="NAME", is_eager=True, help="Block a plugin. May be repeated.")
@click.option(
    "--only-plugin",
    "only",
    multiple=True,
    metavar="NAME",
    is_eager=True,
    help="Load only this third-party plugin (built-ins are always loaded). May be repeated.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version and exit.",
)
def main(modules: tuple[str, ...], blocked: tuple[str, ...], only: tuple[str, ...]) -> None:
    """Learn a distribution by destroying it slowly, and measure the work it takes to walk back.

    Start with `quasistatic recipes`, then `quasistatic run swiss-roll`.
    """
    set_xla_flags()
