"""The guard where the rooms meet: real scanner and policy, stores that can be made to fail."""

from __future__ import annotations

import copy
import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from jupyter_qguard import guard as guards
from jupyter_qguard import settings
from jupyter_qguard.errors import KeepError, LedgerError
from jupyter_qguard.guard import Guard, Request
from jupyter_qguard.policy.model import Action


class Notes:
    """A ledger that remembers, or fails when told to."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.counted: list[tuple[str, str]] = []
        self.broken = False

    def append(self, event: Any) -> None:
        if self.broken:
            raise LedgerError("The decision could not be recorded.", "Free some space.")
        self.events.append(event)

    def count(self, door: str, action: str, n: int = 1) -> None:
        self.counted.append((door, action))


class Drawer:
    """A keeper that remembers, or fails when told to."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.broken = False

    def keep(self, items: list[Any]) -> tuple[str, ...]:
        if self.broken:
            raise KeepError("There is nowhere to keep the value.", "Nothing was changed.")
        self.items += items
        return tuple(item.id8 for item in items)


@pytest.fixture
def make(tmp_path: Path):
    def build(policy: str = "", *, system: str = "", keeper: Any = "drawer") -> Guard:
        root, admin, user = tmp_path / "root", tmp_path / "system", tmp_path / "user"
        for folder in (root, admin, user):
            folder.mkdir(exist_ok=True)
        if policy:
            (root / "qguard.toml").write_text(policy)
        if system:
            (admin / "qguard.toml").write_text(system)
        policies = settings.load(None, root=root, env={}, system_dirs=[admin], user_dir=user)
        return Guard(
            policies=policies,
            ledger=Notes(),
            keeper=Drawer() if keeper == "drawer" else keeper,
            key=secrets.token_bytes(32),
        )

    return build


def token() -> str:
    return "DEV-" + secrets.token_hex(20)


