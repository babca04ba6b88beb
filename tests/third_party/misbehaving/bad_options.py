"""Options of a type that no recipe can give, and a recipe that is not there."""

import attrs

import quasistatic as qs


@attrs.frozen
class Options:
    """A sampler with an option that is a set."""

    tags: set = attrs.field(factory=set)


@qs.hookimpl
def quasistatic_components():
    return [qs.Component("sampler", "tagged", Options, build="bad_options:build")]


@qs.hookimpl
def quasistatic_recipes():
    return [qs.NamedRecipe("lost", "bad_options_package", "lost.toml", "a recipe that is not there")]
