"""Baselines and pragmas where they meet the policy: what they lift, what they never do, what it costs."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jupyter_qguard import settings
from jupyter_qguard.guard import Guard, Request
from jupyter_qguard.policy.exempt import MOST_DIGESTS
from jupyter_qguard.policy.model import Action
from jupyter_qguard.scan import baseline
from jupyter_qguard.scan.rules import ALL
from jupyter_qguard.scan.scanner import scan_notebook, scan_text
from tests.guard.test_guard import Drawer, Notes, book, token

SAVE = Request("save", "a.ipynb", sole_copy=True)


class World:
    """A root with policy files, a baseline, and a clock."""

    def __init__(self, base: Path) -> None:
        self.root, self.system, self.user = base / "root", base / "system", base / "user"
        for folder in (self.root, self.system, self.user):
            folder.mkdir()
        self.now = datetime(2026, 6, 1, 12, tzinfo=UTC)
        self.salt = baseline.new_salt()
        self.lines: list[str] = []

    def accept(self, text: str, *, number: int = 0, folder: str = "", rule: str = "", **more: str) -> None:
        """Write an entry for finding ``number`` of a text, as a person would."""
        scan = scan_text(text)
        said = {"reason": '"made up"', "owner": '"ada@lab.example"', "expires": "2027-01-01", **more}
        inside = ", ".join(f"{key} = {value}" for key, value in said.items())
        name = rule or scan.findings[number].rule.id
        self.lines.append(f'{baseline.digest(scan.value(number), self.salt)} = {{ rule = "{name}", {inside} }}')
        text = f'version = 1\nsalts = ["{self.salt}"]\n[accepted]\n' + "\n".join(self.lines) + "\n"
        (self.root / folder).mkdir(exist_ok=True)
        (self.root / folder / settings.BASELINE_NAME).write_text(text)

    def guard(self, *, system: str = "", user: str = "", project: str = "") -> Guard:
        for folder, text in ((self.system, system), (self.user, user), (self.root, project)):
            if text:
                (folder / "qguard.toml").write_text("version = 1\n" + text)
        policies = settings.load(
            None,
            root=self.root,
            env={},
            known_rules=frozenset(ALL),
            system_dirs=[self.system],
            user_dir=self.user,
            clock=lambda: self.now,
        )
        return Guard(policies=policies, ledger=Notes(), keeper=Drawer(), key=secrets.token_bytes(32))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def scrypts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the digests that are worked out."""
    calls: list[int] = []
    real: Callable[..., bytes] = hashlib.scrypt

    def counted(*args: Any, **named: Any) -> bytes:
        calls.append(1)
        return real(*args, **named)

    monkeypatch.setattr(hashlib, "scrypt", counted)
    return calls


def test_an_accepted_value_stays_and_is_told_and_recorded(world: World) -> None:
    plant = token()
    world.accept(f'x = "{plant}"')
    guard, notebook = world.guard(), book(f't = "{plant}"', f"{plant}\n")
    judgement = guard.check_notebook(notebook, SAVE)
    assert judgement.content is notebook
    assert judgement.action is Action.ALLOW
    told = {"kind": "baseline", "reason": "made up", "owner": "ada@lab.example", "expires": "2027-01-01"}
    assert [row["exception"] for row in judgement.findings] == [told, told]
    assert [row["action"] for row in judgement.findings] == ["allow", "allow"]
    assert judgement.decision is not None
    assert judgement.decision.judged[0].because == "baseline: made up, ada@lab.example, until 2027-01-01"
    (event,) = guard.ledger.events
    assert event.action == "allow"
    assert event.findings[0]["exception"] == "baseline: made up, ada@lab.example, until 2027-01-01"
    assert plant[4:] not in repr((judgement.findings, judgement.decision, guard.ledger.events))
    assert plant[4:] not in (world.root / settings.BASELINE_NAME).read_text()


@pytest.mark.parametrize("key", ["reason", "owner", "only"])
def test_an_entry_that_quotes_a_secret_does_not_count_and_is_quoted_nowhere(world: World, key: str) -> None:
    plant, quoted = token(), token()
    world.accept(f'x = "{plant}"', **{key: f'"see {quoted}"'})
    guard = world.guard()
    judgement = guard.check_notebook(book(f't = "{plant}"'), SAVE)
    assert plant not in judgement.content["cells"][0]["source"]
    assert "holds what looks like a secret" in judgement.findings[0]["not_excepted"]
    assert quoted[4:] not in repr((judgement, judgement.findings, guard.ledger.events))


