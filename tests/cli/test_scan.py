"""``qguard scan`` as it is run: exit codes, formats, stdin, the index, bad input, and never a secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run, code_cell, github_token, notebook


def test_a_clean_notebook_is_exit_0(qguard: Run, work: Path) -> None:
    (work / "a.ipynb").write_bytes(notebook(code_cell("1 + 1")))
    done = qguard("scan", "a.ipynb")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"1 file: nothing found\n", b"")


def test_a_finding_is_exit_1_named_and_never_quoted(qguard: Run, work: Path) -> None:
    token = github_token()
    (work / "a.ipynb").write_bytes(notebook(code_cell("x = 1"), code_cell(f"import os\ntoken = '{token}'", "c2")))
    done = qguard("scan", "a.ipynb")
    assert done.returncode == 1
    assert b"cell 2 (c2) source 2:" in done.stdout
    assert b"next: " in done.stdout
    assert token[4:12].encode() not in done.stdout + done.stderr
    assert (work / "a.ipynb").read_bytes().count(token.encode()) == 1


def test_json_is_one_object_that_lists_every_file(qguard: Run, work: Path) -> None:
    (work / "a.ipynb").write_bytes(notebook(code_cell(f"t = '{github_token()}'")))
    (work / "b.ipynb").write_bytes(notebook(code_cell("1")))
    done = qguard("scan", ".", "--format", "json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert (document["version"], document["verdict"]) == (1, "redact")
    assert [(file["path"], file["verdict"]) for file in document["files"]] == [
        ("a.ipynb", "redact"),
        ("b.ipynb", "allow"),
    ]
    (finding,) = document["files"][0]["findings"]
    assert set(finding) == {
        "id", "rule", "severity", "action", "fingerprint", "cell_id", "cell_index", "field",
        "line", "column", "end_line", "end_column", "why",
    }  # fmt: skip
    assert (finding["id"], finding["action"], finding["cell_id"], finding["cell_index"]) == ("f1", "redact", "c1", 0)
    assert (finding["field"], finding["line"], finding["column"], finding["end_column"]) == ("source", 1, 6, 46)
    size = sum(path.stat().st_size for path in work.iterdir())
    assert document["summary"] | {"seconds": 0} == {"files": 2, "findings": 1, "bytes": size, "seconds": 0}


def test_a_text_file_is_judged_as_at_a_commit(qguard: Run, work: Path) -> None:
    (work / "settings.py").write_text(f"TOKEN = '{github_token()}'\n")
    done = qguard("scan", "settings.py", "--format", "json")
    (finding,) = json.loads(done.stdout)["files"][0]["findings"]
    assert (done.returncode, finding["action"], finding["field"], finding["cell_index"]) == (1, "block", None, None)


def test_fail_on_moves_the_border(qguard: Run, work: Path) -> None:
    (work / "a.ipynb").write_bytes(notebook(code_cell(f"t = '{github_token()}'")))
    assert qguard("scan", "a.ipynb", "--fail-on", "block").returncode == 0
    assert qguard("scan", "a.ipynb", "--fail-on", "warn").returncode == 1


def test_observe_still_exits_1_and_says_so(qguard: Run, work: Path) -> None:
    (work / "a.ipynb").write_bytes(notebook(code_cell(f"t = '{github_token()}'")))
    done = qguard("scan", "a.ipynb", extra={"QGUARD_MODE": "observe"})
    assert done.returncode == 1
    assert b"observes" in done.stdout


def test_off_is_a_bypass_that_is_recorded(qguard: Run, work: Path) -> None:
    (work / "a.ipynb").write_bytes(notebook(code_cell(f"t = '{github_token()}'")))
    shown = json.loads(qguard("scan", "a.ipynb", "--format", "json").stdout)
    done = qguard("scan", "a.ipynb", extra={"QGUARD_MODE": "off"})
    assert done.returncode == 0
    assert b"off" in done.stderr
    why = qguard("why", shown["files"][0]["findings"][0]["fingerprint"])
    assert b"[off]" in why.stdout


def test_explain_gives_the_rule_and_the_setting(qguard: Run, work: Path) -> None:
    (work / "a.ipynb").write_bytes(notebook(code_cell(f"t = '{github_token()}'")))
    done = qguard("scan", "a.ipynb", "--explain")
    assert b"rule: " in done.stdout
    assert b"because of content.source (default)" in done.stdout


def test_stdin(qguard: Run, work: Path) -> None:
    dirty = notebook(code_cell(f"t = '{github_token()}'"))
    done = qguard("scan", "-", "--format", "json", input=dirty)
    (file,) = json.loads(done.stdout)["files"]
    assert (done.returncode, file["path"], file["findings"][0]["cell_index"]) == (1, "-", 0)
    assert qguard("scan", "-", input=b"").returncode == 0


def test_the_index_is_judged_not_the_work_tree(qguard: Run, work: Path, git: Callable[..., str]) -> None:
    dirty, clean = notebook(code_cell(f"t = '{github_token()}'")), notebook(code_cell("t = 1"))
    (work / "a.ipynb").write_bytes(dirty)
    (work / "b.ipynb").write_bytes(clean)
    git("add", "-A")
    (work / "a.ipynb").write_bytes(clean)
    (work / "b.ipynb").write_bytes(dirty)
    done = qguard("scan", "--staged", "--format", "json")
    assert done.returncode == 1
    assert [(file["path"], file["verdict"]) for file in json.loads(done.stdout)["files"]] == [
        ("a.ipynb", "redact"),
        ("b.ipynb", "allow"),
    ]
    assert qguard("scan", "--staged", "b.ipynb").returncode == 0
    git("commit", "-qm", "x")
    done = qguard("scan", "--staged")
    assert (done.returncode, b"Nothing is staged" in done.stdout) == (0, True)


def test_staged_outside_a_repository_is_exit_2(qguard: Run, work: Path) -> None:
    done = qguard("scan", "--staged", extra={"GIT_CEILING_DIRECTORIES": str(work.parent)})
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.count(b"\n") == 1


def test_workers_give_the_same_report_in_the_same_order(qguard: Run, work: Path) -> None:
    for number in range(30):
        source = f"t = '{github_token()}'" if number % 3 == 0 else "1"
        (work / f"{number:02}.ipynb").write_bytes(notebook(code_cell(source)))
    (work / "zz.ipynb").write_bytes(b"{")

    def report(jobs: str) -> object:
        document = json.loads(qguard("scan", ".", "--format", "json", "-j", jobs).stdout)
        return document | {"summary": {}}

    one = report("1")
    assert report("3") == one


@pytest.mark.parametrize("content", [b"{", b'{"cells": 3}', b"\xff\xfe\x00", b"", b"[" * 2000])
def test_a_broken_notebook_is_exit_2_and_is_not_quoted(qguard: Run, work: Path, content: bytes) -> None:
    token = github_token()
    (work / "a.ipynb").write_bytes(content + b"\n# " + token.encode())
    done = qguard("scan", "a.ipynb", "--format", "json")
    assert done.returncode == 2
    (file,) = json.loads(done.stdout)["files"]
    assert file["problem"]
    assert token[4:12].encode() not in done.stdout + done.stderr


def test_the_findings_of_a_broken_notebook_are_listed(qguard: Run, work: Path) -> None:
    (work / "a.ipynb").write_text(f'{{"cells": [  token = "{github_token()}"')
    done = qguard("scan", "a.ipynb", "--format", "json")
    (file,) = json.loads(done.stdout)["files"]
    assert (done.returncode, len(file["findings"])) == (2, 1)


def test_a_missing_file_does_not_hide_the_others(qguard: Run, work: Path) -> None:
    (work / "a.ipynb").write_bytes(notebook(code_cell(f"t = '{github_token()}'")))
    done = qguard("scan", "nowhere.ipynb", "a.ipynb", "--format", "json")
    assert done.returncode == 2
    assert [file["path"] for file in json.loads(done.stdout)["files"]] == ["nowhere.ipynb", "a.ipynb"]


def test_names_that_are_no_utf8_and_names_like_options(qguard: Run, work: Path) -> None:
    odd = b"odd \xff.ipynb"
    (work / os.fsdecode(odd)).write_bytes(notebook(code_cell("1")))
    (work / "--format").write_bytes(notebook(code_cell("1")))
    assert qguard("scan", odd).returncode == 0
    assert qguard("scan", "--", "--format").returncode == 0
    assert len(json.loads(qguard("scan", ".", "--format", "json").stdout)["files"]) == 2


def test_the_report_goes_to_a_file_whole_or_not_at_all(qguard: Run, work: Path) -> None:
    (work / "a.ipynb").write_bytes(notebook(code_cell("1")))
    done = qguard("scan", "a.ipynb", "--format", "json", "-o", "report.json")
    assert (done.returncode, done.stdout) == (0, b"")
    assert json.loads((work / "report.json").read_text())["verdict"] == "allow"
    done = qguard("scan", "a.ipynb", "-o", "no/such/report.json")
    assert done.returncode == 2
    assert b"no folder" in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_full_disk_is_told_not_traced(qguard: Run, work: Path, env: dict[str, str]) -> None:
    (work / "a.ipynb").write_bytes(notebook(code_cell("1")))
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "jupyter_qguard", "scan", "a.ipynb"],
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=work,
            env=env,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == b"qguard: The output could not be written: no space left on device.\n"


def test_a_reader_that_goes_away_is_no_traceback(work: Path, env: dict[str, str]) -> None:
    for number in range(60):  # a report of more than a pipe holds
        cells = [code_cell(f"t = '{github_token()}'", f"c{n}") for n in range(20)]
        (work / f"{number}.ipynb").write_bytes(notebook(*cells))
    with subprocess.Popen(
        [sys.executable, "-m", "jupyter_qguard", "scan", ".", "--explain"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=work,
        env=env,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 2


@pytest.mark.parametrize(
    "text", ["version = 1\n[content]\nsorce = 'warn'\n", "version = ", "version = 1\n[rules]\nx = 'maybe'\n"]
)
def test_a_policy_with_a_typo_is_exit_2_in_one_sentence(qguard: Run, work: Path, text: str) -> None:
    (work / "a.ipynb").write_bytes(notebook(code_cell("1")))
    (work / "qguard.toml").write_text(text)
    done = qguard("scan", "a.ipynb")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"qguard.toml" in done.stderr
    assert done.stderr.count(b"\n") == 1
    assert qguard("scan", "a.ipynb", "-j", "2").returncode == 2
    assert qguard("scan", "a.ipynb", "--policy", "qguard.toml").returncode == 2
    assert qguard("scan", "a.ipynb", "--policy", "missing.toml").returncode == 2


def test_a_policy_given_by_name_replaces_the_projects(qguard: Run, work: Path) -> None:
    (work / "a.ipynb").write_bytes(notebook(code_cell(f"t = '{github_token()}'")))
    (work / "strict.toml").write_text('version = 1\n[content]\nsource = "block"\n')
    document = json.loads(qguard("scan", "a.ipynb", "--policy", "strict.toml", "--format", "json").stdout)
    assert document["verdict"] == "block"


def test_a_project_policy_weakens_only_with_reason_and_owner(qguard: Run, work: Path) -> None:
    (work / "sub").mkdir()
    (work / "sub" / "a.ipynb").write_bytes(notebook(code_cell(f"t = '{github_token()}'")))
    entry = '[[paths]]\nmatch = "sub/**"\nsource = "allow"\n'
    (work / "qguard.toml").write_text("version = 1\n" + entry)
    assert qguard("scan", "sub/a.ipynb").returncode != 0
    (work / "qguard.toml").write_text("version = 1\n" + entry + 'reason = "teaching"\nowner = "a@lab.example"\n')
    assert qguard("scan", "sub/a.ipynb").returncode == 0
    assert qguard("scan", ".", cwd=work).returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("scan",),
        ("scan", "--staged", "-"),
        ("scan", "a", "--format", "spdx"),
        ("scan", "a", "--fail-on", "allow"),
        ("scan", "a", "-j", "0"),
        ("scan", "a", "--nonsense"),
        ("nonsense",),
        ("kept", "nonsense"),
        ("why",),
        ("why", "a", "b"),
        ("scan", "a", "-o"),
    ],
)
def test_a_command_line_that_cannot_be_meant_is_one_sentence_and_exit_2(
    qguard: Run, arguments: tuple[str, ...]
) -> None:
    done = qguard(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"qguard: ")
    assert done.stderr.count(b"\n") == 1


def test_an_argument_that_is_a_secret_is_not_repeated(qguard: Run) -> None:
    token = github_token()
    for arguments in (
        ("scan", "a", "--format", token),
        ("why", token),
        ("why", "a", token),
        (token,),
        ("kept", "reveal", token),
        ("rules", "show", token),
    ):
        done = qguard(*arguments)
        assert done.returncode == 2
        assert token[4:12].encode() not in done.stdout + done.stderr


def test_the_policy_of_a_folder_that_is_named_from_elsewhere_holds_below_it(
    qguard: Run, work: Path, home: Path
) -> None:
    (work / "sub").mkdir()
    (work / "sub" / "a.ipynb").write_bytes(notebook(code_cell(f"t = '{github_token()}'")))
    (work / "qguard.toml").write_text('version = 1\n[content]\nsource = "block"\n')
    document = json.loads(qguard("scan", str(work), "--format", "json", cwd=home).stdout)
    assert document["verdict"] == "block"


@pytest.mark.parametrize(("closed", "code"), [("<&-", 2), (">&-", 2), ("2>&-", 2)])
def test_a_stream_that_is_closed_is_no_traceback(work: Path, env: dict[str, str], closed: str, code: int) -> None:
    command = f'exec "{sys.executable}" -m jupyter_qguard redact - {closed}'
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, cwd=work, env=env, input=b"x", check=False)
    assert done.returncode == code
    assert done.stdout == b""
    assert done.stderr.count(b"\n") <= 1
    assert b"Internal" not in done.stderr


def test_a_report_never_takes_the_place_of_a_notebook(qguard: Run, work: Path) -> None:
    before = notebook(code_cell("1 + 1"))
    (work / "a.ipynb").write_bytes(before)
    done = qguard("scan", "a.ipynb", "--format", "html", "-o", "a.ipynb")
    assert done.returncode == 2
    assert b"A report is no notebook" in done.stderr
    assert (work / "a.ipynb").read_bytes() == before
