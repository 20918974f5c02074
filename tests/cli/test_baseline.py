"""`qguard baseline`: accept by place, survive what notebooks go through, take back, list, and say why not."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run, code_cell, github_token, notebook

NAME = ".qguard-baseline.toml"
TERMS = ("--reason", "made up for lesson 3", "--owner", "ada@lab.example", "--expires", "90d")


def stream(text: str) -> dict[str, object]:
    return {"output_type": "stream", "name": "stdout", "text": text}


def windows(token: str) -> list[bytes]:
    return [token[at : at + 8].encode() for at in range(4, len(token) - 7)]


def no_secret(token: str, *texts: bytes) -> bool:
    return not any(window in text for window in windows(token) for text in texts)


def test_an_accepted_value_survives_what_notebooks_go_through(qguard: Run, work: Path, home: Path) -> None:
    token = github_token()
    (work / "a.ipynb").write_bytes(notebook(code_cell(f"t = '{token}'")))
    assert qguard("scan", ".").returncode == 1
    done = qguard("baseline", "accept", "a.ipynb", "--rule", "github-token", *TERMS)
    assert done.returncode == 0, done.stderr
    for name, cells in {
        "a.ipynb": (code_cell("x = 1", "n1"), code_cell(f"\n\nt = '{token}'", "n2", [stream(f"{token}\n")])),
        "sub/renamed.ipynb": (code_cell(f"t = '{token}'", "c9"),),
        "plain.py": (),
    }.items():
        (work / name).parent.mkdir(exist_ok=True)
        (work / name).write_bytes(notebook(*cells) if cells else f"T = '{token}'\n".encode())
    scan = qguard("scan", ".", "--format", "json")
    assert scan.returncode == 0
    rows = [row for file in json.loads(scan.stdout)["files"] for row in file["findings"]]
    assert len(rows) == 4
    assert {(row["action"], row["exception"]["owner"]) for row in rows} == {("allow", "ada@lab.example")}
    text = qguard("scan", ".").stdout
    assert b"4 allowed by reviewed exceptions" in text
    explained = qguard("scan", ".", "--explain").stdout
    assert b"baseline: made up for lesson 3, ada@lab.example, until " in explained
    assert qguard("scan", ".", "--no-baseline").returncode == 1
    assert qguard("redact", "--check", "a.ipynb", "plain.py").returncode == 0
    everything = [path.read_bytes() for folder in (home, work) for path in folder.rglob("*.toml")]
    assert no_secret(token, done.stdout, done.stderr, scan.stdout, text, explained, *everything)


def test_the_file_itself_is_clean_and_stands_still(qguard: Run, work: Path) -> None:
    for number in range(3):
        (work / f"{number}.py").write_text(f"T = '{github_token()}'\n")
        assert qguard("baseline", "accept", f"{number}.py", *TERMS).returncode == 0
    before = (work / NAME).read_bytes()
    assert b": nothing found" in qguard("scan", NAME).stdout
    assert qguard("scan", ".").returncode == 0
    assert (work / NAME).read_bytes() == before


def test_a_second_token_of_the_same_kind_is_a_new_finding(qguard: Run, work: Path) -> None:
    file = work / "a.py"
    file.write_text(f"T = '{github_token()}'\n")
    assert qguard("baseline", "accept", "a.py", *TERMS).returncode == 0
    file.write_text(f"T = '{github_token()}'\n")
    assert qguard("scan", ".").returncode == 1


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--owner", "a", "--expires", "90d"), b"needs --reason"),
        (("--reason", "r", "--expires", "90d"), b"needs --owner"),
        (("--reason", "r", "--owner", "a"), b"needs --expires"),
        (("--reason", "r", "--owner", "a", "--expires", "2001-01-01"), b"is over already"),
        (("--reason", "r", "--owner", "a", "--expires", "soon"), b"--expires must be a day"),
        (("--reason", "r\nx", "--owner", "a", "--expires", "9d"), b"must be one line"),
        ((*TERMS, "--rule", "json-web-token"), b"No finding in this file"),
        ((*TERMS, "--line", "7"), b"No finding in this file"),
        ((*TERMS, "--only", "../x"), b"'..'"),
    ],
)
def test_what_is_missing_or_wrong_is_one_sentence(
    qguard: Run, work: Path, more: tuple[str, ...], sentence: bytes
) -> None:
    (work / "a.py").write_text(f"T = '{github_token()}'\n")
    done = qguard("baseline", "accept", "a.py", *more)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count(b"\n") == 1
    assert not (work / NAME).exists()


def test_a_secret_in_the_reason_is_refused(qguard: Run, work: Path) -> None:
    token = github_token()
    (work / "a.py").write_text(f"T = '{token}'\n")
    for reason in (github_token(), f"it is {token[8:20]}"):
        done = qguard("baseline", "accept", "a.py", "--reason", reason, "--owner", "a", "--expires", "9d")
        assert done.returncode == 2
        assert reason[-8:].encode() not in done.stderr + done.stdout
        assert not (work / NAME).exists()


def test_several_values_must_be_told_apart(qguard: Run, work: Path) -> None:
    first, second = github_token(), github_token()
    (work / "a.ipynb").write_bytes(
        notebook(code_cell(f"a = '{first}'\nb = '{second}'"), code_cell(f"c = '{first}'", "c2"))
    )
    done = qguard("baseline", "accept", "a.ipynb", *TERMS)
    assert done.returncode == 2
    assert b"2 different values" in done.stderr
    assert no_secret(first, done.stderr)
    for chosen in (("--cell", "c2"), ("--cell", "2"), ("--finding", "f1"), ("--line", "1", "--field", "source")):
        (work / NAME).unlink(missing_ok=True)
        assert qguard("baseline", "accept", "a.ipynb", *TERMS, *chosen).returncode == 0
        scan = json.loads(qguard("scan", "a.ipynb", "--format", "json").stdout)
        assert [row["action"] for row in scan["files"][0]["findings"]] == ["allow", "redact", "allow"]


def test_a_guessable_value_is_refused_unless_it_is_said_to_be_public(qguard: Run, work: Path) -> None:
    (work / "a.env").write_text(f"URL=postgres://ada:{secrets.token_hex(4)}@db.corp.net/x\n")
    (work / "b.env").write_text((work / "a.env").read_text())
    done = qguard("baseline", "accept", "a.env", *TERMS)
    assert done.returncode == 2
    assert b"could be guessed" in done.stderr
    assert b"[[paths]]" in done.stderr
    assert qguard("baseline", "accept", "a.env", *TERMS, "--guessable").returncode == 0
    assert 'only = "/a.env", guessable = true' in (work / NAME).read_text()
    assert qguard("scan", "a.env").returncode == 0
    assert qguard("scan", "b.env").returncode == 1


def test_create_lists_or_writes_but_never_overwrites(qguard: Run, work: Path) -> None:
    tokens = [github_token() for _ in range(3)]
    (work / "a.py").write_text("".join(f"T = '{token}'\n" for token in tokens))
    (work / "b.py").write_text(f"T = '{tokens[0]}'\n")
    listed = qguard("baseline", "create")
    assert listed.returncode == 1
    assert b"3 to review, and nothing was written" in listed.stdout
    assert not (work / NAME).exists()
    assert qguard("baseline", "create", "--reason", "r").returncode == 2
    done = qguard("baseline", "create", *TERMS)
    assert (done.returncode, done.stdout.count(b"3 accepted until")) == (0, 1)
    assert qguard("scan", ".").returncode == 0
    before = (work / NAME).read_bytes()
    again = qguard("baseline", "create", *TERMS)
    assert again.returncode == 2
    assert b"exists already" in again.stderr
    assert (work / NAME).read_bytes() == before
    assert all(no_secret(token, listed.stdout, done.stdout, before) for token in tokens)


def test_list_shows_no_words_of_an_entry_that_quotes_a_secret(qguard: Run, work: Path) -> None:
    token, quoted = github_token(), github_token()
    (work / "a.ipynb").write_bytes(notebook(code_cell(f"t = '{token}'")))
    assert qguard("baseline", "accept", "a.ipynb", "--rule", "github-token", *TERMS).returncode == 0
    file = work / NAME
    file.write_text(file.read_text().replace("made up for lesson 3", f"the key {quoted}"))
    (row,) = json.loads(qguard("baseline", "list", "--format", "json").stdout)
    assert not row["counts"]
    scan = qguard("scan", "a.ipynb", "--explain")
    assert scan.returncode == 1
    shown = [qguard("baseline", "list").stdout, json.dumps(row).encode(), scan.stdout]
    shown += [qguard("scan", "a.ipynb", "--format", form).stdout for form in ("json", "sarif", "junit", "html")]
    assert no_secret(quoted, *shown)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_in_its_place_is_told_and_not_waited_for(qguard: Run, work: Path) -> None:
    os.mkfifo(work / NAME)
    done = qguard("baseline", "list")
    assert done.returncode == 2
    assert b"not a regular file" in done.stderr


def test_list_remove_and_what_is_stale(qguard: Run, work: Path) -> None:
    for name in ("a.py", "b.py"):
        (work / name).write_text(f"T = '{github_token()}'\n")
        assert qguard("baseline", "accept", name, *TERMS).returncode == 0
    rows = json.loads(qguard("baseline", "list", "--format", "json").stdout)
    assert {row["path"] for row in rows} == {"a.py", "b.py"}
    assert all(row["counts"] for row in rows)
    (work / "b.py").unlink()
    stale = json.loads(qguard("baseline", "list", "--stale", "--format", "json").stdout)
    assert [row["path"] for row in stale] == ["b.py"]
    assert b"1 removed, 1 left" in qguard("baseline", "remove", "--stale").stdout
    left = next(row["id"] for row in rows if row["path"] == "a.py")
    assert qguard("baseline", "remove", left[:3]).returncode == 2
    assert qguard("baseline", "remove", left[:8]).returncode == 0
    assert qguard("scan", ".").returncode == 1
    assert qguard("baseline", "remove").returncode == 2
    record = qguard("baseline", "list").stdout
    assert record == b"None.\n"


def test_what_ran_out_is_listed_told_and_removed(qguard: Run, work: Path) -> None:
    (work / "a.py").write_text(f"T = '{github_token()}'\n")
    assert qguard("baseline", "accept", "a.py", *TERMS).returncode == 0
    file = work / NAME
    file.write_text(re.sub(r"expires = [\d-]+", "expires = 2024-02-29", file.read_text()))
    done = qguard("scan", ".")
    assert done.returncode == 1
    assert b"a baseline entry fits, but it ran out on 2024-02-29" in done.stdout
    assert b"DOES NOT COUNT: it ran out on 2024-02-29" in qguard("baseline", "list", "--expired").stdout
    assert qguard("baseline", "accept", "a.py", *TERMS).returncode == 0
    assert qguard("scan", ".").returncode == 0
    assert file.read_text().count("github-token") == 1
    file.write_text(re.sub(r"expires = [\d-]+", "expires = 2024-02-29", file.read_text()))
    assert b"1 removed, 0 left" in qguard("baseline", "remove", "--expired").stdout


@pytest.mark.parametrize("end", ["<<<<<<< HEAD\n", "x = {\n", "ab = { rule = 'x' }\n", "\udcff"])
def test_a_broken_file_is_exit_2_with_its_line(qguard: Run, work: Path, end: str) -> None:
    (work / "a.py").write_text(f"T = '{github_token()}'\n")
    assert qguard("baseline", "accept", "a.py", *TERMS).returncode == 0
    with (work / NAME).open("ab") as file:
        file.write(end.encode("utf-8", "surrogateescape"))
    before = (work / NAME).read_bytes()
    for command in (("scan", "."), ("baseline", "list"), ("baseline", "accept", "a.py", *TERMS)):
        done = qguard(*command)
        assert done.returncode == 2, command
        assert NAME.encode() in done.stderr
        assert done.stderr.count(b"\n") == 1
    assert (work / NAME).read_bytes() == before
    (work / "clean").mkdir()
    (work / "clean" / "x.py").write_text("x = 1\n")
    assert qguard("scan", "clean").returncode == 2, "wrong also where nothing was found"


def test_a_named_baseline_takes_the_place_of_the_projects(qguard: Run, work: Path) -> None:
    (work / "a.py").write_text(f"T = '{github_token()}'\n")
    assert qguard("baseline", "accept", "a.py", *TERMS, "--baseline", "ci.toml").returncode == 0
    assert not (work / NAME).exists()
    assert qguard("scan", "a.py").returncode == 1
    assert qguard("scan", "a.py", "--baseline", "ci.toml").returncode == 0
    assert qguard("scan", "a.py", "--baseline", "none.toml").returncode == 2
    assert qguard("scan", "a.py", "--baseline", "ci.toml", "--no-baseline").returncode == 2


def test_the_policy_may_take_none(qguard: Run, work: Path) -> None:
    (work / "a.py").write_text(f"T = '{github_token()}'\n")
    assert qguard("baseline", "accept", "a.py", *TERMS).returncode == 0
    (work / "qguard.toml").write_text('version = 1\n[exceptions]\nbaseline = "ignore"\n')
    assert qguard("scan", "a.py").returncode == 1
    assert b"DOES NOT COUNT" in qguard("baseline", "list").stdout
    (work / "b.py").write_text(f"T = '{github_token()}'\n")
    done = qguard("baseline", "accept", "b.py", *TERMS)
    assert done.returncode == 2
    assert b"takes no baselines" in done.stderr


def test_two_branches_merge_and_git_is_told_how(qguard: Run, work: Path, git: Callable[..., str]) -> None:
    for name in ("a.py", "b.py"):
        (work / name).write_text(f"T = '{github_token()}'\n")
    git("add", "-A")
    git("commit", "-qm", "files")
    git("branch", "other")
    assert qguard("baseline", "accept", "a.py", *TERMS).returncode == 0
    git("add", "-A")
    git("commit", "-qm", "mine")
    git("checkout", "-q", "other")
    assert qguard("baseline", "accept", "b.py", *TERMS).returncode == 0
    git("add", "-A")
    git("commit", "-qm", "theirs")
    git("merge", "-q", "main", "-m", "both")
    assert qguard("scan", ".").returncode == 0
    assert len(json.loads(qguard("baseline", "list", "--format", "json").stdout)) == 2


def test_pragmas_are_noted_and_count_only_where_the_policy_says(qguard: Run, work: Path, home: Path) -> None:
    token = github_token()
    line = f"t = '{token}'  # qguard: allow github-token reason=\"shown in lesson 3\"\n"
    (work / "a.ipynb").write_bytes(notebook(code_cell(line + 'x = 1  # qguard: allow github-token reason="nothing"')))
    done = qguard("scan", "a.ipynb")
    assert done.returncode == 1
    assert done.stdout.count(b"the qguard pragma does not count: the policy takes no pragmas.") == 2
    (home / ".jupyter").mkdir()
    (home / ".jupyter" / "qguard.toml").write_text('version = 1\n[exceptions]\npragma = "commit"\n')
    done = qguard("scan", "a.ipynb")
    assert done.returncode == 0
    assert b"allowed by pragma: shown in lesson 3" in done.stdout
    assert b"line 2: the qguard pragma does not count: there is nothing to allow." in done.stdout
    (file,) = json.loads(qguard("scan", "a.ipynb", "--format", "json").stdout)["files"]
    assert file["findings"][0]["exception"]["kind"] == "pragma"
    assert len(file["notes"]) == 1
    assert no_secret(token, done.stdout)
