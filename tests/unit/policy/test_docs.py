"""docs/policy.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jupyter_qguard.policy.decide import decide
from jupyter_qguard.policy.model import Context, Door, FileKind
from jupyter_qguard.scan.finding import Tier, Unchecked
from jupyter_qguard.settings.words import DOORS
from tests.unit.policy.policy_world import World, finding

PAGE = (Path(__file__).parents[3] / "docs" / "policy.md").read_text(encoding="utf-8")


def rows(name: str) -> dict[str, list[str]]:
    table = PAGE.split(f"<!-- table: {name} -->\n")[1].split("\n\n")[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    return {first: rest for first, *rest in cells}


@pytest.mark.parametrize("door", DOORS)
def test_the_table_of_findings(world: World, door: Door) -> None:
    def action(content: str, path: str, tier: Tier, cut: bool = True) -> str:
        return str(world.judge(door, content, path, tier=tier, cut=cut)[0])

    for content in ("source", "output", "metadata"):
        for plain in ("text", "opaque"):
            shown = rows("findings")[door]
            assert shown == [
                action(content, "a.ipynb", "provider"),
                action(content, "a.ipynb", "generic"),
                action("text", "a.py", "context"),
                action("text", "a.py", "generic"),
                action(plain, "a.zip", "provider", cut=False),
                action(plain, "a.zip", "generic", cut=False),
                action("text", "a.ipynb", "provider"),
            ]
            assert action(content, "a.ipynb", "context") == shown[0]
            assert action("text", "a.py", "provider") == shown[2]


@pytest.mark.parametrize("door", DOORS)
def test_the_table_of_unchecked_parts(world: World, door: Door) -> None:
    policy = world.load().effective("a")

    def action(kind: FileKind, over: bool) -> str:
        return str(decide([], [Unchecked(None, "why", over)], Context(door, "a", kind), policy).action)

    shown = rows("unchecked")[door]
    assert shown == [action("notebook", False), action("notebook", True), action("opaque", False)]
    assert {action("opaque", True), action("text", True), action("text", False)} == {shown[2]}


def test_the_tables_are_whole() -> None:
    assert [*rows("findings")] == [*rows("unchecked")] == [*DOORS]
    assert re.findall(r"`(\w+) < (\w+) < (\w+) < (\w+) < (\w+)`", PAGE) == [
        ("allow", "warn", "redact", "hold", "block")
    ]


def test_a_refusal_no_setting_shows_is_lifted_by_its_doors_setting(world: World) -> None:
    world.write("user", '[doors]\nsave = { opaque = "warn", text = "warn" }\nexport = { opaque = "warn" }\n')
    assert str(world.judge("save", "opaque", "a.zip", cut=False)[0]) == "warn"
    assert str(world.judge("save", "text", "a.ipynb")[0]) == "warn"
    policy = world.load().effective("a.ipynb")
    over = decide([], [Unchecked(None, "why", True)], Context("export", "a.ipynb", "notebook"), policy)
    assert str(over.action) == "warn"
    assert decide([finding("source")], [], Context("save", "a.ipynb", "notebook"), policy).code == ""
