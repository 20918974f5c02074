"""``qguard ledger``: the record shown, checked and exported by the real program, as docs/record.md tells it."""

from __future__ import annotations

import base64
import json
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jupyter_qguard.ledger import Event, Ledger, stamp
from tests.cli.conftest import ROOT, Run, code_cell, github_token, notebook

PAGE = (ROOT / "docs" / "record.md").read_text("utf-8")


@pytest.fixture(params=["sqlite", "jsonl"])
def kind(request: pytest.FixtureRequest, env: dict[str, str]) -> str:
    env["QGUARD_LEDGER"] = str(request.param)
    return str(request.param)


@pytest.fixture
def data(home: Path, env: dict[str, str]) -> Path:
    env["QGUARD_DATA_DIR"] = str(home / "data")
    return home / "data"


def fill(data: Path, env: dict[str, str], *events: dict[str, Any]) -> None:
    ledger = Ledger(data, env)
    for n, more in enumerate(events):
        plain: dict[str, Any] = {
            "time": stamp(1_800_000_000.0 + n),
            "door": "save",
            "path": "a.ipynb",
            "action": "redact",
            "mode": "enforce",
            "kind": "notebook",
            "findings": [{"rule": "github-token", "action": "redact", "id8": f"{n:08x}", "cell_index": 2, "line": 1}],
        }
        ledger.append(Event(**plain | more))
    ledger.close()


def tampered(data: Path, kind: str) -> None:
    """Change one letter of the second entry."""
    if kind == "jsonl":
        path = data / "ledger" / "decisions.jsonl"
        path.write_bytes(path.read_bytes().replace(b'"path":"b.ipynb"', b'"path":"c.ipynb"'))
        return
    base = sqlite3.connect(data / "ledger" / "decisions.sqlite")
    base.execute("DROP TRIGGER events_stay")
    base.execute("UPDATE events SET path = 'c.ipynb', body = replace(CAST(body AS TEXT), 'b.ipynb', 'c.ipynb')")
    base.commit()
    base.close()


def test_what_a_redaction_leaves_in_the_record(qguard: Run, work: Path, data: Path, kind: str) -> None:
    token = github_token()
    (work / "a.ipynb").write_bytes(notebook(code_cell(f"t = '{token}'")))
    assert qguard("redact", "--in-place", "a.ipynb").returncode == 0
    shown = qguard("ledger", "show")
    assert shown.returncode == 0
    assert re.search(rb"1  \d{4}-\d\d-\d\d \d\d:\d\d  commit: redact  a\.ipynb", shown.stdout)
    assert b"github-token: redact  cell 1, source, line 1, id " in shown.stdout
    done = [qguard("ledger", *words) for words in (("verify",), ("export",), ("head",), ("show", "--format", "json"))]
    assert [one.returncode for one in done] == [0, 0, 0, 0]
    for one in (shown, *done):
        assert token.encode() not in one.stdout + one.stderr


def test_the_filters(qguard: Run, data: Path, env: dict[str, str], kind: str) -> None:
    fill(
        data,
        env,
        {},
        {"path": "b.ipynb", "door": "upload"},
        {"findings": [{"rule": "json-web-token", "action": "block", "id8": "abcdef01"}], "action": "block"},
        {"findings": [], "note": '"door":"export" and "rule":"github-token"'},  # words in a text are no fields
    )

    def found(*words: str) -> list[int]:
        done = qguard("ledger", "show", "--format", "jsonl", *words)
        assert done.returncode == 0, done.stderr
        return [json.loads(line)["seq"] for line in done.stdout.splitlines()]

    assert found() == [4, 3, 2, 1]
    assert found("--limit", "2") == [4, 3]
    assert found("--path", "b.ipynb") == found("--door", "upload") == [2]
    assert found("--door", "export") == []
    assert found("--rule", "github-token") == [2, 1]
    assert found("--marker", "[REDACTED:json-web-token:abcdef01]") == found("--marker", "abcdef01") == [3]
    assert found("--since", stamp(1_800_000_002.0)) == [4, 3]
    assert found("--until", stamp(1_800_000_001.0)) == [1]
    assert found("--until", "2h") == found("--until", "1999-01-01") == found("--since", "2999-01-01") == []
    assert found("--since", "2h") == [4, 3, 2, 1]  # they are of the year 2027
    assert found("--rule", "github-token", "--path", "a.ipynb") == [1]
    listed = json.loads(qguard("ledger", "show", "--format", "json").stdout)
    assert [one["seq"] for one in listed] == [4, 3, 2, 1]
    assert all(re.fullmatch("[0-9a-f]{64}", one["hash"]) for one in listed)
    assert b"Nothing of that kind" in qguard("ledger", "show", "--path", "none").stdout
    for words in (("--since", "yesterday"), ("--marker", "none"), ("--limit", "0")):
        wrong = qguard("ledger", "show", *words)
        assert wrong.returncode == 2
        assert words[1].encode() not in wrong.stderr


