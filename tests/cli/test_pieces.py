"""The parts below the commands: names, selection, reports, writing, git's index."""

from __future__ import annotations

import json
import os
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_qguard.cli import exits, files, gitcall, gitindex, names, output, report_text
from jupyter_qguard.cli.report import FileReport, Report, to_json
from jupyter_qguard.errors import InputError


def row(**changes: object) -> dict[str, object]:
    found: dict[str, object] = {
        "id": "f9",
        "rule": "github-token",
        "severity": "critical",
        "action": "redact",
        "fingerprint": "0" * 64,
        "cell_id": "ab12",
        "cell_index": 3,
        "field": "source",
        "line": 2,
        "column": 14,
        "end_line": 2,
        "end_column": 58,
        "why": "a token by its prefix",
    }
    return found | changes


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"plain.ipynb", "plain.ipynb"),
        (b"caf\xc3\xa9", "café"),
        (b"bad\xff", "bad\\xff"),
        (b"a\x1b[31mb\n", "a\\u001b[31mb\\u000a"),
        ("a\u202eb".encode(), "a\\u202eb"),
    ],
)
def test_a_name_is_shown_without_anything_a_terminal_obeys(name: bytes, expected: str) -> None:
    assert names.shown(os.fsdecode(name)) == expected


def test_folders_are_walked_sorted_and_what_is_left_out_is_said(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(work)
    for name in ("b.ipynb", "a.txt", "sub/c.py", ".ipynb_checkpoints/b-checkpoint.ipynb", ".env"):
        path = work / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    for name in (".git", "node_modules", "__pycache__", "sub/.venv", "env"):
        (work / name).mkdir()
        (work / name / "inside.txt").write_text("x")
    (work / "env" / "pyvenv.cfg").write_text("")
    (work / "loop").symlink_to(work)
    (work / "dangling").symlink_to(work / "nowhere")
    (work / "linked.txt").symlink_to(work / "a.txt")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        found = files.select([".", "a.txt", "./sub"])
    assert [item.label for item in found.files] == [
        ".env",
        ".ipynb_checkpoints/b-checkpoint.ipynb",
        "a.txt",
        "b.ipynb",
        "linked.txt",
        "sub/c.py",
    ]
    assert {item.path: item.reason for item in found.skipped} == {
        ".git": "a tool's own folder",
        "__pycache__": "a tool's own folder",
        "dangling": "a link to nothing",
        "env": "a virtual environment",
        "loop": "a link to a folder",
        "node_modules": "a tool's own folder",
        "socket": "not a regular file",
        "sub/.venv": "a tool's own folder",
    }


def test_a_missing_file_is_a_problem_not_an_exception() -> None:
    (found,) = files.select(["nowhere.ipynb"]).files
    assert found.problem == "no such file or directory. Check the name."
    (found,) = files.select(["a\0b"]).files
    assert "no such file" in found.problem


def test_the_root_is_the_repository_else_the_current_folder_else_the_files_own(tmp_path: Path) -> None:
    repo, plain = tmp_path / "repo", tmp_path / "plain"
    (repo / ".git").mkdir(parents=True)
    (repo / "sub").mkdir()
    plain.mkdir()
    assert files.root_of(repo / "sub" / "a.ipynb", plain) == repo
    assert files.root_of(Path("x/../a.ipynb"), plain) == plain
    assert files.root_of(tmp_path / "other.ipynb", plain) == tmp_path
    assert files.root_of(repo / "sub" / "a.ipynb", plain, tmp_path) == repo
    assert files.root_of(tmp_path / "other" / "a.ipynb", plain, tmp_path) == tmp_path
    assert files.relative(Path("sub/a.ipynb"), repo, repo) == "sub/a.ipynb"
    assert files.relative(tmp_path / "a.ipynb", repo, repo) == "a.ipynb"


@pytest.mark.parametrize(
    ("verdicts", "problem", "fail_on", "code"),
    [
        ([], "", "redact", exits.CLEAN),
        (["allow", "warn"], "", "redact", exits.CLEAN),
        (["warn"], "", "warn", exits.FOUND),
        (["redact"], "", "redact", exits.FOUND),
        (["redact"], "", "block", exits.CLEAN),
        (["block"], "", "hold", exits.FOUND),
        (["allow"], "broken", "redact", exits.FAILED),
        (["block"], "broken", "redact", exits.FAILED),
    ],
)
def test_exit_codes(verdicts: list[str], problem: str, fail_on: str, code: int) -> None:
    report = Report([FileReport(str(n), verdict) for n, verdict in enumerate(verdicts)], fail_on)
    if problem:
        report.files[0].problem = problem
    assert report.code == code


def test_the_json_report_has_the_contracts_shape() -> None:
    report = Report(
        [
            FileReport("a.ipynb", "redact", [row(), row(line=3)], [{"field": "x", "reason": "y"}], size=10),
            FileReport("b.ipynb", size=5),
            FileReport("c.ipynb", "warn", [row(action="warn")], size=1),
        ],
        seconds=0.25,
    )
    report.number()
    document = json.loads(to_json(report))
    assert list(document) == ["version", "verdict", "files", "summary"]
    assert (document["version"], document["verdict"]) == (1, "redact")
    assert [list(file) for file in document["files"]] == [["path", "verdict", "findings", "unchecked"]] * 3
    assert [f["id"] for file in document["files"] for f in file["findings"]] == ["f1", "f2", "f3"]
    assert document["summary"] == {"files": 3, "findings": 3, "bytes": 16, "seconds": 0.25}


def test_the_text_report_says_cell_field_line_rule_why_and_what_next() -> None:
    text = report_text.to_text(Report([FileReport("my dir/a.ipynb", "redact", [row()])]), colour=False)
    assert "my dir/a.ipynb\n" in text
    assert "redact  cell 4 (ab12) source 2:14  github-token  (critical)\n" in text
    assert "a token by its prefix\n" in text
    assert "qguard redact --in-place 'my dir/a.ipynb'\n" in text
    assert text.endswith("1 file: 1 finding at or above redact\n")
    assert "\x1b" not in text
    assert "\x1b[" in report_text.to_text(Report([FileReport("a", "redact", [row()])]), colour=True)


def test_what_cannot_be_cut_out_is_not_sent_to_redact() -> None:
    text = report_text.to_text(Report([FileReport("a.zip", "block", [row()], by_hand=[True])]), colour=False)
    assert "by hand" in text
    assert "qguard redact" not in text


def test_a_hostile_field_cannot_forge_a_line() -> None:
    hostile = row(field="attachments.a\n\x1b[2Jclean", cell_id="x\ry")
    text = report_text.to_text(Report([FileReport("a.ipynb", "redact", [hostile])]), colour=False)
    assert "\x1b" not in text
    assert "\r" not in text
    assert "\nclean" not in text


@pytest.mark.parametrize(
    ("tty", "env", "expected"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
        (False, {"FORCE_COLOR": "1"}, True),
        (True, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colour_only_on_a_terminal_and_never_against_no_color(tty: bool, env: dict[str, str], expected: bool) -> None:
    class Stream:
        def isatty(self) -> bool:
            return tty

    assert report_text.wants_colour(Stream(), env) is expected  # type: ignore[arg-type]


def test_writing_keeps_mode_and_links_and_leaves_nothing_behind(work: Path) -> None:
    real, link = work / "real.ipynb", work / "link.ipynb"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link.symlink_to("real.ipynb")
    output.write_atomically(link, b"new")
    assert (real.read_bytes(), link.is_symlink()) == (b"new", True)
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    output.write_atomically(work / "copy", b"new", like=real)
    assert stat.S_IMODE((work / "copy").stat().st_mode) == 0o640
    assert sorted(path.name for path in work.iterdir()) == ["copy", "link.ipynb", "real.ipynb"]


def test_writing_into_a_pipe_writes_through(work: Path) -> None:
    os.mkfifo(work / "pipe")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append((work / "pipe").read_bytes()))
    reader.start()
    output.write_atomically(work / "pipe", b"through")
    reader.join(10)
    assert got == [b"through"]


def test_a_write_that_fails_leaves_the_old_file(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = work / "a.ipynb"
    target.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="no space left on device"):
        output.write_atomically(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(work.iterdir()) == [target]


def test_writing_into_a_missing_folder_says_so(work: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        output.write_atomically(work / "no" / "a", b"")
    with pytest.raises(InputError, match="is a folder"):
        output.write_atomically(work, b"")


def test_the_index_is_read_not_the_work_tree(work: Path, git: Callable[..., str]) -> None:
    (work / "sub").mkdir()
    for name in ("kept.txt", "sub/changed.txt", "gone.txt"):
        (work / name).write_text("committed")
    git("add", "-A")
    git("commit", "-qm", "first")
    odd = os.fsdecode(b"odd \xff\n[x].txt")
    (work / "sub" / "changed.txt").write_text("staged")
    (work / odd).write_text("staged too")
    (work / "link").symlink_to("kept.txt")
    git("rm", "-q", "gone.txt")
    git("add", "-A")
    (work / "sub" / "changed.txt").write_text("only in the work tree")
    entries = gitindex.staged(work, [])
    assert [entry.path for entry in entries if not entry.readable] == ["link"]
    readable = [entry for entry in entries if entry.readable]
    objects = gitindex.contents(gitcall.toplevel(work), [entry.blob for entry in readable])
    got = {entry.path: data for entry, (_, data) in zip(readable, objects, strict=True)}
    assert got == {odd: b"staged too", "sub/changed.txt": b"staged"}
    assert [entry.path for entry in gitindex.staged(work / "sub", ["."])] == ["sub/changed.txt"]
    assert [entry.path for entry in gitindex.staged(work / "sub", [])] == [entry.path for entry in entries]
    assert [entry.path for entry in gitindex.staged(work, [odd])] == [odd]


def test_outside_a_repository_the_index_is_a_clear_error(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(work.parent))
    with pytest.raises(InputError, match="no git repository"):
        gitcall.toplevel(work)
