"""The guard with its real record: what follows where an entry or a signed head cannot be written."""

from __future__ import annotations

import secrets
import string
from pathlib import Path

import pytest

from jupyter_qguard import guard as guards
from jupyter_qguard import paths
from jupyter_qguard.guard import Guard, Request
from jupyter_qguard.ledger.ledger import Ledger

REQUEST = Request("save", "a.py", who="ana")


def text() -> str:
    return "t = 'ghp_" + "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(36)) + "'\n"


def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: str) -> Guard:
    """A guard as the server builds it, with a user's policy."""
    config = tmp_path / "config"
    config.mkdir()
    (config / "qguard.toml").write_text(policy)
    env = {"QGUARD_DATA_DIR": str(tmp_path / "data"), "JUPYTER_CONFIG_DIR": str(config), "QGUARD_KEEP": "file"}
    monkeypatch.setattr(paths, "system_config_dirs", lambda env: ())
    return guards.build(tmp_path, env | {"HOME": str(tmp_path)})


@pytest.mark.parametrize(("on_failure", "refused"), [("refuse", True), ("warn", False)])
def test_a_record_that_cannot_be_written_follows_on_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_failure: str, refused: bool
) -> None:
    guard = built(tmp_path, monkeypatch, f'on_failure = "{on_failure}"\n')
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data" / "ledger").write_text("in the way")
    content = text()
    judgement = guard.check_text(content, REQUEST)
    assert judgement.refused is refused
    assert judgement.content == content
    if refused:
        assert (judgement.status, judgement.code) == (503, "ledger")
        assert "could not be recorded" in judgement.message
    (tmp_path / "data" / "ledger").unlink()
    assert not guard.check_text(content, REQUEST).refused  # and it recovers by itself


@pytest.mark.parametrize("on_failure", ["refuse", "warn"])
def test_a_head_that_cannot_be_kept_stops_nothing_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_failure: str
) -> None:
    (tmp_path / "file").write_text("")
    policy = f'on_failure = "{on_failure}"\n[ledger]\nhead_file = "{tmp_path / "file"}"\n'
    guard = built(tmp_path, monkeypatch, policy)
    assert isinstance(guard.ledger, Ledger)
    assert not guard.check_text(text(), REQUEST).refused
    assert guard.ledger.heads is not None
    guard.ledger.heads.make_if_possible(guard.ledger)
    (problem,) = guard.ledger.head_problems()
    assert problem.startswith("A signed head of the record could not be kept (folder)")
    assert not guard.check_text(text(), REQUEST).refused
    gates = pytest.importorskip("jupyter_qguard.server.gate")
    gate = gates.QGuardGate(guard=guard)
    gate.doors = dict.fromkeys(gate.doors, True)
    assert problem in gate.all_problems
    assert gate.status() == "degraded"
    (tmp_path / "file").unlink()
    guard.ledger.heads.make_if_possible(guard.ledger)
    assert problem not in gate.all_problems