def test_would_have(qguard: Run, data: Path, env: dict[str, str], kind: str) -> None:
    block = [{"rule": "github-token", "action": "block"}, {"rule": "high-entropy-string", "action": "warn"}]
    observed = {"mode": "observe", "who": "ana"}
    upload = {"door": "upload", "action": "block", "findings": block, "kind": "text"}
    fill(
        data,
        env,
        observed | upload | {"path": "a.py"},
        observed | upload | {"path": "b.py"},
        observed | upload | {"path": "b.py"},
        observed | upload | {"who": "ben"},
        observed,  # a save that would have been redacted
        observed | {"action": "warn", "findings": [{"rule": "high-entropy-string", "action": "warn"}]},
        observed | {"action": "block", "findings": [], "unchecked": [{"reason": "too deep", "action": "block"}]},
        upload | {"who": "not observed"},
    )
    answer = json.loads(qguard("ledger", "show", "--would-have", "--format", "json").stdout)
    assert (answer["decisions"], answer["stopped"], answer["redacted"]) == (7, 5, 1)
    rows = [(row["who"], row["rule"], row["door"], row["action"], row["times"], row["paths"]) for row in answer["rows"]]
    assert rows == [
        ("ana", "github-token", "upload", "block", 3, 2),
        ("ana", "(unchecked)", "save", "block", 1, 1),
        ("ben", "github-token", "upload", "block", 1, 1),
        ("ana", "github-token", "save", "redact", 1, 1),
    ]
    text = qguard("ledger", "show", "--would-have").stdout.decode()
    assert "7 decisions had something to say: enforced, 5 would have been stopped (2 users) and 1 redacted" in text
    assert re.search(r"ana +github-token +upload +block +3 +2", text)
    lines = qguard("ledger", "show", "--would-have", "--door", "upload", "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line)["who"] for line in lines] == ["ana", "ben"]
    assert b"Nothing was recorded in observe mode" in qguard("ledger", "show", "--would-have", "--path", "x").stdout


def test_a_real_observe_mode_is_counted(qguard: Run, work: Path, data: Path) -> None:
    (work / "a.ipynb").write_bytes(notebook(code_cell(f"t = '{github_token()}'")))
    code = (
        "import os, sys, pathlib; from jupyter_qguard import guard; g = guard.build(pathlib.Path('.'), os.environ);"
        "data = pathlib.Path('a.ipynb').read_bytes();"
        "j = g.check_bytes(data, guard.Request('save', 'a.ipynb', who='ana')); assert j.content == data"
    )
    env = {"PYTHONPATH": str(ROOT), "QGUARD_MODE": "observe", "QGUARD_DATA_DIR": str(data), "HOME": str(data.parent)}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=work, env=env | {"QGUARD_KEEP": "file"})
    (row,) = json.loads(qguard("ledger", "show", "--would-have", "--format", "json").stdout)["rows"]
    assert (row["who"], row["rule"], row["door"], row["action"]) == ("ana", "github-token", "save", "redact")


def test_verify_says_what_is_wrong_and_what_it_cannot_know(
    qguard: Run, data: Path, env: dict[str, str], kind: str
) -> None:
    none = qguard("ledger", "verify")
    assert none.returncode == 2
    assert b"There is no ledger here" in none.stdout
    fill(data, env, {}, {"path": "b.ipynb"}, {})
    bare = qguard("ledger", "verify")
    assert bare.returncode == 0
    assert b"The record is intact: 3 entries" in bare.stdout
    assert b"Counters (decisions that led to nothing) are not part of the chain." in bare.stdout
    assert b"No signed head was compared" in bare.stdout
    assert qguard("ledger", "head").returncode == 0
    own = qguard("ledger", "verify").stdout
    assert b"The head signed over 3 entries is borne out" in own
    assert b"They prove nothing against somebody who acts as this user" in own
    tampered(data, kind)
    bad = qguard("ledger", "verify")
    assert bad.returncode == 1
    assert b"THE RECORD WAS TAMPERED WITH" in bad.stdout
    assert b"Entry 2 does not follow from what stands before it" in bad.stdout
    plain = json.loads(qguard("ledger", "verify", "--format", "json").stdout)
    assert plain["verdict"] == "tampered"
    assert ("entry", 2) in [(one["kind"], one["seq"]) for one in plain["problems"]]


