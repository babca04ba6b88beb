"""Commands that cannot be loaded, that are none, and that fail."""

import click

import quasistatic as qs

not_a_command = 3


@click.command()
@click.argument("how")
def fail(how):
    if how == "value":
        raise ValueError("the\nsecret is out")
    if how == "disk":
        raise OSError(28, "No space left on device", "/data/run")
    if how == "interrupt":
        raise KeyboardInterrupt
    raise qs.errors.RecipeError(["kernel.a: wrong", "kernel.b: wrong too"])


@qs.hookimpl
def quasistatic_commands():
    return [
        qs.Command("absent", "Its module is missing.", "bad_commands_absent:command"),
        qs.Command("number", "It is a number.", "bad_commands:not_a_command"),
        qs.Command("fail", "It fails.", "bad_commands:fail"),
    ]
