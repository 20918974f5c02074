"""``qguard scan --staged`` and ``--index``: what git holds is judged, whatever lies in the work tree."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.git.conftest import Git, code_cell, github_token, leaky, notebook

CLEAN = notebook(code_cell("x = 1"))


def verdicts(done: subprocess.CompletedProcess[bytes]) -> dict[str, str]:
    return {file["path"]: file["verdict"] for file in json.loads(done.stdout)["files"]}


def one_sentence(done: subprocess.CompletedProcess[bytes], *words: str) -> None:
    assert (done.returncode, done.stdout) == (2, b"")
    text = done.stderr.decode()
    assert text.count("\n") == 1
    assert [word for word in words if word not in text] == []


def test_a_repository_without_commits(qguard: Run, work: Path, git: Git) -> None:
    assert qguard("scan", "--staged").returncode == 0
    (work / "a.ipynb").write_bytes(leaky(github_token()))
    git("add", ".")
    done = qguard("scan", "--staged", "--format", "json")
    assert (done.returncode, verdicts(done)) == (1, {"a.ipynb": "redact"})


@pytest.mark.parametrize(("staged", "later", "code"), [("dirty", "clean", 1), ("clean", "dirty", 0)])
def test_edited_after_it_was_staged(qguard: Run, work: Path, git: Git, staged: str, later: str, code: int) -> None:
    content = {"dirty": leaky(github_token()), "clean": CLEAN}
    (work / "a.ipynb").write_bytes(content[staged])
    git("add", ".")
    (work / "a.ipynb").write_bytes(content[later])
    assert qguard("scan", "--staged").returncode == code
    assert qguard("scan", "--index", "a.ipynb").returncode == code
    (work / "a.ipynb").unlink()
    assert qguard("scan", "--staged").returncode == code


def test_a_renamed_file_is_judged_and_a_deleted_one_is_not(qguard: Run, work: Path, git: Git) -> None:
    (work / "a.ipynb").write_bytes(leaky(github_token()))
    (work / "b.ipynb").write_bytes(leaky(github_token()))
    git("add", ".")
    git("commit", "-qm", "before the hook was there")
    git("mv", "a.ipynb", "moved.ipynb")
    git("rm", "-q", "b.ipynb")
    done = qguard("scan", "--staged", "--format", "json")
    assert (done.returncode, verdicts(done)) == (1, {"moved.ipynb": "redact"})


def test_index_judges_what_did_not_change_and_what_is_not_tracked(qguard: Run, work: Path, git: Git) -> None:
    (work / "sub").mkdir()
    (work / "sub" / "a.ipynb").write_bytes(leaky(github_token()))
    git("add", ".")
    git("commit", "-qm", "one")
    (work / "new.ipynb").write_bytes(leaky(github_token()))
    (work / "sub" / "a.ipynb").write_bytes(CLEAN)
    assert b"Nothing is staged" in qguard("scan", "--staged", "sub/a.ipynb").stdout
    done = qguard("scan", "--index", "--format", "json", "--", "sub/a.ipynb", "new.ipynb")
    assert (done.returncode, verdicts(done)) == (1, {"sub/a.ipynb": "redact", "new.ipynb": "redact"})
    inside = qguard("scan", "--index", "--format", "json", ".", cwd=work / "sub")
    assert verdicts(inside) == {"sub/a.ipynb": "redact"}
    one = qguard("scan", "--index", "--format", "json", "nowhere.ipynb")
    assert (one.returncode, verdicts(one)) == (2, {"nowhere.ipynb": "block"})


def test_links_submodules_and_files_only_announced(qguard: Run, work: Path, git: Git, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git("init", "-q", cwd=other)
    (other / "a.ipynb").write_bytes(leaky(github_token()))
    git("add", ".", cwd=other)
    git("commit", "-qm", "one", cwd=other)
    git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other), "inner")
    (work / "link.ipynb").symlink_to("inner/a.ipynb")
    git("add", "link.ipynb")
    (work / "later.ipynb").write_bytes(leaky(github_token()))
    git("add", "--intent-to-add", "later.ipynb")
    done = qguard("scan", "--staged", "--format", "json")
    report = json.loads(done.stdout)
    assert (done.returncode, verdicts(done)) == (0, {".gitmodules": "allow"})
    assert {entry["path"] for entry in report["skipped"]} == {"link.ipynb", "inner"}


def test_a_conflict_cannot_be_judged(qguard: Run, work: Path, git: Git) -> None:
    (work / "a.ipynb").write_bytes(CLEAN)
    git("add", ".")
    git("commit", "-qm", "one")
    for branch, number in (("left", 2), ("right", 3)):
        git("checkout", "-q", "-b", branch, "main")
        (work / "a.ipynb").write_bytes(notebook(code_cell(f"x = {number}")))
        git("commit", "-qam", branch)
    assert git("merge", "left", check=False).returncode == 1
    done = qguard("scan", "--staged")
    assert done.returncode == 2
    assert done.stdout.count(b"unresolved merge conflict") == 1


def test_a_sparse_checkout_is_judged_whole(qguard: Run, work: Path, git: Git) -> None:
    for folder in ("in", "out"):
        (work / folder).mkdir()
        (work / folder / "a.ipynb").write_bytes(leaky(github_token()))
    git("add", ".")
    git("commit", "-qm", "one")
    git("sparse-checkout", "set", "--cone", "--sparse-index", "in")
    assert not (work / "out").exists()
    git("reset", "-q", "--soft", git("commit-tree", "-m", "none", git("mktree").stdout.strip()).stdout.strip())
    done = qguard("scan", "--staged", "--format", "json")
    assert verdicts(done) == {"in/a.ipynb": "redact", "out/a.ipynb": "redact"}


def test_a_file_of_git_lfs_is_judged_by_its_content(qguard: Run, work: Path, git: Git) -> None:
    content = leaky(github_token())
    oid = hashlib.sha256(content).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(content)}\n"
    (work / "big.ipynb").write_text(pointer)
    git("add", ".")
    done = qguard("scan", "--staged", "--format", "json")
    [file] = json.loads(done.stdout)["files"]
    assert "git-lfs" in file["unchecked"][0]["reason"]
    stored = work / ".git" / "lfs" / "objects" / oid[:2] / oid[2:4]
    stored.mkdir(parents=True)
    (stored / oid).write_bytes(content)
    done = qguard("scan", "--staged", "--format", "json")
    assert (done.returncode, verdicts(done)) == (1, {"big.ipynb": "redact"})


def test_no_index_to_read_is_one_sentence(qguard: Run, work: Path, git: Git, tmp_path: Path) -> None:
    bare, none, empty = tmp_path / "bare", tmp_path / "none", tmp_path / "no programs"
    for folder in (bare, none, empty):
        folder.mkdir()
    git("init", "-q", "--bare", cwd=bare)
    for option in ("--staged", "--index"):
        one_sentence(qguard("scan", option, "a", cwd=bare), "no work tree", "clone")
        one_sentence(qguard("scan", option, "a", cwd=none), "no git repository", "by name")
        one_sentence(qguard("scan", option, "a", extra={"PATH": str(empty)}), "git was not found", "Install")
        one_sentence(qguard("scan", option, "-"), "stdin")
    one_sentence(qguard("scan", "--staged", "--index"), "exclude")
    one_sentence(qguard("scan", "--staged", "../outside"), "outside this repository")
    (work / ".git" / "index").write_bytes(b"no index at all, but long enough to be one")
    one_sentence(qguard("scan", "--staged"), "damaged", "git fsck")


def test_a_repository_of_somebody_else_is_one_sentence(qguard: Run, work: Path, git: Git) -> None:
    refused = qguard("scan", "--staged", extra={"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"})
    one_sentence(refused, "does not trust", "safe.directory")


def test_an_index_named_by_git_is_the_one_that_is_read(qguard: Run, work: Path, git: Git) -> None:
    """``git commit FILE`` hands its hooks an index of its own."""
    (work / "a.ipynb").write_bytes(leaky(github_token()))
    other = {"GIT_INDEX_FILE": os.fspath(work / ".git" / "next")}
    git("add", ".", extra=other)
    assert qguard("scan", "--staged").returncode == 0
    assert qguard("scan", "--staged", extra=other).returncode == 1