def test_a_kept_head(qguard: Run, work: Path, data: Path, env: dict[str, str], kind: str) -> None:
    fill(data, env, {}, {"path": "b.ipynb"}, {})
    head = qguard("ledger", "head").stdout
    (work / "head.note").write_bytes(head)
    key = qguard("ledger", "head", "--public-key").stdout
    (work / "key").write_bytes(key)
    fill(data, env, {})
    for words, stdin in (
        (("--head", "head.note"), None),
        (("--head", "-"), head),
        (("--head", "head.note", "--public-key", "key"), None),
        (("--head", "head.note", "--public-key", key.decode().strip()), None),
    ):
        good = qguard("ledger", "verify", *words, input=stdin)
        assert good.returncode == 0, good.stdout
        assert b"The head given proves" in good.stdout
    changed = qguard("ledger", "verify", "--head", "-", input=head.replace(b"\n3\n", b"\n4\n"))
    assert changed.returncode == 1
    assert b"the head was changed" in changed.stdout
    other = key.decode().strip()[:-8] + "AAAAAAA="
    for words, said in (
        (("--head", "none.note"), b"none.note cannot be read"),
        (("--head", "key"), b"no signed head"),
        (("--head", "head.note", "--public-key", other), b"no public key"),
    ):
        wrong = qguard("ledger", "verify", *words)
        assert wrong.returncode == 2
        assert said in wrong.stderr
    record = next(path for path in (data / "ledger").iterdir() if path.suffix in (".sqlite", ".jsonl"))
    for path in (data / "ledger").iterdir():
        if path != record:
            path.unlink()
    record.write_bytes(b"")
    emptied = qguard("ledger", "verify")
    assert emptied.returncode == 1
    assert b"it was emptied or replaced" in emptied.stdout
    for path in (data / "ledger").iterdir():  # the whole record is gone
        path.unlink()
    gone = qguard("ledger", "verify", "--head", "head.note")
    assert gone.returncode == 1
    assert b"it was removed" in gone.stdout
    assert b"The ledger was cut: 3 entries signed, 0 there" in gone.stdout
    fill(data, env, {}, {}, {})  # and another one put in its place
    replaced = qguard("ledger", "verify", "--head", "head.note")
    assert replaced.returncode == 2
    assert b"speaks of another ledger" in replaced.stdout


def test_a_head_signed_by_somebody_else_is_not_believed(
    qguard: Run, work: Path, data: Path, env: dict[str, str]
) -> None:
    fill(data, env, {})
    (work / "head.note").write_bytes(qguard("ledger", "head").stdout)
    (data / "signing.json").unlink()
    qguard("ledger", "head")  # another key is made
    strange = qguard("ledger", "verify", "--head", "head.note")
    assert strange.returncode == 2
    assert b"signed by a key that is not known here" in strange.stdout


def test_an_export_is_checked_anywhere(qguard: Run, work: Path, data: Path, env: dict[str, str], kind: str) -> None:
    assert qguard("ledger", "export").returncode == 2
    fill(data, env, {"path": 'é"\\\udce9.ipynb'}, {"path": "b.ipynb"}, {}, {}, {})
    (work / "record.jsonl").write_bytes(qguard("ledger", "export").stdout)
    head = qguard("ledger", "head").stdout
    (work / "head.note").write_bytes(head)
    key = qguard("ledger", "head", "--public-key").stdout.decode().strip()
    script = PAGE.split("<!-- check -->\n```python\n")[1].split("```")[0]
    done = subprocess.run([sys.executable, "-c", script, "record.jsonl"], capture_output=True, cwd=work, text=True)
    size, root = done.stdout.split()
    assert head.decode().split("\n")[1:3] == [size, base64.b64encode(bytes.fromhex(root)).decode()]
    elsewhere = {"QGUARD_DATA_DIR": str(work / "another machine")}
    words = ("--export", "record.jsonl", "--head", "head.note", "--public-key", key)
    assert qguard("ledger", "verify", *words, extra=elsewhere).returncode == 0
    assert not (work / "another machine").exists()
    text = (work / "record.jsonl").read_bytes()
    (work / "record.jsonl").write_bytes(text.replace(b"b.ipynb", b"c.ipynb"))
    bad = qguard("ledger", "verify", *words, extra=elsewhere)
    assert bad.returncode == 1
    changed = subprocess.run([sys.executable, "-c", script, "record.jsonl"], capture_output=True, cwd=work)
    assert changed.returncode == 1
    (work / "record.jsonl").write_bytes(b"".join(text.splitlines(keepends=True)[:3]))
    cut = qguard("ledger", "verify", *words, extra=elsewhere)
    assert (cut.returncode, b"The ledger was cut" in cut.stdout) == (1, True)
    assert qguard("ledger", "verify", "--export", "none").returncode == 2


