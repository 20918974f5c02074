"""``qguard scan`` of commits: all files and messages that a range brings in, also what a later commit removed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jupyter_qguard.cli import exits, gitcall, gitindex
from jupyter_qguard.cli.judge import GIANT, Judge
from jupyter_qguard.cli.names import shown
from jupyter_qguard.cli.report import FileReport, Report
from jupyter_qguard.cli.scanindex import NOT_HERE
from jupyter_qguard.errors import InputError

MESSAGE = ".git/COMMIT_EDITMSG"
"""The path that policy sees for the message of a commit or tag."""
_NONE = re.compile(r"0+")
_LINK, _SUBMODULE = b"120000", b"160000"


@dataclass(frozen=True, slots=True)
class Piece:
    """One object at one place: ``path`` below the root (empty for a message), ``commit`` the one that brought it in."""

    name: str
    path: str
    commit: str

    @property
    def label(self) -> str:
        """Return what ``git show`` takes."""
        return f"{self.commit[:10]}:{self.path}" if self.path else f"{self.commit[:10]} (message)"


def commits(judge: Judge, given: str) -> Report:
    """Judge what the commits of a range (``A..B``, or one name for all that leads to it) hold. Raises InputError."""
    if given.startswith("-") or not given.strip():
        raise exits.UsageError("--commits takes a range of commits.", "For instance: origin/main..HEAD")
    return _judged(judge, given.split())


def push(judge: Judge, remote: str, lines: bytes) -> Report:
    """Judge what a push takes to ``remote``. ``lines`` are what git hands its hook pre-push. Raises InputError.

    What the remote has already, by its refs that are known here, is left out: refusing could not take it back.
    """
    wanted, known = [], []
    for line in lines.splitlines():
        fields = line.decode("utf-8", "surrogateescape").split(" ")
        if len(fields) != 4:
            raise InputError("What came in is not what git hands its hook pre-push.", "See docs/git.md.")
        ours, theirs = fields[1], fields[3]
        if not _NONE.fullmatch(ours):  # a branch that is deleted there takes nothing out
            wanted.append(ours)
        if not _NONE.fullmatch(theirs) and _here(judge.cwd, theirs):
            known.append(f"^{theirs}")
    if not wanted:
        return Report([], notes=["Nothing is pushed."])
    tracked = [] if remote.startswith("-") else [f"--remotes={remote}"]
    return _judged(judge, [*wanted, *known], not_in=tracked)


def _here(cwd: Path, name: str) -> bool:
    return gitcall.attempt(cwd, "cat-file", "-e", f"{name}^{{commit}}").returncode == 0


def _judged(judge: Judge, revisions: Sequence[str], not_in: Sequence[str] = ()) -> Report:
    top = _root(judge.cwd)
    common = gitcall.common_dir(judge.cwd)
    chosen = [*not_in] and ["--not", *not_in, "--not"]
    kinds = _kinds(top, _objects(top, [*chosen, "--end-of-options", *revisions]))
    pieces = list(_pieces(top, [*chosen, "--end-of-options", *revisions], kinds))
    report = Report([])
    small = []
    for piece in pieces:
        if kinds[piece.name][1] > GIANT and not piece.path.endswith(".ipynb"):
            reason = f"larger than {GIANT // 2**20} MiB; scan the file itself"
            report.files.append(FileReport(piece.label, "warn", unchecked=[{"field": None, "reason": reason}]))
        else:
            small.append(piece)
    for piece, (kind, data) in zip(small, gitindex.contents(top, [one.name for one in small]), strict=True):
        report.files.append(_one(judge, piece, kind, data, top, common))
    if not report.files:
        report.notes.append("No commits are new there.")
    return report


def _one(judge: Judge, piece: Piece, kind: str, data: bytes, top: Path, common: Path) -> FileReport:
    if kind != "blob":
        return judge.report(data.partition(b"\n\n")[2], piece.label, MESSAGE, top)
    content = gitindex.behind_pointer(data, common)
    if content is None:
        return FileReport(piece.label, "warn", unchecked=[{"field": None, "reason": NOT_HERE}])
    return judge.report(content, piece.label, piece.path, top)


def _root(cwd: Path) -> Path:
    """Return where the project's policy is looked for: the work tree, or the folder of a bare repository."""
    inside = gitcall.attempt(cwd, "rev-parse", "--is-bare-repository")
    return cwd if inside.stdout.strip() == b"true" else gitcall.toplevel(cwd)


def _objects(top: Path, revisions: Sequence[str]) -> list[str]:
    """Return the names of all objects that the commits bring in: commits, tags, trees and files, each once."""
    listing = gitcall.run(top, "rev-list", "--objects", "--no-object-names", *revisions, "--")
    return listing.decode("ascii").split()


def _kinds(top: Path, names: Iterable[str]) -> dict[str, tuple[str, int]]:
    """Return (kind, size in bytes) of each object."""
    asked = "".join(f"{name}\n" for name in names).encode("ascii")
    if not asked:
        return {}
    kinds = {}
    for line in gitcall.run(top, "cat-file", "--batch-check", stdin=asked).decode("ascii").splitlines():
        name, kind, *size = line.split()
        if not size:
            raise InputError("git could not read one of its objects.", "Try: git fsck")
        kinds[name] = (kind, int(size[0]))
    return kinds


def _pieces(top: Path, revisions: Sequence[str], kinds: dict[str, tuple[str, int]]) -> Iterator[Piece]:
    """Yield messages and files, every path of a file, in the order of the log. Links and submodules hold no content."""
    for name, (kind, _) in kinds.items():
        if kind in ("commit", "tag"):
            yield Piece(name, "", name)
    # -m: what a merge takes from one side is new to the other; only what the range brings in counts.
    shape = ("--format=%x01%H", "-m", "--root", "--raw", "--no-abbrev", "--no-renames", "--diff-filter=d", "-z")
    listing = gitcall.run(top, "log", *shape, "--no-ext-diff", "--no-show-signature", *revisions, "--")
    commit, seen, met = "", set(), set()
    fields = iter(listing.split(b"\0"))
    for field in fields:
        if field.startswith(b"\x01"):
            commit = field[1:].decode("ascii")
            continue
        facts = field.strip().removeprefix(b":").split(b" ")
        if len(facts) != 5:
            continue
        name, path = facts[3].decode("ascii"), os.fsdecode(next(fields, b""))
        met.add(name)
        if facts[1] not in (_LINK, _SUBMODULE) and name in kinds and (name, path) not in seen:
            seen.add((name, path))
            yield Piece(name, shown(path), commit)
    for name, (kind, _) in kinds.items():  # never seen to happen; a file without a place is judged all the same
        if kind == "blob" and name not in met:
            yield Piece(name, name, name)
