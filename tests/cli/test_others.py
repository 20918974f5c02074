"""``init``, ``policy``, ``kept``, ``why``, ``doctor``, ``rules`` as they are run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run, code_cell, github_token, notebook

MARKER = re.compile(rb"\[REDACTED:([a-z0-9-]+):([0-9a-f]{8})\]")


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "objects" not in path.parts
    }


def test_init_writes_what_it_says_and_a_second_run_changes_nothing(qguard: Run, work: Path) -> None:
    done = qguard("init")
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(done.stdout.splitlines()) == 3
    assert sorted(tree(work)) == [".pre-commit-config.yaml", "qguard.toml"]
    assert qguard("policy", "check").returncode == 0
    before = tree(work)
    again = qguard("init")
    assert again.returncode == 0
    assert again.stdout.count(b"already") == 2
    assert tree(work) == before


def test_init_never_overwrites(qguard: Run, work: Path, git: Callable[..., str]) -> None:
    (work / "qguard.toml").write_text("version = 1\n")
    (work / ".pre-commit-config.yaml").write_text("repos:\n- repo: x  # mine\n  hooks: [{id: one}]\n")
    (work / ".gitattributes").write_text("*.png binary")
    done = qguard("init", "--yes")
    assert done.returncode == 0
    assert (work / "qguard.toml").read_text() == "version = 1\n"
    assert (
        (work / ".pre-commit-config.yaml")
        .read_text()
        .startswith("repos:\n- repo: x  # mine\n  hooks: [{id: one}]\n- repo: local\n")
    )
    assert (work / ".gitattributes").read_text() == "*.png binary\n*.[iI][pP][yY][nN][bB] filter=qguard\n"
    assert git("config", "filter.qguard.process") == "qguard git filter\n"
    assert git("config", "filter.qguard.smudge") == "cat\n"
    assert git("config", "filter.qguard.required") == "true\n"
    before = tree(work)
    assert b"set up already" in qguard("init", "--yes").stdout
    assert b"set up already" in qguard("init").stdout
    assert tree(work) == before


def test_init_asks_nobody_without_a_terminal(qguard: Run, work: Path, git: Callable[..., str]) -> None:
    done = qguard("init")
    assert done.returncode == 0
    assert b"--yes" in done.stdout
    assert not (work / ".gitattributes").exists()


def test_init_leaves_a_foreign_filter_alone(qguard: Run, work: Path, git: Callable[..., str]) -> None:
    git("config", "filter.qguard.clean", "other")
    done = qguard("init", "--yes")
    assert done.returncode == 2
    assert git("config", "filter.qguard.clean") == "other\n"
    assert not (work / ".gitattributes").exists()


def test_init_below_a_repository_sets_the_repository_up(qguard: Run, work: Path, git: Callable[..., str]) -> None:
    (work / "sub").mkdir()
    assert qguard("init", cwd=work / "sub").returncode == 0
    assert (work / "qguard.toml").exists()
    assert list((work / "sub").iterdir()) == []


def test_init_respects_a_policy_in_pyproject(qguard: Run, work: Path) -> None:
    (work / "pyproject.toml").write_text("[tool.qguard]\nversion = 1\n")
    assert qguard("init").returncode == 0
    assert not (work / "qguard.toml").exists()


def test_policy_show_gives_every_value_its_source(qguard: Run, work: Path) -> None:
    (work / "qguard.toml").write_text('version = 1\n[content]\noutput = "block"\n')
    rows = {row["setting"]: row for row in json.loads(qguard("policy", "show", "--format", "json").stdout)}
    assert (rows["mode"]["value"], rows["mode"]["source"]) == ("enforce", "default")
    assert (rows["content.output"]["value"], rows["content.output"]["line"]) == ("block", 3)
    assert "qguard.toml" in rows["content.output"]["source"]
    done = qguard("policy", "show")
    assert re.search(rb"content\.output +block +project qguard\.toml:3", done.stdout)


def test_policy_check_names_file_line_and_the_closest_name(qguard: Run, work: Path) -> None:
    (work / "qguard.toml").write_text('version = 1\n[content]\nsorce = "warn"\n')
    for arguments in (
        ("policy", "check"),
        ("policy", "check", "qguard.toml"),
        ("policy", "show"),
        ("policy", "explain"),
    ):
        done = qguard(*arguments)
        assert done.returncode == 2
        assert b"qguard.toml:3" in done.stdout + done.stderr
        assert b"source" in done.stdout + done.stderr
    assert qguard("policy", "check", "nowhere.toml").returncode == 2


def test_policy_explain_gives_doors_and_reasons(qguard: Run, work: Path) -> None:
    done = qguard("policy", "explain")
    assert done.returncode == 0
    assert re.search(rb"save +source +redact +because of content\.source \(default\)", done.stdout)
    assert re.search(rb"commit +text +block", done.stdout)
    entry = '[[paths]]\nmatch = "course/**"\nsource = "allow"\nreason = "teaching"\nowner = "a@lab.example"\n'
    (work / "qguard.toml").write_text("version = 1\n" + entry)
    done = qguard("policy", "explain", "course/not-yet.ipynb")
    assert re.search(rb"save +source +allow +because of paths\[course/\*\*\]\.source", done.stdout)


def test_why_tells_what_when_where_and_how_to_get_it_back(qguard: Run, work: Path) -> None:
    token = github_token()
    for name in ("a.ipynb", "b.ipynb"):
        (work / name).write_bytes(notebook(code_cell("1"), code_cell(f"\nt = '{token}'", "c2")))
    assert qguard("redact", "--in-place", "a.ipynb", "b.ipynb").returncode == 0
    found = MARKER.search((work / "a.ipynb").read_bytes())
    assert found is not None
    (work / "notes.txt").write_bytes(b"\nsee " + found[0] + b"\n")
    marker, rule, id8 = found[0].decode(), found[1], found[2].decode()
    for argument in (marker, f"'{marker}'", id8):
        done = qguard("why", argument)
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"rule: " + rule in done.stdout
        assert b"commit: redact  a.ipynb, cell 2 (c2), source, line 2" in done.stdout
        assert b"a.ipynb, b.ipynb" in done.stdout
        assert b"qguard kept reveal " + id8.encode() in done.stdout
        assert b"  a.ipynb, cell 2\n" in done.stdout
        assert b"  notes.txt, line 2\n" in done.stdout
        assert token[4:12].encode() not in done.stdout


def test_why_of_something_unknown_is_exit_1_and_of_nonsense_exit_2(qguard: Run) -> None:
    assert qguard("why", "12345678").returncode == 1
    assert qguard("why", "[REDACTED:github-token:12345678]").returncode == 1
    assert qguard("why", "hello").returncode == 2


def test_why_without_an_id_lists_the_decisions_of_that_rule(qguard: Run, work: Path) -> None:
    data = notebook(code_cell(f"t = '{github_token()}'"))
    out = qguard("redact", "-", "--path", "a.ipynb", input=data).stdout
    (work / "a.ipynb").write_bytes(out)
    found = MARKER.search(out)
    assert found is not None
    assert found[2] == b"00000000"
    done = qguard("why", found[0].decode())
    assert done.returncode == 0
    assert b"no id of its own" in done.stdout
    assert b"  a.ipynb, cell 1\n" in done.stdout


def test_rules_are_listed_and_shown(qguard: Run) -> None:
    rules = json.loads(qguard("rules", "list", "--format", "json").stdout)
    assert {"id", "title", "severity", "tier", "why"} <= set(rules[0])
    first = rules[0]["id"]
    assert first.encode() in qguard("rules", "list").stdout
    assert rules[0]["why"].encode() in qguard("rules", "show", first).stdout
    done = qguard("rules", "show", first[:-1])
    assert done.returncode == 2
    assert first.encode() in done.stderr


def test_kept_with_an_unknown_id_is_one_sentence(qguard: Run) -> None:
    for verb in ("reveal", "drop"):
        done = qguard("kept", verb, "12345678")
        assert (done.returncode, done.stdout) == (2, b"")
        assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("arguments", [("kept", "list"), ("why", "12345678"), ("policy", "show"), ("rules", "list")])
def test_a_home_that_cannot_be_written_is_no_traceback(qguard: Run, home: Path, arguments: tuple[str, ...]) -> None:
    (home / "file").write_text("")
    done = qguard(*arguments, extra={"HOME": str(home / "file")})
    assert done.returncode in (0, 1, 2)
    assert done.stderr.count(b"\n") <= 1