def test_a_torn_and_a_foreign_ledger(qguard: Run, data: Path, env: dict[str, str]) -> None:
    env["QGUARD_LEDGER"] = "jsonl"
    fill(data, env, {}, {})
    path = data / "ledger" / "decisions.jsonl"
    with path.open("ab") as handle:
        handle.write(b'{"event":{"action"')
    torn = qguard("ledger", "verify")
    assert (torn.returncode, b"ends in the middle of an entry, after entry 2" in torn.stdout) == (2, True)
    path.write_text("some notes of mine\n")
    foreign = qguard("ledger", "verify")
    assert (foreign.returncode, b"no ledger of jupyter-qguard" in foreign.stdout) == (2, True)
    assert b"notes of mine" not in foreign.stdout
    env["QGUARD_LEDGER"] = "sqlite"
    (data / "ledger" / "decisions.sqlite").write_bytes(b"no database\n" * 500)
    for words in (("verify",), ("show",), ("export",), ("head",)):
        broken = qguard("ledger", *words)
        assert (broken.returncode, b"damaged" in broken.stderr) == (2, True)


def test_heads_where_the_users_policy_wants_them(qguard: Run, work: Path, home: Path, data: Path, git: Any) -> None:
    (home / ".jupyter").mkdir(exist_ok=True)
    elsewhere = home / "elsewhere"
    (home / ".jupyter" / "qguard.toml").write_text(
        f'[ledger]\nhead_file = "{elsewhere}"\nhead_git = "{work}"\nhead_url = "http://127.0.0.1:9/"\n'
    )
    (work / "a.ipynb").write_bytes(notebook(code_cell(f"t = '{github_token()}'")))
    assert qguard("redact", "--in-place", "a.ipynb").returncode == 0  # a place that fails stops nothing
    assert len(list(elsewhere.glob("*/latest.note"))) == 1  # written at the end of that command
    assert b"the server cannot be reached" in qguard("doctor").stdout
    head = qguard("ledger", "head")
    assert head.returncode == 2
    assert b"(URL): the server cannot be reached." in head.stderr
    (found,) = git("notes", "--ref=qguard", "list").splitlines()
    kept = git("notes", "--ref=qguard", "show", found.split()[1]).encode()
    assert kept == head.stdout
    assert qguard("ledger", "verify", "--head", "-", input=kept).returncode == 0
    shown = qguard("policy", "show").stdout.decode()
    assert f"ledger.head_git   {work}  user qguard.toml:3" in re.sub(r" {4,}", "   ", shown)
    for path in elsewhere.glob("*/*.note"):  # the one in the data folder alone would not tell
        path.write_bytes(kept)
    with sqlite3.connect(data / "ledger" / "decisions.sqlite") as base:
        base.execute("DROP TRIGGER events_remain")
        base.execute("DELETE FROM events")
        base.execute("DELETE FROM markers")
        base.execute("UPDATE chain SET size = 0, last = genesis, peaks = ''")
    cut = qguard("ledger", "verify")
    assert (cut.returncode, b"The ledger was cut: 1 entry signed, 0 there." in cut.stdout) == (1, True)


def test_doctor_tells_of_a_record_that_was_cut(qguard: Run, data: Path, env: dict[str, str]) -> None:
    fill(data, env, {}, {}, {})
    assert qguard("ledger", "head").returncode == 0
    with sqlite3.connect(data / "ledger" / "decisions.sqlite") as base:
        (hash,) = base.execute("SELECT hash FROM events WHERE seq = 1").fetchone()
        base.execute("DROP TRIGGER events_remain")
        base.execute("DELETE FROM events WHERE seq > 1")
        base.execute("DELETE FROM markers WHERE seq > 1")
        base.execute("UPDATE chain SET size = 1, last = ?, peaks = ?", (hash, hash))
    assert qguard("ledger", "verify").returncode == 1
    doctor = qguard("doctor").stdout
    assert b"record: The record is not the one that was signed (data folder): a head over 3 entries" in doctor
    refused = qguard("ledger", "head")
    assert (refused.returncode, b"No head is signed" in refused.stderr) == (2, True)


def test_a_bad_policy_does_not_hide_the_record(qguard: Run, home: Path, data: Path, env: dict[str, str]) -> None:
    fill(data, env, {})
    (home / ".jupyter").mkdir(exist_ok=True)
    (home / ".jupyter" / "qguard.toml").write_text("nonsense = 1\n")
    assert qguard("ledger", "show").returncode == 0
    verified = qguard("ledger", "verify")
    assert (verified.returncode, b"left out" in verified.stderr) == (0, True)


def test_the_page_names_the_commands_as_they_are(qguard: Run, work: Path, data: Path, env: dict[str, str]) -> None:
    """Every command of docs/record.md's first block, run as it stands there."""
    fill(data, env, {}, {})
    block = PAGE.split("```\n")[1]
    commands = [line.split("#")[0].strip() for line in block.splitlines()]
    assert len(commands) == 8
    for line in commands:
        words, _, target = line.removeprefix("qguard ").partition(" > ")
        done = qguard(*words.split())
        assert done.returncode == 0, (line, done.stderr)
        if target:
            (work / target).write_bytes(done.stdout)
