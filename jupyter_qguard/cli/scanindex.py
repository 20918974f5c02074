"""``qguard scan`` of what git holds: the index, for a commit and for hooks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from jupyter_qguard.cli import gitcall, gitindex
from jupyter_qguard.cli.files import select
from jupyter_qguard.cli.gitindex import Staged
from jupyter_qguard.cli.judge import Judge, unjudged
from jupyter_qguard.cli.names import shown
from jupyter_qguard.cli.report import FileReport, Report

CONFLICT = "it has an unresolved merge conflict. Resolve it and stage it again."
NOT_HERE = "stored by git-lfs, and its content is not on this machine (git lfs fetch)"


def staged(judge: Judge, paths: Sequence[str]) -> Report:
    """Judge what the next commit adds or changes. Raises InputError where there is no index to read."""
    top = gitcall.toplevel(judge.cwd)  # first: elsewhere than in a work tree git answers "nothing is staged"
    report = _judged(judge, top, gitindex.staged(judge.cwd, paths))
    if not report.files and not report.skipped:
        report.notes.append("Nothing is staged there.")
    return report


def indexed(judge: Judge, paths: Sequence[str]) -> Report:
    """Judge what the index holds at ``paths``, changed or not; what is not in it, as it lies on the disk."""
    top = gitcall.toplevel(judge.cwd)
    entries = gitindex.indexed(judge.cwd, paths)
    report = _judged(judge, top, entries)
    real = Path(os.path.realpath(top))
    names = {entry.path for entry in entries}
    left = [path for path in paths if not _answered(_below(judge.cwd / path, real), names)]
    selection = select(left)
    report.files += [judge.file(chosen, walked=chosen.label not in left) for chosen in selection.files]
    report.skipped += [(item.path, item.reason) for item in selection.skipped]
    if not report.files and not report.skipped:
        report.notes.append("Nothing was found there.")
    return report


def _below(path: Path, top: Path) -> str:
    """Return ``path`` below ``top`` as git writes it; a link keeps its own name."""
    here = os.path.normpath(path)
    folder, name = os.path.split(here)
    return Path(os.path.relpath(os.path.join(os.path.realpath(folder), name), top)).as_posix()  # noqa: PTH118


def _answered(path: str, names: set[str]) -> bool:
    """Return whether git's listing held ``path``, or anything below it."""
    return path in names or any(path == "." or name.startswith(path + "/") for name in names)


def _judged(judge: Judge, top: Path, entries: Sequence[Staged]) -> Report:
    """Judge entries in their order; links and submodules have no content here and are named as skipped."""
    report = Report([])
    if not entries:
        return report
    common = gitcall.common_dir(judge.cwd)
    for entry in entries:
        if entry.conflict:
            report.files.append(unjudged(shown(entry.path), CONFLICT))
        elif not entry.readable:
            report.skipped.append((shown(entry.path), "a link or submodule"))
    readable = [entry for entry in entries if entry.readable and not entry.conflict]
    objects = gitindex.contents(top, [entry.blob for entry in readable])
    for entry, (_, data) in zip(readable, objects, strict=True):
        content = gitindex.behind_pointer(data, common)
        label = shown(entry.path)
        if content is None:
            report.files.append(FileReport(label, "warn", unchecked=[{"field": None, "reason": NOT_HERE}]))
        else:
            report.files.append(judge.report(content, label, label, top))
        report.files[-1].place = entry.path
    return report
