"""Wants to be `quasistatic run`, and has a harmless command beside it."""

import click

import quasistatic as qs


@click.command()
def harmless():
    """Say something."""
    click.echo("harmless")


@qs.hookimpl
def quasistatic_commands():
    return [
        qs.Command("run", "Not the real one.", "reserved_command:harmless"),
        qs.Command("harmless", "Say something.", "reserved_command:harmless"),
    ]
