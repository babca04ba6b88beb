"""Kinds of components: what each is called, what its builder takes, what it gives. A plugin may bring one of its own."""

from __future__ import annotations

from typing import Any, Literal

import attrs

from quasistatic._plugins.naming import resolve, text, word

# what else a recipe or a list of plugins has under its name
RESERVED = ("command", "evaluation", "kind", "name", "recipe", "section", "seed", "trajectory", "training")


def _words(_instance: object, attribute: attrs.Attribute[Any], value: tuple[str, ...]) -> None:
    if not (isinstance(value, tuple) and all(isinstance(each, str) and each.isidentifier() for each in value)):
        raise TypeError(f"Kind.{attribute.name}: expected a tuple of names such as ('event',), got {value!r:.80}")


@attrs.frozen
class Kind:
    """A kind of component, such as 'kernel': every `Component` has one.

    `base` is the class that all of the kind derive from, or its 'module:attribute', imported only when something is built.
    `inputs` name what a builder takes after the options, such as ('event',) for `build(options, event)`; a 'key' is given by name.

    `section` says whether a recipe chooses a component of the kind, in a section of its name: 'required' and 'optional' ones are
    in `recipe.choices`, 'none' is not for recipes. Where a recipe names none, the component with `is_default` is meant, but for
    kinds that are built for an event, where that depends on the event.
    """

    name: str = attrs.field(validator=word)
    base: str | type
    summary: str = attrs.field(default="", validator=text)
    inputs: tuple[str, ...] = attrs.field(default=(), validator=_words)
    section: Literal["required", "optional", "none"] = attrs.field(
        default="optional", validator=attrs.validators.in_(("required", "optional", "none"))
    )

    def load(self) -> type:
        """The class itself. Raises TypeError where it is no class."""
        found: Any = self.base if isinstance(self.base, type) else resolve(self.base)
        if not isinstance(found, type):
            raise TypeError(f"kind {self.name!r}: expected a class, {self.base} is {found!r:.80}")
        return found


KINDS = {
    kind.name: kind
    for kind in (
        Kind("source", "quasistatic._data.source:AbstractSource", "Where events come from.", section="required"),
        Kind("kernel", "quasistatic._process.kernel:AbstractKernel", "How they are destroyed.", ("event",), "required"),
        Kind("model", "quasistatic._process.model:AbstractModel", "The network.", ("ports", "key"), "required"),
        Kind("objective", "quasistatic._process.objective:AbstractObjective", "What is minimised.", section="required"),
        Kind("sampler", "quasistatic._process.sampler:AbstractSampler", "How samples are drawn.", section="required"),
        Kind("observer", "quasistatic._training.observer:AbstractObserver", "What watches training.", ("out",), "none"),
        Kind("potential", "quasistatic._process.potential:AbstractPotential", "A factor on data.", ("event",), "none"),
    )
}