def test_it_survives_moves_copies_renames_and_other_wrappings(world: World) -> None:
    plant = token()
    world.accept(f'x = "{plant}"')
    guard = world.guard()
    for source, output in (
        (f"# first\nclient = Client(token='{plant}')", ""),
        ("x = 1", f"\x1b[31m{plant}\x1b[0m"),
        (f"data = '{base64.b64encode(plant.encode()).decode()}'", ""),
    ):
        judgement = guard.check_notebook(book(source, output), Request("save", "sub/other.ipynb", sole_copy=True))
        assert judgement.action is Action.ALLOW, source
        assert judgement.findings


def test_another_value_beside_it_goes(world: World) -> None:
    plant, other = token(), token()
    world.accept(f'x = "{plant}"')
    judgement = world.guard().check_notebook(book(f't = "{plant}"\nu = "{other}"'), SAVE)
    source = judgement.content["cells"][0]["source"]
    assert plant in source
    assert other not in source
    assert [row["action"] for row in judgement.findings] == ["allow", "redact"]


def test_an_entry_never_covers_another_rule(world: World, scrypts: list[int]) -> None:
    plant = token()
    world.accept(f'x = "{plant}"', rule="github-token")
    scrypts.clear()
    assert world.guard().check_notebook(book(f't = "{plant}"'), SAVE).changed
    assert scrypts == [], "no digest is made for a rule without an entry"


def test_a_value_that_must_go_goes_out_of_accepted_text_too(world: World) -> None:
    """An exception says that a finding stops nothing; it protects no text from another finding's redaction."""
    plant = token()
    world.accept(f'x = "{plant}"')
    guard, alone = world.guard(), f't = "{plant}"'
    assert not guard.check_notebook(book(alone), SAVE).changed
    for other in (f'url = "https://ada:{plant[4:]}@db.corp.net/x"', f'u = "{plant[:20]}{secrets.token_hex(12)}"'):
        judgement = guard.check_notebook(book(f"{alone}\n{other}"), SAVE)
        assert sorted(row["action"] for row in judgement.findings) == ["allow", "redact"]
        assert plant not in json.dumps(judgement.content)


def test_the_end_comes_and_is_told(world: World) -> None:
    plant = token()
    world.accept(f'x = "{plant}"')
    guard = world.guard()
    world.now = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
    assert not guard.check_notebook(book(f't = "{plant}"'), SAVE).changed
    world.now = datetime(2027, 1, 1, tzinfo=UTC)
    judgement = guard.check_notebook(book(f't = "{plant}"'), SAVE)
    assert judgement.changed
    assert judgement.findings[0]["not_excepted"] == "a baseline entry fits, but it ran out on 2027-01-01"
    assert any("1 exception ran out" in notice for notice in guard.policies.notices)


