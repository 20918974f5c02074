"""Finding the files of a server or repository, and the policy of one path in it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jupyter_qguard import paths
from jupyter_qguard.errors import ConfigError
from jupyter_qguard.settings.explain import Row, rows, table
from jupyter_qguard.settings.modes import ModeChoice, choose_mode, choose_on_failure
from jupyter_qguard.settings.policy_file import DEFAULTS, Problem
from jupyter_qguard.settings.reader import WatchedFile
from jupyter_qguard.settings.stack import Query, Stack, Verdict
from jupyter_qguard.settings.words import POLICY_NAME, PYPROJECT_NAME, Mode, OnFailure

MAX_WATCHED = 4096


@dataclass(frozen=True, slots=True)
class Policy:
    """The effective policy of one file, at one moment. ``path`` is relative to the root; ``now`` is aware."""

    stack: Stack
    path: str
    now: datetime
    choice: ModeChoice

    @property
    def mode(self) -> Mode:
        """Return what is done with a verdict: ``enforce``, ``observe`` or ``off``."""
        return self.stack.mode

    @property
    def on_failure(self) -> OnFailure:
        """Return what a scanner failure leads to: ``refuse`` or ``warn``."""
        return self.stack.on_failure

    @property
    def digest(self) -> str:
        """Return SHA-256 (hex) over the policy's canonical form; the same on every machine that agrees."""
        return self.stack.digest

    def judge(self, query: Query) -> Verdict:
        """Return the verdict for one question; its ``path`` is replaced by this policy's."""
        return self.stack.judge(
            Query(query.door, query.content, self.path, query.rule, query.generic, query.special), self.now
        )

    def explain(self) -> list[Row]:
        """Return every setting with its value and where it comes from, for ``qguard policy show``."""
        return rows(self.stack, self.path, self.now, self.choice)

    def table(self) -> list[tuple[str, str, Verdict]]:
        """Return (door, content class, verdict) for provider rules on this path, for ``qguard policy explain``."""
        return table(self.stack, self.path, self.now)


class Policies:
    """The policies below one root. Thread-safe; each call looks at the files again (one ``stat`` each).

    Build with :func:`load`. ``known_rules`` must be the same for the whole life.
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
    ) -> None:
        self._lock = threading.RLock()
        self._root, self._env, self._known = Path(os.path.abspath(root)), dict(env), known_rules  # noqa: PTH100
        self._shared, self._notices, self._clock = tuple(shared), tuple(notices), clock
        self._files: dict[Path, WatchedFile] = {}
        self._stacks: dict[tuple[int, ...], tuple[Stack, ModeChoice]] = {}
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
        return Policy(stack, "/".join(clean), self._clock(), choice)

    @property
    def mode(self) -> Mode:
        """Return the mode that holds for every file: project files have no say in it."""
        return self._base().mode

    @property
    def on_failure(self) -> OnFailure:
        """Return what a scanner failure leads to, for every file."""
        return self._base().on_failure

    @property
    def digest(self) -> str:
        """Return the digest of the policy that holds in the folder asked about at load."""
        return self._base().digest

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
            found = [_kept(file, problem) for file in watched for problem in _errors(file)]
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
            for file in watched:
                found += [problem.sentence() for problem in file.problems if problem.level == "warning"]
                for entry in file.good.paths if file.good else ():
                    if entry.expired(base.now):
                        found.append(f"{file.path}: the [[paths]] entry {entry.glob.text} ran out; it weakens nothing.")
        return tuple(dict.fromkeys(found))

    def _base(self) -> Policy:
        return self.effective(f"{self._here}/x" if self._here else "x")

    def _refresh_shared(self) -> None:
        for file in self._shared:
            file.refresh()

    def _stack(self, project: WatchedFile | None) -> tuple[Stack, ModeChoice]:
        """Return the stack of the files' last good states, kept while none of them changes."""
        good = [file.good for file in self._shared if file.good is not None]
        own = project.good if project else None
        key = tuple(id(file) for file in (*good, own))
        kept = self._stacks.get(key)
        if kept is None:
            shared = (DEFAULTS, *good)
            choice = choose_mode(shared, self._env)
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


def load(
    project_dir: Path | None,
    *,
    root: Path,
    env: Mapping[str, str],
    known_rules: Collection[str] | None = None,
    project_file: Path | None = None,
    system_dirs: Sequence[Path] | None = None,
    user_dir: Path | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Policies:
    """Read every policy file that applies below ``root``.

    ``project_dir`` is the folder whose project policy ``digest`` speaks of (None: the root);
    ``project_file`` takes the place of every project file (``--policy F``). ``system_dirs`` and
    ``user_dir`` default to Jupyter's. ``known_rules`` are the rule ids that exist; None takes any.

    Raises ConfigError for a bad system or user file, a bad ``QGUARD_MODE``, ``QGUARD_ADMIN_POLICY``
    or ``project_file``. A bad project file is a problem instead: the defaults hold.
    """
    folders = paths.system_config_dirs(env) if system_dirs is None else tuple(system_dirs)
    # Weakest precedence first, and Jupyter lists its folders strongest first.
    shared = [
        WatchedFile(folder / POLICY_NAME, "system", f"system {POLICY_NAME}", "", known_rules)
        for folder in reversed(folders)
    ]
    notices = []
    for file in shared:
        file.refresh()
    admin = env.get("QGUARD_ADMIN_POLICY", "")
    if admin and any(file.present for file in shared):
        notices.append("QGUARD_ADMIN_POLICY is ignored: a system policy file exists.")
    elif admin:
        path = Path(admin).absolute()
        file = WatchedFile(path, "system", f"system {path.name}", "", known_rules)
        file.refresh()
        if not file.present:
            raise ConfigError(f"QGUARD_ADMIN_POLICY names a file that does not exist: {path}.", "Unset or correct it.")
        shared.append(file)
    user = (user_dir or paths.user_config_dir(env)) / POLICY_NAME
    shared.append(WatchedFile(user, "user", f"user {POLICY_NAME}", "", known_rules))
    shared[-1].refresh()
    for file in shared:
        _must_be_good(file)
    only = None
    if project_file is not None:
        only = WatchedFile(project_file, "project", f"project {project_file.name}", "", known_rules)
        only.refresh()
        if not only.present:
            raise ConfigError(f"The policy file {project_file} does not exist or holds no policy.", "Name another.")
        _must_be_good(only)
    policies = Policies(
        root=root,
        env=env,
        known_rules=known_rules,
        here=project_dir,
        only=only,
        shared=shared,
        notices=notices,
        clock=clock,
    )
    policies.effective("x")  # a bad QGUARD_MODE is to be found now
    return policies


def _must_be_good(file: WatchedFile) -> None:
    errors = [problem.sentence() for problem in _errors(file)]
    if errors:
        more = f" ({len(errors) - 1} more: run `qguard policy check`)" if len(errors) > 1 else ""
        raise ConfigError(errors[0] + more, "Correct or remove the file.")


def _errors(file: WatchedFile) -> list[Problem]:
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
