"""quasistatic recipes"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import Result

import quasistatic as qs

Cli = Callable[..., Result]
NAMES = [named.name for named in qs.plugins().recipes()]


def test_the_recipes_of_the_paper_are_there(cli: Cli) -> None:
    found = json.loads(cli("recipes", "--json").stdout)
    assert {"swiss-roll", "swiss-roll-2015", "heartbeat", "heartbeat-2015", "digits", "array"} <= {each["name"] for each in found}
    assert all(each["summary"] and each["plugin"] for each in found)


def test_the_table_lists_the_same(cli: Cli) -> None:
    head, *rows = cli("recipes").stdout.splitlines()
    assert head.split() == ["recipe", "plugin", "summary", "opens"]
    assert [row.split()[0] for row in rows] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_resolves(name: str) -> None:
    given = {"source.path": "some.csv"} if name == "array" else {}
    assert qs.load_recipe(name, given).name == name


def test_a_name_that_is_not_a_recipe(cli: Cli) -> None:
    result = cli("config", "swissroll")
    assert result.exit_code == 2
    assert "no recipe is called 'swissroll'; did you mean 'swiss-roll'?" in result.stderr
