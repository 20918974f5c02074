"""Beginning, ending and telling of a pause, on record: what is not recorded does not happen."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from jupyter_qguard import __version__, files
from jupyter_qguard.errors import ConfigError, InputError, LedgerError
from jupyter_qguard.ledger.event import Event, stamp
from jupyter_qguard.settings import PAUSE_NAME, Pause, Policies, shown_duration

_LOCK_SECONDS = 5.0


class Record(Protocol):
    """Where decisions go (ledger.Ledger)."""

    def append(self, event: Event) -> None: ...


def now() -> datetime:
    """Return the time, aware, UTC."""
    return datetime.now(UTC)


class Pausing:
    """The pause of one data folder. ``clock`` gives aware UTC times and must be the one that ``policies`` uses."""

    def __init__(self, policies: Policies, ledger: Record, folder: Path, clock: Callable[[], datetime] = now) -> None:
        self._policies, self._ledger, self._folder, self._clock = policies, ledger, folder, clock
        self._path = folder / PAUSE_NAME

    def begin(self, span: timedelta, by: str) -> Pause:
        """Pause from now on; a pause that runs is replaced. Raises ConfigError (the floor), InputError, LedgerError."""
        floor = self._policies.floor_mode
        if floor == "enforce":
            raise ConfigError(
                'The administrator\'s policy asks for mode "enforce", which no pause lowers.',
                "Nothing was changed. To let one thing through on record, use [[paths]] or a baseline.",
            )
        most, source = self._policies.pause_max
        if span <= timedelta():
            raise InputError("A pause of no length is none.", "Give a span such as 30m or 2h.")
        if span > most:
            allowed = "no pause at all" if most <= timedelta() else f"at most {shown_duration(most)}"
            raise InputError(f"Policy allows {allowed} ({source}).", "Nothing was changed.")
        self.end_if_over()
        since = self._clock().replace(microsecond=0)
        pause = Pause(since, since + span, by)
        try:
            files.private_folder(self._folder)
            with self._locked():
                self._record(f"{pause.words()}, for {shown_duration(span)}", by)
                files.write_private(self._path, pause.as_bytes())
        except OSError as error:
            raise InputError(
                f"The pause cannot be written: {files.why(error)}.", "Nothing is paused; see 'qguard doctor'."
            ) from None
        return pause

    def stop(self, by: str) -> bool:
        """End a pause now, whatever its file says; False where there is none. Raises InputError, LedgerError.

        With LedgerError the pause has ended too: what tightens does not wait for a record.
        """
        try:
            if not self._path.is_symlink() and not self._path.exists():
                return False
            with self._locked():
                try:
                    self._record("the pause was ended", by)
                finally:
                    self._path.unlink(missing_ok=True)
        except LedgerError as error:
            raise LedgerError(f"The pause has ended, but this is not on record. {error.message}", error.hint) from None
        except OSError as error:
            raise InputError(f"The pause cannot be ended: {files.why(error)}.", f"Delete {self._path}.") from None
        return True

    def end_if_over(self) -> None:
        """Record that a pause's time is up and forget it, once. Never raises: the next use tries again."""
        if self._policies.pause_over is None:
            return
        with contextlib.suppress(OSError, LedgerError), self._locked():
            over = self._policies.pause_over  # another process may have ended it meanwhile
            if over is not None:
                self._record(f"the pause ended: its time was up ({over.until:%Y-%m-%d %H:%M} UTC)", over.by)
                self._path.unlink(missing_ok=True)

    def _locked(self) -> files.FileLock:
        return files.FileLock(self._folder / (PAUSE_NAME + ".lock"), _LOCK_SECONDS)

    def _record(self, note: str, by: str) -> None:
        event = Event(
            time=stamp(self._clock().timestamp()),
            door="save",
            path="",
            action="allow",
            mode="observe",
            kind="opaque",
            policy_digest=self._policies.digest,
            version=__version__,
            who=by,
            note=note,
        )
        self._ledger.append(event)