@pytest.mark.parametrize(
    ("files", "lifted"),
    [
        ({}, True),
        ({"project": '[exceptions]\nbaseline = "ignore"\n'}, False),
        ({"user": '[exceptions]\nbaseline = "ignore"\n'}, False),
        ({"system": '[exceptions]\nbaseline = "ignore"\n', "user": '[exceptions]\nbaseline = "allow"\n'}, False),
        ({"user": '[exceptions]\nbaseline = "ignore"\n', "project": '[exceptions]\nbaseline = "allow"\n'}, False),
        ({"system": '[content]\nsource = "redact"\n'}, True),
        ({"system": '[content]\nsource = "block"\n'}, False),
        ({"system": '[content]\nsource = "block"\n', "user": '[exceptions]\nup_to = "block"\n'}, False),
        ({"system": '[content]\nsource = "block"\n[exceptions]\nup_to = "block"\n'}, True),
        ({"system": '[content]\nsource = "block"\n', "user": '[content]\nsource = "block"\n'}, False),
        ({"user": '[content]\nsource = "block"\n'}, True),
        ({"project": '[content]\nsource = "block"\n[exceptions]\nup_to = "redact"\n'}, False),
        ({"system": '[exceptions]\nup_to = "warn"\n', "user": '[exceptions]\nup_to = "block"\n'}, False),
        ({"system": "[exceptions]\ndays = 100\n"}, False),
        ({"system": "[exceptions]\ndays = 300\n"}, True),
        ({"system": "[exceptions]\ndays = 100\n", "user": "[exceptions]\ndays = 900\n"}, False),
        ({"system": '[exceptions]\nowners = ["*@lab.example"]\n'}, True),
        ({"system": '[exceptions]\nowners = ["*@other.example"]\n'}, False),
        (
            {"system": '[exceptions]\nowners = ["*@lab.example"]\n', "project": '[exceptions]\nowners = ["bob@*"]\n'},
            False,
        ),
    ],
)
def test_the_policy_says_how_far_it_counts(world: World, files: dict[str, str], lifted: bool) -> None:
    plant = token()
    world.accept(f'x = "{plant}"')
    judgement = world.guard(**files).check_notebook(book(f't = "{plant}"'), SAVE)
    assert (judgement.action is Action.ALLOW) is lifted
    assert ("exception" in judgement.findings[0]) is lifted


def test_only_limits_an_entry_to_paths(world: World) -> None:
    plant = token()
    world.accept(f'x = "{plant}"', only='"lessons/**"')
    guard = world.guard()
    assert not guard.check_notebook(book(f't = "{plant}"'), Request("save", "lessons/a.ipynb", sole_copy=True)).changed
    judgement = guard.check_notebook(book(f't = "{plant}"'), SAVE)
    assert judgement.changed
    assert "counts only in lessons/**" in judgement.findings[0]["not_excepted"]


def test_the_nearest_baseline_counts_below_its_folder(world: World) -> None:
    plant = token()
    world.accept(f'x = "{plant}"', folder="sub", only='"a.ipynb"')
    guard = world.guard()
    assert not guard.check_notebook(book(f't = "{plant}"'), Request("copy", "sub/a.ipynb")).changed
    assert guard.check_notebook(book(f't = "{plant}"'), Request("copy", "a.ipynb")).changed


def test_a_guessable_value_needs_an_entry_that_says_so(world: World) -> None:
    text = f'url = "postgres://ada:{secrets.choice(["hunter2", "sesame5"])}@db.corp.net/x"'
    scan = scan_text(text)
    assert scan.guessable(0)
    world.accept(text)
    judgement = world.guard().check_notebook(book(text), SAVE)
    assert judgement.changed
    assert "can be guessed" in judgement.findings[0]["not_excepted"]
    world.lines.clear()
    world.accept(text, guessable="true", only='"a.ipynb"')
    guard = world.guard()
    assert not guard.check_notebook(book(text), SAVE).changed
    assert guard.check_notebook(book(text), Request("save", "b.ipynb", sole_copy=True)).changed


def test_a_broken_baseline_is_ignored_told_and_taken_up_again(world: World) -> None:
    plant = token()
    world.accept(f'x = "{plant}"')
    guard, file = world.guard(), world.root / settings.BASELINE_NAME
    good = file.read_text()
    file.write_text(good + "<<<<<<< HEAD\n")
    assert guard.check_notebook(book(f't = "{plant}"'), SAVE).changed
    (problem,) = guard.policies.problems
    assert problem.startswith(f"{file}:5: The file holds the marks of an unfinished merge.")
    assert "no exception in it counts" in problem
    file.write_text(good)
    assert guard.policies.problems == ()
    assert not guard.check_notebook(book(f't = "{plant}"'), SAVE).changed
    file.unlink()
    assert guard.check_notebook(book(f't = "{plant}"'), SAVE).changed


def test_without_a_match_nothing_is_worked_out_and_a_value_once(world: World, scrypts: list[int]) -> None:
    plant, other = token(), token()
    guard = world.guard()
    guard.check_notebook(book(f't = "{plant}"'), SAVE)
    assert scrypts == [], "no baseline, no digest"
    world.accept(f'x = "{plant}"')
    scrypts.clear()
    guard.check_notebook(book("x = 1"), SAVE)
    guard.check_notebook(
        book("k = 'ghp_" + "".join(secrets.choice("abcdefghj23456789XYZ") for _ in range(36)) + "'"), SAVE
    )
    assert scrypts == [], "nothing found, or only by rules without an entry"
    for _ in range(3):
        guard.check_notebook(book(f't = "{plant}"\nu = "{other}"\nv = "{other}"'), SAVE)
    assert len(scrypts) == 1, "the accepted value is known, the other one is worked out once"


