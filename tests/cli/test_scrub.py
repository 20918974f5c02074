"""``qguard scrub``: what it finds, what it does and leaves, and that nothing outside its reach is touched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_qguard.cli import open_files, safely, scrub_places
from jupyter_qguard.cli.scrub_item import Spot
from tests.cli.conftest import Run, code_cell, github_token, notebook

WORKSPACE = ".jupyterlab-workspace"


@pytest.fixture
def later(tmp_path: Path) -> dict[str, str]:
    """An environment in which the program's clock is two hours ahead: leftovers are old."""
    folder = tmp_path / "clock"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text("import time\n_now = time.time\ntime.time = lambda: _now() + 7200\n")
    root = Path(__file__).resolve().parents[2]
    return {"PYTHONPATH": os.pathsep.join([str(folder), str(root)])}


def scrub(qguard: Run, *arguments: str, extra: dict[str, str] | None = None) -> dict[str, object]:
    done = qguard("scrub", "--format", "json", *arguments, extra=extra)
    document: dict[str, object] = json.loads(done.stdout)
    document["code"] = done.returncode
    return document


def put(path: Path, token: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(notebook(code_cell(f'key = "{token}"', outputs=[stream(token)]), code_cell("print(1)", "c2")))
    return path


def stream(text: str) -> dict[str, object]:
    return {"output_type": "stream", "name": "stdout", "text": text}


def grep(folder: Path, token: str) -> list[str]:
    return [
        str(file.relative_to(folder))
        for file in folder.rglob("*")
        if file.is_file() and token.encode() in file.read_bytes()
    ]


def test_nothing_to_do(qguard: Run, work: Path) -> None:
    (work / "a.ipynb").write_bytes(notebook(code_cell("x = 1")))
    done = qguard("scrub")
    assert done.returncode == 0
    assert b"Nothing to clean was found." in done.stdout
    assert b"Out of its reach:" in done.stdout


def test_dry_run_changes_nothing_and_says_what_would_be_done(qguard: Run, work: Path) -> None:
    token = github_token()
    copy = put(work / ".ipynb_checkpoints" / "a-checkpoint.ipynb", token)
    before = copy.read_bytes(), copy.stat().st_mtime_ns
    done = qguard("scrub")
    assert done.returncode == 1
    assert (copy.read_bytes(), copy.stat().st_mtime_ns) == before
    assert b"redact: " in done.stdout
    assert b"a-checkpoint.ipynb" in done.stdout
    assert b"--yes" in done.stdout
    assert token.encode() not in done.stdout + done.stderr
    assert not (work / "decisions.sqlite").exists()


def test_checkpoints_are_redacted_kept_and_recorded(qguard: Run, work: Path) -> None:
    token = github_token()
    copy = put(work / "deep" / ".ipynb_checkpoints" / "a-checkpoint.ipynb", token)
    copy.chmod(0o640)
    document = scrub(qguard, "--yes")
    assert document["code"] == 0
    assert document["summary"] == {"redact": 1, "delete": 0, "report": 0, "failed": 0}
    assert token.encode() not in copy.read_bytes()
    assert b"[REDACTED:" in copy.read_bytes()
    assert copy.stat().st_mode & 0o777 == 0o640
    assert json.loads(copy.read_bytes())["cells"][1]["source"] == "print(1)"
    kept = json.loads(qguard("kept", "list", "--format", "json").stdout)
    assert qguard("kept", "reveal", kept[0]["id"]).stdout.strip().decode() == token
    told = qguard("why", kept[0]["id"][:8]).stdout
    assert b"deep/.ipynb_checkpoints/a-checkpoint.ipynb" in told
    assert scrub(qguard, "--yes")["items"] == []


def test_a_backup_goes_where_the_main_file_is_intact(qguard: Run, work: Path, later: dict[str, str]) -> None:
    token = github_token()
    (work / "a.ipynb").write_bytes(notebook(code_cell("x = 1")))
    put(work / ".~a.ipynb", token)
    put(work / ".~b.ipynb", token)  # nothing stands beside it: this is the only copy
    (work / "c.ipynb").write_bytes(b'{"cells": [')
    put(work / ".~c.ipynb", token)  # the save was cut off: this is the whole one
    document = scrub(qguard, "--yes", extra=later)
    actions = {Path(item["path"]).name: item["action"] for item in document["items"]}  # type: ignore[attr-defined]
    assert actions == {".~a.ipynb": "delete", ".~b.ipynb": "redact", ".~c.ipynb": "redact"}
    assert document["code"] == 0
    assert not (work / ".~a.ipynb").exists()
    assert (work / "c.ipynb").read_bytes() == b'{"cells": ['
    assert grep(work, token) == []
    kept = json.loads(qguard("kept", "list", "--format", "json").stdout)
    assert {row["path"] for row in kept} == {".~a.ipynb", ".~b.ipynb", ".~c.ipynb"}


def test_a_backup_of_a_save_that_may_be_going_on_is_left(qguard: Run, work: Path) -> None:
    token = github_token()
    (work / "a.ipynb").write_bytes(notebook(code_cell("x = 1")))
    put(work / ".~a.ipynb", token)
    document = scrub(qguard, "--yes")
    assert [item["action"] for item in document["items"]] == ["report"]  # type: ignore[attr-defined]
    assert grep(work, token) == [".~a.ipynb"]


def test_an_invalid_notebook_is_redacted_as_the_text_it_is(qguard: Run, work: Path, later: dict[str, str]) -> None:
    token = github_token()
    broken = put(work / "a.ipynb", token).rename(work / "a.ipynb.invalid")
    broken.write_bytes(broken.read_bytes()[:-30])
    (work / "a.ipynb").write_bytes(notebook(code_cell("x = 1")))
    assert scrub(qguard, "--yes", extra=later)["code"] == 0
    assert token.encode() not in broken.read_bytes()
    assert b"print(1)" in broken.read_bytes()


def test_a_broken_notebook_in_checkpoints_is_redacted_as_text(qguard: Run, work: Path) -> None:
    token = github_token()
    copy = put(work / ".ipynb_checkpoints" / "a-checkpoint.ipynb", token)
    copy.write_bytes(copy.read_bytes()[:-30])
    assert scrub(qguard, "--yes")["code"] == 0
    assert token.encode() not in copy.read_bytes()


def test_our_own_temporary_files_go_when_old(qguard: Run, work: Path, later: dict[str, str]) -> None:
    ours = [work / ".~qguard-0123456789abcdef", work / ".qguard-abcd1234", work / ".~qguard-ab_d1234"]
    for file in ours:
        file.write_bytes(b"x")
    aside = put(work / ".~qguard-only copy.ipynb", github_token())
    assert scrub(qguard, "--yes")["summary"]["delete"] == 0  # type: ignore[index]
    assert all(file.exists() for file in ours)
    document = scrub(qguard, "--yes", extra=later)
    assert document["summary"]["delete"] == 3  # type: ignore[index]
    assert not any(file.exists() for file in ours)
    assert aside.exists(), "what a rename put aside may be the only copy"
    assert b"[REDACTED:" in aside.read_bytes()


def test_clean_copies_stay_as_they_are(qguard: Run, work: Path, later: dict[str, str]) -> None:
    for name in (".~a.ipynb", ".ipynb_checkpoints/a-checkpoint.ipynb", "a.ipynb.invalid", "a.ipynb"):
        file = work / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(notebook(code_cell("x = 1")))
    assert scrub(qguard, "--yes", extra=later)["items"] == []


def test_links_lead_nowhere(qguard: Run, work: Path, tmp_path: Path) -> None:
    token = github_token()
    outside = put(tmp_path / "outside" / "a-checkpoint.ipynb", token)
    (work / ".ipynb_checkpoints").mkdir()
    (work / ".ipynb_checkpoints" / "a-checkpoint.ipynb").symlink_to(outside)
    (work / "sub").mkdir()
    (work / "sub" / ".ipynb_checkpoints").symlink_to(outside.parent)
    (work / ".~b.ipynb").symlink_to(outside)
    assert scrub(qguard, "--yes")["items"] == []
    assert token.encode() in outside.read_bytes()


def test_what_cannot_be_cut_goes_only_as_a_mere_copy(qguard: Run, work: Path) -> None:
    import io
    import zipfile

    token = github_token()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.txt", f"key = {token}")
    folder = work / ".ipynb_checkpoints"
    folder.mkdir()
    for name in ("a-checkpoint.zip", "b-checkpoint.zip"):
        (folder / name).write_bytes(stream.getvalue())
    (work / "a.zip").write_bytes(stream.getvalue())
    document = scrub(qguard, "--yes")
    actions = {Path(item["path"]).name: item["action"] for item in document["items"]}  # type: ignore[attr-defined]
    assert actions == {"a-checkpoint.zip": "delete", "b-checkpoint.zip": "report"}
    assert [file.name for file in folder.iterdir()] == ["b-checkpoint.zip"]


def test_trash_is_redacted_in_place_or_purged_with_its_note(qguard: Run, work: Path, home: Path) -> None:
    token = github_token()
    files = home / ".local" / "share" / "Trash" / "files"
    gone = put(files / "a.ipynb", token)
    nested = put(files / "folder" / "b.ipynb", token)
    info = files.parent / "info" / "a.ipynb.trashinfo"
    info.parent.mkdir()
    info.write_text("[Trash Info]\nPath=/nowhere/a.ipynb\n")
    other = files / "c.txt"
    other.write_text(f"key = {token}")
    document = scrub(qguard, "--yes")
    assert document["summary"] == {"redact": 2, "delete": 0, "report": 0, "failed": 0}
    assert token.encode() not in gone.read_bytes() + nested.read_bytes()
    assert info.exists()
    put(gone, token)
    assert scrub(qguard, "--yes", "--delete", "trash")["summary"]["delete"] == 1  # type: ignore[index]
    assert not gone.exists()
    assert not info.exists()
    assert nested.exists()
    assert other.exists()


def test_checkpoints_in_the_shared_temporary_folder(qguard: Run, work: Path, tmp_path: Path) -> None:
    token = github_token()
    shared = tmp_path / "tmp"
    mine = put(shared / "jupyter_checkpoints" / "course" / "a-checkpoint.ipynb", token)
    assert scrub(qguard, "--yes", extra={"TMPDIR": str(shared)})["summary"]["redact"] == 1  # type: ignore[index]
    assert token.encode() not in mine.read_bytes()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can make another user's file")
def test_other_users_files_are_left_alone(qguard: Run, work: Path, tmp_path: Path) -> None:
    token = github_token()
    shared = tmp_path / "tmp"
    theirs = put(shared / "jupyter_checkpoints" / "a-checkpoint.ipynb", token)
    below = put(work / ".ipynb_checkpoints" / "a-checkpoint.ipynb", token)
    for file in (theirs, below):
        os.chown(file, 12345, 12345)
    document = scrub(qguard, "--yes", extra={"TMPDIR": str(shared)})
    assert [(item["path"], item["action"]) for item in document["items"]] == [(str(below), "report")]  # type: ignore[attr-defined]
    assert token.encode() in theirs.read_bytes()
    assert token.encode() in below.read_bytes()


def test_a_store_is_told_of_and_deleted_when_asked(qguard: Run, work: Path) -> None:
    store = work / ".jupyter_ystore.db"
    store.write_bytes(b"SQLite format 3\0")
    (work / ".jupyter_ystore.db-journal").write_bytes(b"x")
    document = scrub(qguard, "--yes")
    assert [item["action"] for item in document["items"]] == ["report"]  # type: ignore[attr-defined]
    assert "--delete store" in document["items"][0]["why"]  # type: ignore[index]
    assert document["code"] == 0
    assert scrub(qguard, "--delete", "store")["code"] == 1
    assert store.exists()
    assert scrub(qguard, "--delete", "store", "--yes")["code"] == 0
    assert list(work.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="only /proc tells who has a file open")
def test_a_store_that_is_open_stays(qguard: Run, work: Path) -> None:
    store = work / ".jupyter_ystore.db"
    store.write_bytes(b"SQLite format 3\0")
    with subprocess.Popen(
        [sys.executable, "-c", f"f = open({str(store)!r}); print('open', flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert open_files.holders(store) == f"pid {holder.pid}"
        document = scrub(qguard, "--delete", "store", "--yes")
        holder.communicate(b"\n")
    assert [item["action"] for item in document["items"]] == ["report"]  # type: ignore[attr-defined]
    assert store.exists()


def test_without_proc_a_running_server_counts_as_a_holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "root" / ".jupyter_ystore.db"
    store.parent.mkdir()
    store.write_bytes(b"")
    assert open_files.holders(store, tmp_path / "no-proc") is None
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    assert not open_files.servers(store)
    told = {"root_dir": str(store.parent), "pid": os.getpid()}
    (tmp_path / "jpserver-1.json").write_text(json.dumps(told))
    (tmp_path / "jpserver-2.json").write_text("{")
    assert open_files.servers(store)
    monkeypatch.setattr(open_files, "holders", lambda path: None)
    assert "may have it open" in open_files.in_use(store)


def test_shadows_and_workspaces_are_told_of(qguard: Run, work: Path, home: Path) -> None:
    token = github_token()
    shadow = work / ".virtual_documents" / "a.ipynb"
    shadow.parent.mkdir()
    shadow.write_text(f'key = "{token}"\n')
    saved = home / ".jupyter" / "lab" / "workspaces" / f"default{WORKSPACE}"
    saved.parent.mkdir(parents=True)
    saved.write_text(json.dumps({"data": {"note": token}}))
    document = scrub(qguard, "--yes")
    assert sorted((item["kind"], item["action"]) for item in document["items"]) == [  # type: ignore[attr-defined]
        ("shadow", "report"),
        ("workspace", "report"),
    ]
    assert token in shadow.read_text()


def test_git_gets_its_next_command(qguard: Run, work: Path, git: object) -> None:
    done = qguard("scrub")
    assert f"git -C {work} log --all --oneline -- '*.ipynb'".encode() in done.stdout


@pytest.mark.parametrize("argument", ["missing", "file.txt"])
def test_a_path_that_is_no_folder(qguard: Run, work: Path, argument: str) -> None:
    (work / "file.txt").write_text("x")
    done = qguard("scrub", argument)
    assert done.returncode == 2
    assert b"PATH is no folder." in done.stderr


def test_a_file_that_cannot_be_kept_stays_and_is_a_failure(qguard: Run, work: Path) -> None:
    token = github_token()
    copy = put(work / ".ipynb_checkpoints" / "a-checkpoint.ipynb", token)
    document = scrub(qguard, "--yes", extra={"QGUARD_KEEP": "none"})
    assert document["code"] == 2
    assert document["items"][0]["problem"]  # type: ignore[index]
    assert token.encode() in copy.read_bytes()


def test_on_a_hub_copies_are_cleaned_and_nothing_is_kept(qguard: Run, work: Path) -> None:
    token = github_token()
    copy = put(work / ".ipynb_checkpoints" / "a-checkpoint.ipynb", token)
    document = scrub(qguard, "--yes", extra={"JUPYTERHUB_USER": "ada"})
    assert document["code"] == 0
    assert document["items"][0]["kept"] == 0  # type: ignore[index]
    assert token.encode() not in copy.read_bytes()


def test_a_ledger_that_cannot_be_written_stops_everything(qguard: Run, work: Path, home: Path) -> None:
    token = github_token()
    copy = put(work / ".ipynb_checkpoints" / "a-checkpoint.ipynb", token)
    data = home / "data"
    (data / "ledger").mkdir(parents=True)
    (data / "ledger" / "decisions.sqlite").write_bytes(b"no ledger at all, but long enough to be looked at" * 9)
    document = scrub(qguard, "--yes", extra={"QGUARD_DATA_DIR": str(data)})
    assert document["code"] == 2
    assert token.encode() in copy.read_bytes()


def test_a_file_swapped_between_look_and_act_is_left(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"first")
    with safely.folder(tmp_path, ()) as folder:
        stamp = folder.read("a", 100).stamp
        file.unlink()
        file.symlink_to(tmp_path / "elsewhere")
        with pytest.raises(safely.Changed):
            folder.replace("a", b"new", stamp)
        with pytest.raises(safely.Changed):
            folder.remove("a", stamp)
        with pytest.raises(OSError, match=r".*"):
            folder.read("a", 100)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_a_folder_swapped_for_a_link_is_not_entered(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(OSError, match=r".*"), safely.folder(tmp_path, ("link",)):
        pass


def test_a_pipe_in_place_of_a_file_holds_nobody_up(tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    os.mkfifo(tmp_path / "a")
    with safely.folder(tmp_path, ()) as folder, pytest.raises(OSError, match="not a regular file"):
        folder.read("a", 100)


def test_main_files_of_copies() -> None:
    base = Path("/")
    assert scrub_places.main_of(Spot("checkpoint", base, (".ipynb_checkpoints", "a-checkpoint.ipynb"))) == ("a.ipynb",)
    assert scrub_places.main_of(Spot("checkpoint", base, ("s", ".ipynb_checkpoints", "M-checkpoint"))) == ("s", "M")
    assert scrub_places.main_of(Spot("leftover", base, ("s", ".~a.py"))) == ("s", "a.py")
    assert scrub_places.main_of(Spot("leftover", base, ("a.ipynb.invalid",))) is None


def test_a_tree_that_is_too_large_is_cut_short_and_said(
    work: Path, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrub_places, "MOST_FILES", 3)
    for number in range(5):
        (work / f"{number}.txt").write_text("x")
    with pytest.raises(scrub_places.CutShort):
        list(scrub_places.project(work))
