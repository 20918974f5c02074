"""How threads wait for one another in a ledger: an append for its group's commit, a reader for the lock. Bounded."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from jupyter_qguard.errors import LedgerError
from jupyter_qguard.ledger.store import Entry, busy


class Slot:
    """One append that waits for its group's commit."""

    __slots__ = ("_signal", "done", "entries", "error")

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries
        self.done = False
        self.error: LedgerError | None = None
        self._signal = threading.Lock()
        self._signal.acquire()

    def wait(self, seconds: float) -> bool:
        """Wait to be woken: because it is written, or because it may write now. False if nobody did in time."""
        return self._signal.acquire(timeout=max(0.0, seconds))

    def wake(self) -> None:
        """Wake its thread, once or more often."""
        with contextlib.suppress(RuntimeError):  # it has been woken and did not sleep again yet
            self._signal.release()


class Held:
    """A lock held for a block, waited for with a bound. Raises ``LedgerError``."""

    def __init__(self, lock: threading.Lock, seconds: float, release: Callable[[], None]) -> None:
        self._lock = lock
        self._seconds = seconds
        self._release = release

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=self._seconds):
            raise busy()

    def __exit__(self, *_: object) -> None:
        self._release()