def test_work_is_bounded_and_what_is_beyond_is_not_excepted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    plants = [token() for _ in range(MOST_DIGESTS + 1)]
    monkeypatch.setattr(hashlib, "scrypt", lambda data, **named: hashlib.sha256(data).digest()[:16])
    world.accept(f'x = "{plants[0]}"')
    world.accept(f'x = "{plants[-1]}"')
    judgement = world.guard().check_notebook(book("\n".join(f't = "{plant}"' for plant in plants)), SAVE)
    actions = [row["action"] for row in judgement.findings]
    assert actions == ["allow"] + ["redact"] * MOST_DIGESTS
    assert "not compared" in judgement.findings[-1]["not_excepted"]


def test_the_digest_of_a_policy_speaks_of_the_baseline(world: World) -> None:
    guard = world.guard()
    before = guard.policies.effective("a.ipynb").digest
    world.accept(f'x = "{token()}"')
    after = guard.policies.effective("a.ipynb").digest
    world.now = datetime(2028, 1, 1, tzinfo=UTC)
    assert len({before, after, guard.policies.effective("a.ipynb").digest}) == 3


def test_an_exported_page_of_an_accepted_value_passes(world: World) -> None:
    plant = token()
    world.accept(f'x = "{plant}"')
    page = f"<html><pre>{plant}</pre><pre>{token()}</pre></html>"
    judgement = world.guard().check_rendered(page, "a.html", Request("export", "a.ipynb"))
    assert plant in judgement.content
    assert [row["action"] for row in judgement.findings] == ["allow", "redact"]


ASKS = 't = "{}"  # qguard: allow dwave-token reason="shown in lesson 3"'


@pytest.mark.parametrize(
    ("files", "door", "lifted"),
    [
        ({}, "save", False),
        ({}, "commit", False),
        ({"project": '[exceptions]\npragma = "allow"\n'}, "commit", False),
        ({"user": '[exceptions]\npragma = "commit"\n'}, "save", False),
        ({"user": '[exceptions]\npragma = "commit"\n'}, "commit", True),
        ({"user": '[exceptions]\npragma = "allow"\n'}, "save", True),
        ({"user": '[exceptions]\npragma = "allow"\n', "project": '[exceptions]\npragma = "ignore"\n'}, "save", False),
        ({"system": '[exceptions]\npragma = "ignore"\n', "user": '[exceptions]\npragma = "allow"\n'}, "save", False),
        ({"system": '[content]\nsource = "block"\n', "user": '[exceptions]\npragma = "allow"\n'}, "save", False),
    ],
)
def test_a_pragma_counts_as_far_as_the_policy_says(world: World, files: Any, door: Any, lifted: bool) -> None:
    plant = token()
    judgement = world.guard(**files).check_notebook(book(ASKS.format(plant)), Request(door, "a.ipynb"))
    assert (judgement.action is Action.ALLOW) is lifted
    if lifted:
        told = {"kind": "pragma", "reason": "shown in lesson 3", "owner": None, "expires": None}
        assert judgement.findings[0]["exception"] == told


def test_what_an_output_or_an_export_says_asks_for_nothing(world: World) -> None:
    guard = world.guard(user='[exceptions]\npragma = "allow"\n')
    text = ASKS.format(token())
    assert guard.check_notebook(book("x = 1", text), SAVE).changed
    assert guard.check_rendered(text, "a.py", Request("export", "a.ipynb")).changed


def test_every_value_shows_its_rule_and_no_plaintext(world: World) -> None:
    plant = token()
    scan = scan_notebook(book(f't = "{plant}"  # {plant[4:16]}', f"{plant} {plant}"))
    for number in range(len(scan.findings)):
        shown = scan.line(number)
        assert "***" in shown
        assert not any(plant[4:][at : at + 8] in shown for at in range(33))
        assert plant[4:] not in repr(scan.value(number))
