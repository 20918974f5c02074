"""Judging on behalf of a shell: which policy root a file belongs to, and a report row for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_qguard.cli.exits import os_reason, place
from jupyter_qguard.cli.files import STDIN, Chosen, relative, root_of
from jupyter_qguard.cli.names import harmless, shown
from jupyter_qguard.cli.report import FileReport
from jupyter_qguard.errors import ConfigError, QGuardError

if TYPE_CHECKING:
    from jupyter_qguard.cli.asked import Look
    from jupyter_qguard.guard import Guard
    from jupyter_qguard.policy.model import Judged

GIANT = 256 * 1024 * 1024
"""Bytes. A file this large, met while walking a folder, is not read unless it is a notebook; it is ``unchecked``."""


@dataclass(slots=True)
class Judge:
    """Judges bytes as door ``commit``. Guards are built once per policy root.

    ``policy_file`` and ``baseline_file`` take the place of the project's own. ``own_key`` False: ids are published
    only where ``QGUARD_INSTALLATION_KEY`` makes machines agree (contract §4), and the folder of this installation is
    not touched. ``regions``: look up where each finding stands in the raw file, for reports that show its lines.
    """

    cwd: Path
    env: Mapping[str, str]
    policy_file: Path | None = None
    own_key: bool = True
    regions: bool = False
    baseline_file: Path | None = None
    use_baselines: bool = True
    _guards: dict[Path, Guard] = field(default_factory=dict)
    _roots: dict[tuple[Path, Path | None], Path] = field(default_factory=dict)
    _checked: set[tuple[Path, str]] = field(default_factory=set)

    def guard(self, root: Path) -> Guard:
        """Return the guard of one policy root. Raises ConfigError for a policy that cannot be used."""
        found = self._guards.get(root)
        if found is None:
            from jupyter_qguard import guard as guards

            found = guards.build(
                root,
                self.env,
                policy_file=self.policy_file,
                baseline_file=self.baseline_file,
                use_baselines=self.use_baselines,
            )
            if not self.own_key and not self.env.get("QGUARD_INSTALLATION_KEY"):
                found.key = None
            self._guards[root] = found
        return found

    def look(self, data: bytes, path: str, root: Path) -> Look:
        """Judge bytes without changing, keeping or recording anything. ``path`` is relative to ``root``.

        Raises ConfigError where a policy file that applies is wrong: unlike a server that is already running,
        a command can wait until it is corrected.
        """
        from jupyter_qguard.cli import asked

        guard = self.guard(root)
        look = asked.look(guard, data, path)
        folder = (root, path.rpartition("/")[0])
        if folder not in self._checked:  # which files apply depends on the folder alone
            _ = look.policy.baseline  # one that cannot be used is a problem even where nothing was found
            problems = guard.policies.problems
            if len(problems) > (look.policy.on_failure == "warn"):
                raise ConfigError(harmless(problems[0]), "Nothing was judged by it; see `qguard policy check`.")
            self._checked.add(folder)
        return look

    def report(self, data: bytes, label: str, path: str, root: Path) -> FileReport:
        """Judge bytes and return their row. A failure of the scanner is that file's problem, not the run's."""
        self.guard(root)  # an installation or policy that does not work is told once, not per file
        try:
            look = self.look(data, path, root)
            row = from_look(look, label, len(data))
            if self.regions:
                row.regions = [None if it is None else astuple(it) for it in look.scan.regions()]
        except QGuardError as error:
            if error.code == "config":
                raise
            return unjudged(label, error.sentence(), len(data))
        except MemoryError:
            return unjudged(label, "out of memory. Judge it alone, or with -j 1.", len(data))
        except Exception as error:  # its text may quote the content
            return unjudged(label, f"the scanner failed on it ({place(error)}). Run `qguard doctor`.", len(data))
        return row

    def stdin(self, named: str | None) -> tuple[str, str, Path]:
        """Return (label, path below the root, root) for what comes from stdin; ``named`` is ``--path``."""
        if named is None:
            return STDIN, STDIN, self.cwd
        root = root_of(Path(named), self.cwd)
        return shown(named), _utf8(relative(Path(named), root, self.cwd)), root

    def _root_of(self, chosen: Chosen) -> Path:
        """Return the root of a file, looked for once per folder."""
        key = (chosen.path.parent, chosen.base)
        root = self._roots.get(key)
        if root is None:
            root = self._roots[key] = root_of(chosen.path, self.cwd, chosen.base)
        return root

    def file(self, chosen: Chosen, *, walked: bool = True) -> FileReport:
        """Read and judge one file."""
        if chosen.problem:
            return unjudged(chosen.label, chosen.problem)
        below = relative(chosen.path, self._root_of(chosen), self.cwd)
        row = self._file(chosen, walked, below)
        row.place = below
        return row

    def _file(self, chosen: Chosen, walked: bool, below: str) -> FileReport:
        if walked and chosen.size > GIANT and chosen.path.suffix != ".ipynb":
            reason = f"larger than {GIANT // 2**20} MiB; name it on the command line to have it read"
            return FileReport(chosen.label, "warn", unchecked=[{"field": None, "reason": reason}], size=chosen.size)
        try:
            data = chosen.path.read_bytes()
        except OSError as error:
            return unjudged(chosen.label, f"{os_reason(error)}. Check the file and its permissions.")
        return self.report(data, chosen.label, _utf8(below), self._root_of(chosen))


def from_look(look: Look, label: str, size: int) -> FileReport:
    """Return the report row of one judged file."""
    return FileReport(
        label,
        str(look.decision.action),
        findings=look.findings,
        unchecked=look.unchecked,
        because=[item.because for item in look.decision.judged],
        by_hand=[bool(look.scan.problem) or look.scan.kind == "opaque" for _ in look.decision.judged],
        mode=look.decision.mode,
        problem=harmless(look.scan.problem) if look.scan.problem else "",
        notes=pragma_notes(look),
        size=size,
        policy=look.policy.digest,
    )


def pragma_notes(look: Look) -> list[str]:
    """Say of every pragma that let nothing pass why it did not: a comment that does nothing misleads reviewers."""
    if not look.scan.pragmas:
        return []
    judged = list(enumerate(look.decision.judged))
    used = {id(look.scan.pragma(number)) for number, item in judged if _by_pragma(item)}
    counts = look.policy.exceptions.pragma_counts("commit")
    notes = []
    for pragma in look.scan.pragmas:
        if id(pragma) in used:
            continue
        cell = f"cell {pragma.address.cell_index + 1} " if pragma.address.cell_index is not None else ""
        why = pragma.wrong or ("there is nothing to allow" if counts else "the policy takes no pragmas")
        if counts and not pragma.wrong:
            refused = [item.not_exempt for number, item in judged if item.action and look.scan.pragma(number) is pragma]
            why = refused[0] if refused else why
        notes.append(f"{cell}line {pragma.line}: the qguard pragma does not count: {why}.")
    return notes


def _by_pragma(item: Judged) -> bool:
    return item.exemption is not None and item.exemption.kind == "pragma"


def unjudged(label: str, problem: str, size: int = 0) -> FileReport:
    """Return the row of a file that could not be judged at all: unsure means no, so its verdict is ``block``."""
    return FileReport(label, "block", problem=problem, size=size)


def _utf8(path: str) -> str:
    """Policy globs and the record want text; bytes that are no UTF-8 are escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
