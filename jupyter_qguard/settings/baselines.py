"""Finding the baseline that counts for one path: the nearest upward, not above the root, or one that was named."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from jupyter_qguard.errors import ConfigError
from jupyter_qguard.settings.baseline_file import BASELINE_NAME, BaselineFile, WatchedBaseline
from jupyter_qguard.settings.exceptions import has_expired

MAX_WATCHED = 4096


class Baselines:
    """The baselines below one root. Thread-safe; looked at only when something was found, one ``stat`` per folder.

    ``only`` takes the place of every project's baseline (``--baseline F``); ``off``: none counts.
    """

    def __init__(
        self, root: Path, *, known_rules: Collection[str] | None = None, only: Path | None = None, off: bool = False
    ) -> None:
        """Raise ConfigError where ``only`` does not exist or cannot be used."""
        self._root, self._known, self._off = Path(os.path.abspath(root)), known_rules, off  # noqa: PTH100
        self._lock = threading.Lock()
        self._files: dict[str, WatchedBaseline] = {}
        self._only: WatchedBaseline | None = None
        if only is not None:
            self._only = self._files[str(only)] = WatchedBaseline(only, f"baseline {only.name}", "", known_rules)
            self._only.refresh()
            if not self._only.present:
                raise ConfigError("The file named by --baseline does not exist.", "Name another, or leave it out.")
            if self._only.good is None:
                raise ConfigError(self._only.problems[0].sentence(), "Correct the baseline, or name another.")

    def nearest(self, path: str) -> BaselineFile | None:
        """Return the baseline for a path (relative to the root, '/'-separated, clean); None if it cannot be used."""
        if self._off:
            return None
        with self._lock:
            if self._only is not None:
                self._only.refresh()
                return self._only.good
            parts = path.split("/")[:-1]
            for depth in range(len(parts), -1, -1):
                base = "/".join(parts[:depth])
                # os.path, not Path: this runs for every folder whenever something was found
                found = self._watched(os.path.join(self._root, base, BASELINE_NAME), base)  # noqa: PTH118
                if found is not None and found.present:
                    return found.good
        return None

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what is wrong with baselines met so far, one sentence per file: those files are ignored."""
        self.nearest("x")
        found = []
        with self._lock:
            for file in self._files.values():
                file.refresh()
                wrong = [problem for problem in file.problems if problem.level == "error"]
                if wrong:
                    more = f" ({len(wrong) - 1} more)" if len(wrong) > 1 else ""
                    found.append(f"{wrong[0].sentence()}{more} Until it is corrected, no exception in it counts.")
        return tuple(found)

    def notices(self, now: datetime) -> tuple[str, ...]:
        """Return what a person should know about baselines met so far: what ran out, what waits."""
        self.nearest("x")
        found = []
        with self._lock:
            for file in self._files.values():
                found += [problem.sentence() for problem in file.problems if problem.level == "warning"]
                over = sum(has_expired(entry.expires, now) for entry in file.good.entries) if file.good else 0
                if over:
                    count = "1 exception" if over == 1 else f"{over} exceptions"
                    found.append(f"{file.path}: {count} ran out; see `qguard baseline list --expired`.")
        return tuple(found)

    def _watched(self, path: str, base: str) -> WatchedBaseline | None:
        file = self._files.get(path)
        if file is None:
            if not os.path.lexists(path):
                return None
            if len(self._files) >= MAX_WATCHED:
                self._files.pop(next(iter(self._files)))
            shown = f"{base}/{BASELINE_NAME}" if base else BASELINE_NAME
            file = self._files[path] = WatchedBaseline(Path(path), shown, base, self._known)
        file.refresh()
        return file