def book(source: str, output: str = "") -> dict[str, Any]:
    cell = {
        "cell_type": "code",
        "id": "c1",
        "metadata": {},
        "execution_count": None,
        "source": source,
        "outputs": [{"output_type": "stream", "name": "stdout", "text": output}] if output else [],
    }
    return {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def test_clean_content_is_the_very_object(make):
    guard = make()
    notebook = book("x = 1")
    judgement = guard.check_notebook(notebook, Request("save", "a.ipynb", sole_copy=True))
    assert judgement.content is notebook
    assert (judgement.action, judgement.changed, judgement.refused) == (Action.ALLOW, False, False)
    assert guard.ledger.counted == [("save", "allow")]
    assert guard.ledger.events == []


def test_redaction_keeps_records_and_says_so(make):
    guard, plant = make(), token()
    notebook = book(f'client = Client(token="{plant}")', f"token is {plant}\n")
    before = copy.deepcopy(notebook)
    judgement = guard.check_notebook(notebook, Request("save", "a.ipynb", sole_copy=True, who="ada"))
    assert judgement.changed
    assert notebook == before
    assert plant not in json.dumps(judgement.content)
    assert [item.text.reveal() for item in guard.keeper.items] == [plant]
    assert judgement.kept == (guard.keeper.items[0].id8,)
    assert f":{judgement.kept[0]}]" in judgement.content["cells"][0]["source"]
    assert [event.action for event in guard.ledger.events] == ["redact"]
    assert "cell 1" in judgement.message
    told = json.dumps([judgement.message, judgement.findings, repr(judgement.decision), repr(guard.ledger.events)])
    assert plant not in told
    assert plant[4:] not in told


def test_a_copy_keeps_nothing(make):
    guard = make()
    judgement = guard.check_notebook(book(f't = "{token()}"'), Request("copy", "a.ipynb"))
    assert judgement.changed
    assert guard.keeper.items == []
    assert not judgement.not_kept


def test_nowhere_to_keep_refuses_and_changes_nothing(make):
    guard = make()
    guard.keeper.broken = True
    notebook = book(f't = "{token()}"')
    judgement = guard.check_notebook(notebook, Request("save", "a.ipynb", sole_copy=True))
    assert judgement.refused
    assert judgement.code == "keep"
    assert judgement.message.startswith("Not saved: 1 secret found (cell 1, line 1: dwave-token). There is nowhere")
    assert judgement.hint == "Nothing was changed."
    assert judgement.content is notebook
    assert guard.ledger.events == []


def test_switched_off_meanwhile_is_recorded_once_each_time(make, tmp_path):
    guard, plant = make(), token()
    policy = tmp_path / "user" / "qguard.toml"
    actions = []
    for mode in ("off", "enforce", "off"):
        policy.write_text(f'version = 1\nmode = "{mode}"\n# {mode * 3}\n')
        for _ in range(2):
            judgement = guard.check_notebook(book(f't = "{plant}"'), Request("save", "a.ipynb", who="ada"))
            actions.append(str(judgement.action))
    assert actions == ["allow"] * 2 + ["redact"] * 2 + ["allow"] * 2
    assert [event.mode for event in guard.ledger.events] == ["off", "enforce", "enforce", "off"]
    assert guard.ledger.events[0].who == "ada"
    assert "switched off" in guard.ledger.events[0].note


def test_switched_off_without_a_record_is_refused(make, tmp_path):
    guard = make()
    (tmp_path / "user" / "qguard.toml").write_text('version = 1\nmode = "off"\n')
    guard.ledger.broken = True
    judgement = guard.check_notebook(book("x = 1"), Request("save", "a.ipynb"))
    assert judgement.refused
    assert judgement.status == 503


def test_on_a_hub_nothing_is_kept_and_it_is_said(make):
    guard = make(keeper=None)
    judgement = guard.check_notebook(book(f't = "{token()}"'), Request("save", "a.ipynb", sole_copy=True))
    assert judgement.changed
    assert judgement.not_kept
    assert "Not kept" in judgement.message


@pytest.mark.parametrize(("failure", "refused"), [("refuse", True), ("warn", False)])
def test_a_ledger_that_fails_follows_on_failure(make, failure, refused):
    guard = make(system=f'version = 1\non_failure = "{failure}"\n')
    guard.ledger.broken = True
    plant = token()
    judgement = guard.check_notebook(book(f't = "{plant}"'), Request("save", "a.ipynb"))
    assert judgement.refused is refused
    assert judgement.status == (503 if refused else 422)
    assert refused or plant not in json.dumps(judgement.content), "what was found is taken out, recorded or not"


def test_a_block_that_cannot_be_recorded_stays_one(make):
    guard = make(system='version = 1\non_failure = "warn"\n[content]\nsource = "block"\n')
    guard.ledger.broken = True
    judgement = guard.check_notebook(book(f't = "{token()}"'), Request("save", "a.ipynb"))
    assert (judgement.refused, judgement.code) == (True, "blocked")


@pytest.mark.parametrize(("failure", "refused"), [("refuse", True), ("warn", False)])
def test_a_scanner_that_throws_follows_on_failure(make, monkeypatch, failure, refused):
    plant = token()

    def explode(*args: object, **named: object) -> None:
        raise RecursionError(plant)

    monkeypatch.setattr(guards, "scan_notebook", explode)
    guard = make(system=f'version = 1\non_failure = "{failure}"\n')
    notebook = book(f't = "{plant}"')
    judgement = guard.check_notebook(notebook, Request("save", "a.ipynb"))
    assert judgement.refused is refused
    assert judgement.content is notebook
    assert plant not in judgement.message + judgement.hint + repr(guard.ledger.events)


def test_block_refuses_with_the_same_words_each_time(make):
    guard, plant = make('version = 1\n[content]\nsource = "block"\n'), token()
    notebook = book(f't = "{plant}"')
    first = guard.check_notebook(notebook, Request("save", "a.ipynb", sole_copy=True))
    second = guard.check_notebook(notebook, Request("save", "a.ipynb", sole_copy=True))
    assert first.refused
    assert first.status == 422
    assert (first.message, first.hint) == (second.message, second.hint)
    assert "cell 1" in first.message
    assert "%" not in first.message
    assert plant not in first.message
    assert guard.keeper.items == []


def test_observe_reports_and_changes_nothing(make):
    guard = make(system='version = 1\nmode = "observe"\n')
    notebook = book(f't = "{token()}"')
    judgement = guard.check_notebook(notebook, Request("save", "a.ipynb", sole_copy=True))
    assert judgement.content is notebook
    assert not judgement.changed
    assert judgement.action is Action.REDACT
    assert [event.mode for event in guard.ledger.events] == ["observe"]


def test_text_is_never_rewritten(make):
    guard, plant = make(), token()
    saved = guard.check_text(f"token = {plant}", Request("save", "notes.txt", sole_copy=True))
    assert (saved.action, saved.changed, saved.refused) == (Action.WARN, False, False)
    uploaded = guard.check_bytes(f"token = {plant}".encode(), Request("upload", "notes.txt"))
    assert uploaded.refused
    assert plant not in uploaded.message


def test_one_file_can_be_let_in_with_a_reason_and_on_record(make):
    entry = '[[paths]]\nmatch = "lesson.txt"\ntext = "warn"\nreason = "a revoked key"\nowner = "ada"\n'
    guard, data = make("version = 1\n" + entry), f"token = {token()}".encode()
    other = guard.check_bytes(data, Request("upload", "other.txt"))
    assert other.refused
    assert "[[paths]]" in other.hint
    assert not guard.check_bytes(data, Request("upload", "lesson.txt")).refused
    assert [(event.path, event.action) for event in guard.ledger.events] == [
        ("other.txt", "block"),
        ("lesson.txt", "warn"),
    ]


def test_a_notebook_that_is_none_is_refused_when_something_is_found(make):
    guard, plant = make(), token()
    broken = '{"cells": [ "' + plant
    for door in ("save", "upload", "copy", "rename", "checkpoint", "restore"):
        judgement = guard.check_text(broken, Request(door, "a.ipynb", sole_copy=True))
        assert judgement.refused, door
        assert plant not in judgement.message
    assert not guard.check_text('{"cells": [ "nothing', Request("save", "a.ipynb")).refused


def test_bytes_of_a_notebook_are_spliced(make):
    guard, plant = make(), token()
    data = json.dumps(book(f't = "{plant}"'), indent=3, sort_keys=True).encode()
    judgement = guard.check_bytes(data, Request("rename", "a.ipynb", sole_copy=True))
    head, _, tail = data.partition(plant.encode())
    assert judgement.content.startswith(head)
    assert judgement.content.endswith(tail)


def test_build_makes_a_working_guard(tmp_path: Path):
    env = {"QGUARD_DATA_DIR": str(tmp_path / "data"), "HOME": str(tmp_path), "QGUARD_KEEP": "file"}
    guard = guards.build(tmp_path, env)
    plant = token()
    judgement = guard.check_notebook(book(f't = "{plant}"'), Request("save", "a.ipynb", sole_copy=True))
    assert judgement.kept
    assert guard.keeper.reveal(judgement.kept[0]).reveal() == plant
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert plant.encode() not in written


def test_the_random_part_alone_goes_too_wherever_it_is_echoed(make):
    guard, core = make(), "".join(secrets.choice("ABCDEFGHJKMNPQRSTVWXYZabcdefghjkmnpqrs23456789") for _ in range(36))
    judgement = guard.check_notebook(
        book(f't = "gh{"p_"}{core}"', f"without its mark: {core}\n"), Request("save", "a.ipynb")
    )
    assert core not in json.dumps(judgement.content)
