"""Its options are no attrs class."""

import quasistatic as qs


class Options:
    """Nothing."""


@qs.hookimpl
def quasistatic_components():
    return [qs.Component("sampler", "plain", Options, build="plain_options:build")]
