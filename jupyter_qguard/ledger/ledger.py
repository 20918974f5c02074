"""The record of decisions: append-only, durable, shared by the server and every command line."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from jupyter_qguard import files
from jupyter_qguard.errors import LedgerError
from jupyter_qguard.ledger.chain import Chain
from jupyter_qguard.ledger.event import Event, stamp
from jupyter_qguard.ledger.heads import Heads
from jupyter_qguard.ledger.store import (
    CountKey,
    Entry,
    Found,
    Query,
    Reading,
    Store,
    Unsuitable,
    busy,
    instead,
    open_store,
    unwritable,
)
from jupyter_qguard.ledger.waiting import Held, Slot

FOLDER = "ledger"
BUSY_SECONDS = 5.0
FLUSH_SECONDS = 30.0
FLUSH_COUNTS = 500
_BRIEF = 0.05
"""Seconds that flushing mere counters may wait for another process."""


class Ledger:
    """Decisions in ``data_dir``/ledger. Thread-safe, fork-safe, several processes at once; opens nothing until used.

    Group commit: threads that append at the same time share one transaction. Whoever gets the lock first writes
    everything that waits and wakes the others, whose events are then done; there is no writer thread that a fork
    could lose.
    ``busy_seconds`` bounds every wait for another process; ``clock`` gives seconds since 1970 (for counters' days).
    ``heads`` signs heads after entries were committed; None signs none.
    """

    def __init__(
        self,
        data_dir: Path,
        env: Mapping[str, str] | None = None,
        *,
        clock: Callable[[], float] = time.time,
        busy_seconds: float = BUSY_SECONDS,
        heads: Heads | None = None,
    ) -> None:
        self._folder = data_dir / FOLDER
        self._env = os.environ if env is None else env
        self._clock = clock
        self._busy_seconds = busy_seconds
        self.heads = heads
        self._store: Store | None = None
        self._pending: list[Slot] = []
        self._counts: dict[CountKey, int] = {}
        self._counted = 0
        self._flushed = time.monotonic()
        self._mutex = threading.Lock()
        self._commit = threading.Lock()
        self._forking = False
        _ledgers.add(self)

    def __del__(self) -> None:
        if getattr(self, "_store", None) is not None:
            self._store.close()  # type: ignore[union-attr]  # asked above

    def append(self, *events: Event) -> None:
        """Record events (all or none), durable on return. Raises ``LedgerError`` (busy, full, read-only, damaged).

        Never waits longer than about twice ``busy_seconds``. If it raises, the events are not recorded.
        """
        if not events:
            return
        slot = Slot([Entry(event.time, event.path, event.markers(), event.canonical()) for event in events])
        with self._mutex:
            self._pending.append(slot)
        end = time.monotonic() + 2 * self._busy_seconds
        while not slot.done:
            if self._commit.acquire(blocking=False):
                try:
                    if not slot.done:
                        self._write_pending()
                finally:
                    self._release()
            elif not slot.wait(end - time.monotonic()):
                with self._mutex:
                    if slot in self._pending:
                        self._pending.remove(slot)
                        raise busy()
                # A group that holds this event is being written right now; its wait is bounded too.
                if not slot.wait(2 * self._busy_seconds) and not slot.done:
                    raise busy()
        if slot.error is not None:
            raise LedgerError(slot.error.message, slot.error.hint)

    def _release(self) -> None:
        """Give the commit lock back and let the first of those who wait write. In this order: see ``append``."""
        self._commit.release()
        with self._mutex:
            if self._pending:
                self._pending[0].wake()

    def count(self, door: str, action: str, n: int = 1) -> None:
        """Count decisions not worth an event (allow). Cheap, never raises; a crash loses at most the last ones.

        Counters reach the disk with the next event, every 30 seconds of use, at :meth:`flush` and at exit.
        """
        with self._mutex:
            key = (stamp(self._clock())[:10], door, action)
            self._counts[key] = self._counts.get(key, 0) + n
            self._counted += n
            _unfinished.add(self)
            due = self._counted >= FLUSH_COUNTS or time.monotonic() - self._flushed >= FLUSH_SECONDS
            if due:
                self._counted, self._flushed = 0, time.monotonic()
        if due:
            self.flush()

    def flush(self) -> bool:
        """Write the counters if that is possible at once; True if none is left in memory. Never raises."""
        if not self._commit.acquire(timeout=_BRIEF):
            return False  # whoever holds the lock takes them along
        try:
            self._write_pending(_BRIEF)
        finally:
            self._release()
        with self._mutex:
            return not self._counts

    def decisions(
        self,
        path: str | None = None,
        marker: str | None = None,
        limit: int = 100,
        *,
        since: str | None = None,
        until: str | None = None,
    ) -> list[Event]:
        """Return recorded events, newest first: on exactly ``path``, with a finding of id8 ``marker``, in a time span.

        ``since`` (inclusive) and ``until`` (exclusive) are texts as ``stamp()`` writes them, or their beginnings
        (``2027-01-31``). No ledger yet = no events. Raises ``LedgerError`` where it cannot be read.
        """
        return [found.event for found in self.numbered(Query(path, marker, since, until, limit))]

    def numbered(self, query: Query) -> list[Found]:
        """Return sequence number, hash and event, newest first. Raises ``LedgerError``."""
        with self._held():
            return list(self._the_store().find(query))

    def tree(self) -> Chain | None:
        """Return where the chain stands, without reading the ledger; None without one. Raises ``LedgerError``."""
        with self._held():
            return self._the_store().tree()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Reading]:
        """Open the whole ledger as it stands now, to be read once; appending goes on. Raises ``LedgerError``."""
        with contextlib.ExitStack() as stack:
            with self._held():
                reading = stack.enter_context(self._the_store().read())
            yield reading

    def each(self, query: Query) -> Iterator[Found]:
        """Yield what :meth:`numbered` returns, one at a time; appending goes on. Raises ``LedgerError``."""
        with self._held():
            found = self._the_store().find(query)
            first = next(found, None)
        if first is not None:
            yield first
            yield from found

    def counts(self) -> dict[CountKey, int]:
        """Return counted decisions by (day, door, action), those still in memory included. Raises ``LedgerError``."""
        with self._held():
            totals = self._the_store().counts()
            with self._mutex:
                for key, n in self._counts.items():
                    totals[key] = totals.get(key, 0) + n
            return totals

    def problem(self) -> str | None:
        """Return why nothing could be recorded now, in one sentence, or None. Writes and removes a probe file."""
        try:
            files.private_folder(self._folder)
            files.probe(self._folder)  # an empty transaction alone would not notice a full disk
            with self._held():
                self._append((), {}, self._busy_seconds)
        except LedgerError as error:
            return error.sentence()
        except OSError as error:
            return unwritable(files.why(error)).sentence()
        return None

    def problems(self) -> tuple[str, ...]:
        """Return what is damaged in the record itself, in sentences (reads the whole ledger)."""
        try:
            with self._held():
                return self._the_store().problems()
        except LedgerError as error:
            return (error.sentence(),)

    def head_problems(self) -> tuple[str, ...]:
        """Return what went wrong with the last signed head that this process made, in sentences."""
        return () if self.heads is None else self.heads.problems()

    def close(self) -> None:
        """Write the counters, sign a head if one is due, and let go of the file. The ledger stays usable."""
        self.flush()
        if self.heads is not None:
            self.heads.close(self)
        if self._commit.acquire(timeout=self._busy_seconds):
            try:
                if self._store is not None:
                    self._store.close()
            finally:
                self._release()
        _unfinished.discard(self)

    def _write_pending(self, seconds: float | None = None) -> None:
        """Write all that waits as one transaction. Holds the commit lock; never raises, each slot learns its fate."""
        with self._mutex:
            slots, self._pending = self._pending, []
            counts, self._counts = self._counts, {}
        if not slots and not counts:
            return
        if slots or seconds is None:
            seconds = self._busy_seconds
        error: LedgerError | None = None
        try:
            self._append([entry for slot in slots for entry in slot.entries], counts, seconds)
        except LedgerError as failed:
            error = failed
        except Exception:  # whatever a store raises, every waiting thread must hear of it
            error = LedgerError("The decision could not be recorded: the ledger failed unexpectedly.")
        for slot in slots:
            slot.error = error
            slot.done = True
            slot.wake()
        with self._mutex:
            if error is None:
                self._flushed, self._counted = time.monotonic(), 0
                if slots and self.heads is not None:
                    _unfinished.add(self)
                    self.heads.recorded(sum(len(slot.entries) for slot in slots), self)
            else:
                for key, n in counts.items():
                    self._counts[key] = self._counts.get(key, 0) + n

    def _append(self, entries: Sequence[Entry], counts: Mapping[CountKey, int], seconds: float) -> None:
        try:
            self._the_store().append(entries, counts, seconds)
        except Unsuitable:
            other = instead(self._folder, self._env)
            if other is None:
                raise
            self._store = other
            other.append(entries, counts, seconds)

    def _the_store(self) -> Store:
        if self._store is None:
            self._store = open_store(self._folder, self._env)
        return self._store

    def _held(self) -> Held:
        return Held(self._commit, 2 * self._busy_seconds, self._release)

    def _before_fork(self) -> None:
        """Close the file before the process splits: SQLite keeps lock state in the process, a copy of it would lie.

        https://www.sqlite.org/howtocorrupt.html §2.6. The lock is held over the fork, so that nobody opens it again.
        """
        self._forking = self._commit.acquire(timeout=self._busy_seconds)
        if self._forking and self._store is not None:
            self._store.close()

    def _after_fork(self) -> None:
        """In the parent: go on."""
        if self._forking:
            self._release()

    def _after_fork_in_child(self) -> None:
        """In a child: locks may be held by threads that do not exist here; what waits is the parent's to write."""
        self._mutex = threading.Lock()
        self._commit = threading.Lock()
        self._pending = []
        self._counts = {}
        if self._store is not None:
            self._store.abandon()
        if self.heads is not None:
            self.heads.after_fork()


_ledgers: weakref.WeakSet[Ledger] = weakref.WeakSet()
_unfinished: set[Ledger] = set()
"""Those with counters in memory or entries that wait for a head: nobody else may hold them when the process ends."""


def _each(step: Callable[[Ledger], None]) -> Callable[[], None]:
    def run() -> None:
        for ledger in list(_ledgers):
            step(ledger)

    return run


close_all = _each(Ledger.close)
"""Close every ledger of this process, which signs the heads that are due. Never raises."""
atexit.register(close_all)
if hasattr(os, "register_at_fork"):
    # Starting a program by subprocess runs none of these; os.fork, pty.fork (terminals) and multiprocessing do.
    os.register_at_fork(
        before=_each(Ledger._before_fork),
        after_in_parent=_each(Ledger._after_fork),
        after_in_child=_each(Ledger._after_fork_in_child),
    )
