"""The policy of one path, from the files of a server or repository."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from jupyter_qguard.settings.baselines import Baselines
from jupyter_qguard.settings.effective import Policy
from jupyter_qguard.settings.heads import head_places
from jupyter_qguard.settings.modes import ModeChoice, choose_history, choose_mode, choose_on_failure, choose_pause_max
from jupyter_qguard.settings.pause import Pause, PauseFile
from jupyter_qguard.settings.policy_file import DEFAULTS, PolicyFile, Problem
from jupyter_qguard.settings.reader import WatchedFile
from jupyter_qguard.settings.stack import Stack
from jupyter_qguard.settings.words import POLICY_NAME, PYPROJECT_NAME, History, Mode, OnFailure

MAX_WATCHED = 4096


class Policies:
    """The policies below one root. Thread-safe; each call looks at the files again (one ``stat`` each).

    Build with :func:`jupyter_qguard.settings.load`. ``known_rules`` must be the same for the whole life.
    """

    def __init__(
        self,
        *,
        root: Path,
        env: Mapping[str, str],
        known_rules: Collection[str] | None,
        here: Path | None,
        only: WatchedFile | None,
        shared: Sequence[WatchedFile],
        notices: Sequence[str],
        clock: Callable[[], datetime],
        baselines: Baselines,
        pause: PauseFile | None = None,
    ) -> None:
        self._pause, self._baselines = pause, baselines
        self._lock = threading.RLock()
        self._root, self._env, self._known = Path(os.path.abspath(root)), dict(env), known_rules  # noqa: PTH100
        self._shared, self._notices, self._clock = tuple(shared), tuple(notices), clock
        self._files: dict[Path, WatchedFile] = {}
        self._stacks: dict[tuple[object, ...], tuple[Stack, ModeChoice]] = {}
        self._here = self._relative(here) if here else ""
        self._only = only
        if only is not None:
            self._files[only.path] = only

    def effective(self, path: str) -> Policy:
        """Return the policy for ``path``, relative to the root and '/'-separated (a leading slash is fine).

        Never raises for what a file on disk became: a bad edit keeps the last good policy.
        """
        clean = _clean(path)
        with self._lock:
            self._refresh_shared()
            project = self._nearest(clean)
            stack, choice = self._stack(project)
        return Policy(stack, "/".join(clean), self._clock(), choice, self._baselines)

    @property
    def mode(self) -> Mode:
        """Return the mode that holds for every file: project files have no say in it."""
        return self._base().mode

    @property
    def on_failure(self) -> OnFailure:
        """Return what a scanner failure leads to, for every file."""
        return self._base().on_failure

    @property
    def pause_max(self) -> tuple[timedelta, str]:
        """Return the longest pause that policy allows, and who said so."""
        with self._lock:
            self._refresh_shared()
            return choose_pause_max(self._good())

    @property
    def kernel_history(self) -> tuple[History, str]:
        """Return what IPython's history is to store (``leave``, ``redact``, ``off``), and who said so."""
        with self._lock:
            self._refresh_shared()
            return choose_history(self._good())

    @property
    def pause_over(self) -> Pause | None:
        """Return a pause whose time is up and whose end nobody has recorded yet (its file is still there)."""
        with self._lock:
            self._refresh_shared()
            state, pause, _ = self._paused()
            return pause if state == "over" else None

    @property
    def digest(self) -> str:
        """Return the digest of the policy that holds in the folder asked about at load."""
        return self._base().digest

    @property
    def heads(self) -> tuple[tuple[str, str], ...]:
        """Return where the record's signed heads are to be kept: (key of ``[ledger]``, place). For every file."""
        return tuple((key, place) for key, place, _ in head_places(self._base().stack.shared))

    @property
    def floor_mode(self) -> Mode | None:
        """Return the mode below which nobody but the administrator can go; None without such a floor."""
        return self._base().choice.floor

    @property
    def problems(self) -> tuple[str, ...]:
        """Return why the guard is degraded, one sentence each; empty when every file is right."""
        base = self._base()
        with self._lock:
            watched = [*self._shared, *self._files.values()]
            for file in self._files.values():
                file.refresh()
            found = [_kept(file, problem) for file in watched for problem in errors_of(file)]
        found += self._baselines.problems
        if base.on_failure == "warn":
            where = base.choice.on_failure_source
            found.append(f'on_failure is "warn" ({where}): content passes unjudged when the scanner fails.')
        return tuple(dict.fromkeys(found))

    @property
    def notices(self) -> tuple[str, ...]:
        """Return what a person should know although nothing is broken (ignored variables, warnings, expiries)."""
        base = self._base()
        with self._lock:
            watched = [*self._shared, *self._files.values()]
            found = [*self._notices, *base.choice.notices]
            refused = self._paused()[2]
            found += [refused] if refused else []
            for file in watched:
                found += [problem.sentence() for problem in file.problems if problem.level == "warning"]
                for entry in file.good.paths if file.good else ():
                    if entry.expired(base.now):
                        found.append(f"{file.path}: the [[paths]] entry {entry.glob.text} ran out; it weakens nothing.")
        return tuple(dict.fromkeys([*found, *self._baselines.notices(base.now)]))

    def _base(self) -> Policy:
        return self.effective(f"{self._here}/x" if self._here else "x")

    def _refresh_shared(self) -> None:
        for file in self._shared:
            file.refresh()

    def _good(self) -> tuple[PolicyFile, ...]:
        """Return the defaults and the last good state of the shared files, weakest first."""
        return (DEFAULTS, *(file.good for file in self._shared if file.good is not None))

    def _paused(self) -> tuple[str, Pause | None, str]:
        if self._pause is None:
            return "none", None, ""
        return self._pause.state(self._clock(), choose_pause_max(self._good())[0])

    def _stack(self, project: WatchedFile | None) -> tuple[Stack, ModeChoice]:
        """Return the stack of the files' last good states, kept while none of them changes."""
        shared = self._good()
        own = project.good if project else None
        state, pause, _ = self._paused()
        pause = pause if state == "active" else None
        key = (*(id(file) for file in (*shared, own)), pause)
        kept = self._stacks.get(key)
        if kept is None:
            choice = choose_mode(shared, self._env, pause)
            on_failure, source = choose_on_failure(shared)
            choice = ModeChoice(choice.mode, choice.source, choice.floor, choice.notices, source)
            kept = (Stack(shared, own, choice.mode, on_failure), choice)
            if len(self._stacks) >= MAX_WATCHED:
                self._stacks.clear()
            self._stacks[key] = kept  # the stack holds the files, so no id in the key is used again
        return kept

    def _nearest(self, clean: Sequence[str]) -> WatchedFile | None:
        """Return the project file for a path: the nearest upward from its folder, not above the root."""
        if self._only is not None:
            self._only.refresh()
            return self._only
        for depth in range(max(len(clean) - 1, 0), -1, -1):
            base = "/".join(clean[:depth])
            for name in (POLICY_NAME, PYPROJECT_NAME):
                # os.path, not Path: this runs for every folder at every save
                path = os.path.join(self._root, base, name)  # noqa: PTH118
                found = self._project_file(path, base, name)
                if found is not None and found.present:
                    return found
        return None

    def _project_file(self, path: str, base: str, name: str) -> WatchedFile | None:
        key = Path(path)
        file = self._files.get(key)
        if file is None:
            if not os.path.lexists(path):
                return None
            if any(shared.path == key for shared in self._shared):
                return None  # the user's own file below the root (HOME as root) is not a project's
            if len(self._files) >= MAX_WATCHED:
                self._files.pop(next(iter(self._files)))
            shown = f"project {base}/{name}" if base else f"project {name}"
            file = self._files[key] = WatchedFile(key, "project", shown, base, self._known)
        file.refresh()
        return file

    def _relative(self, folder: Path) -> str:
        shown = os.path.relpath(os.path.abspath(folder), self._root).replace(os.sep, "/")  # noqa: PTH100
        return "" if shown == "." or shown.startswith("..") else shown


def errors_of(file: WatchedFile) -> list[Problem]:
    """Return what makes a file unusable as it stands."""
    return [problem for problem in file.problems if problem.level == "error"]


def _kept(file: WatchedFile, problem: Problem) -> str:
    held = "the last good version of the file holds" if file.good else "the policy without this file holds"
    return f"{problem.sentence()} Until it is corrected, {held}."


def _clean(path: str) -> list[str]:
    """Return the parts of a path below the root; ``..`` never leads above it."""
    parts: list[str] = []
    for part in path.replace("\\", "/").split("/") if os.sep == "\\" else path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return parts
