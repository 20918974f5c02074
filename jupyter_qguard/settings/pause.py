"""A pause: for a limited time the mode is ``observe``. It stands in one private file of the user's data folder.

Times in it are absolute and UTC, and the clock is not trusted: a pause that begins in the future (the clock was set
back) or lasts longer than policy allows (the file was edited, or the limit lowered) does not count. A kernel runs as
the same user and could write this file; what it can do for long is in the record and in the floor's hands.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from jupyter_qguard import files
from jupyter_qguard.settings.durations import shown_duration

FILE_NAME = "pause.json"
LONGEST = timedelta(hours=8)
"""The longest pause where no policy says otherwise (``[pause] max``)."""
_MOST_BYTES = 10_000
_SLACK = timedelta(seconds=60)
"""How far in the future a beginning may lie: clocks are corrected by seconds."""


@dataclass(frozen=True, slots=True)
class Pause:
    """From when until when (aware, UTC), and by whom."""

    since: datetime
    until: datetime
    by: str

    def words(self) -> str:
        """Return ``paused until 2027-01-31 09:30 UTC by ada``."""
        return f"paused until {self.until:%Y-%m-%d %H:%M} UTC" + (f" by {self.by}" if self.by else "")

    def as_bytes(self) -> bytes:
        """Return the file's content."""
        times = {"since": self.since.isoformat(), "until": self.until.isoformat()}
        return json.dumps({"version": 1, **times, "by": self.by}, indent=1).encode() + b"\n"


State = Literal["none", "active", "over", "refused"]


class PauseFile:
    """The file, looked at again at each question (one ``stat`` while nothing changes). Not thread-safe."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._signature: tuple[int, ...] | None = None
        self._pause: Pause | None = None
        self._wrong = ""

    def state(self, now: datetime, most: timedelta) -> tuple[State, Pause | None, str]:
        """Return what holds now, the pause in the file, and a sentence where it is refused. Never raises."""
        self._refresh()
        if self._wrong:
            return "refused", None, self._wrong
        pause = self._pause
        if pause is None:
            return "none", None, ""
        if now >= pause.until:
            return "over", pause, ""
        if pause.since > now + _SLACK:
            return "refused", pause, _sentence("it begins in the future: the clock was changed")
        if pause.until - pause.since > most + _SLACK:
            return "refused", pause, _sentence(f"it lasts longer than policy allows ({shown_duration(most)})")
        return "active", pause, ""

    def _refresh(self) -> None:
        try:
            found = os.lstat(self.path)
            signature = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_mode)
        except (OSError, ValueError):
            self._signature, self._pause, self._wrong = None, None, ""
            return
        if signature == self._signature:
            return
        self._signature, self._pause, self._wrong = signature, None, ""
        try:
            self._pause = _parse(files.read_private(self.path, _MOST_BYTES))
        except files.TooOpen:
            self._wrong = _sentence("others may read or write its file")
        except OSError as error:
            self._wrong = _sentence(f"its file cannot be read ({files.why(error)})")
            self._signature = None
        if self._pause is None and not self._wrong:
            self._wrong = _sentence("its file is damaged")


def _sentence(reason: str) -> str:
    return f"A pause is ignored because {reason}. `qguard pause --stop` removes it."


def _parse(data: bytes) -> Pause | None:
    try:
        told: Any = json.loads(data)
        since, until = (datetime.fromisoformat(told[name]) for name in ("since", "until"))
        if told["version"] != 1 or not isinstance(told["by"], str) or until <= since:
            return None
        return Pause(since.astimezone(UTC), until.astimezone(UTC), told["by"][:100])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
