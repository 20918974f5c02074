"""When the ledger's head is signed, and whether it could be kept: off the path of a save, never failing one.

A head is due 256 entries or 60 seconds after the last one. A thread that lives only while entries wait for a head makes
it; at the end of a process one is made if it is due, so that many short commands do not sign one by one. What signing
needs (cryptography, a keyring, git, HTTP) is imported only then.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from jupyter_qguard import files
from jupyter_qguard.errors import LedgerError, QGuardError
from jupyter_qguard.ledger.chain import Chain, origin
from jupyter_qguard.ledger.event import stamp

if TYPE_CHECKING:
    from jupyter_qguard.ledger.note import Head, PublicKey, Signer
    from jupyter_qguard.ledger.targets import FolderTarget, Target

FOLDER = "heads"
EVERY = 256
"""Entries."""
SECONDS = 60.0
LEAST_SECONDS = 5.0
"""However many entries come, two heads of one process are at least so far apart."""
_STATUS = "status.json"


class Grown(Protocol):
    """What a head is taken of (Ledger)."""

    def tree(self) -> Chain | None: ...


class Heads:
    """Makes and keeps the signed heads of one ledger. Thread-safe; starts nothing until an entry is recorded.

    ``places`` are (kind, place) as ``[ledger]`` in a policy gives them, asked anew for each head: ``head_file``,
    ``head_git``, ``head_url``. The folder ``heads`` beside the ledger's always gets them too.
    """

    def __init__(
        self,
        data_dir: Path,
        signer: Signer,
        env: Mapping[str, str],
        *,
        places: Callable[[], Sequence[tuple[str, str]]] = tuple,
        every: int = EVERY,
        seconds: float = SECONDS,
        least_seconds: float = LEAST_SECONDS,
    ) -> None:
        self._folder = data_dir / FOLDER
        self._signer = signer
        self._env = dict(env)
        self._places = places
        self._every, self._seconds, self._least = every, seconds, least_seconds
        self._born = time.monotonic()
        self._failed: dict[str, str] = {}
        self.after_fork()

    def after_fork(self) -> None:
        """Begin anew in a child: its parent's thread and what waits for it are the parent's."""
        self._mutex = threading.Lock()
        self._making = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._unsigned = 0
        self._last = float("-inf")

    def recorded(self, entries: int, ledger: Grown) -> None:
        """Take note that entries were recorded. Costs next to nothing; the head is made elsewhere. Never raises."""
        with self._mutex:
            self._unsigned += entries
            if self._unsigned >= self._every:
                self._wake.set()
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._wait, args=(weakref.ref(ledger),), name="qguard-heads", daemon=True
                )
                try:
                    self._thread.start()
                except RuntimeError:  # the interpreter is ending: close() makes the head
                    self._thread = None

    def _wait(self, reference: weakref.ref[Grown]) -> None:
        self._wake.wait(self._seconds)
        time.sleep(max(0.0, self._last + self._least - time.monotonic()))
        with self._mutex:  # from here on an entry starts the next thread
            self._unsigned = 0
            self._wake.clear()
            self._thread = None
        ledger = reference()
        if ledger is not None:
            self.make_if_possible(ledger)

    def close(self, ledger: Grown) -> None:
        """Make the head that is due at the end of a process. Never raises."""
        with self._mutex:
            waiting = self._unsigned
        if not waiting:
            return
        try:
            lived = time.monotonic() - self._born >= self._seconds
            if lived or waiting >= self._every or self._stale(ledger.tree()):
                with self._mutex:
                    self._unsigned = 0
                self.make_if_possible(ledger)
        except QGuardError:
            return  # whoever closes is told by the next append

    def _stale(self, chain: Chain | None) -> bool:
        """Return whether the last head of any process is older than a head may be."""
        if chain is None:
            return False
        try:
            made = (self.local().own(origin(chain.genesis)) / "latest.note").stat().st_mtime
        except OSError:
            return True
        return not 0 <= time.time() - made < self._seconds

    def make_if_possible(self, ledger: Grown) -> None:
        """Make a head now; what goes wrong becomes a problem. Never raises."""
        try:
            self.make(ledger)
        except QGuardError as error:
            self._failed = {**self._failed, "": error.sentence()}
        except Exception as error:  # a thread of ours must not end with a trace, and nothing here may stop a save
            self._failed = {**self._failed, "": f"making it failed unexpectedly ({type(error).__name__})."}

    def make(self, ledger: Grown) -> Head | None:
        """Sign the ledger's head, hand it to every target and return it; None where nothing was recorded yet.

        A target that fails is a problem (:meth:`problems`), not an error. Raises ``LedgerError`` where the ledger
        cannot be read or contradicts its last head, and what the key raises.
        """
        from jupyter_qguard.ledger import note
        from jupyter_qguard.ledger.targets import TargetError, conflict

        with self._making:
            chain = ledger.tree()
            if chain is None or not chain.size:
                return None
            name, root = origin(chain.genesis), chain.frontier.root()
            local = self.local()
            try:
                reason = conflict(local.latest(name), chain.size, root)
            except (OSError, TargetError):
                reason = None  # the target says why below
            if reason is not None:
                raise LedgerError(
                    f"No head is signed: {reason}.", "Keep a copy of the data folder before anything else."
                )
            head = note.sign(name, chain.size, root, self._signer)
            failed: dict[str, str] = {}
            for target in (local, *self._targets()):
                try:
                    target.put(head)
                except TargetError as error:
                    failed[target.name] = str(error)
            self._note(local.own(name), failed)
            self._failed, self._last = failed, time.monotonic()
            return head

    def problems(self) -> tuple[str, ...]:
        """Return what went wrong with the last head that this process made, in sentences."""
        return tuple(
            f"A signed head of the record could not be kept ({name}): {why}."
            if name
            else f"The record's head could not be signed: {why}"
            for name, why in self._failed.items()
        )

    def told(self, ledger: Grown) -> tuple[str, ...]:
        """Return what went wrong with the last head that any process made, in sentences. Raises ``LedgerError``."""
        chain = ledger.tree()
        if chain is None:
            return ()
        try:
            plain = json.loads((self.local().own(origin(chain.genesis)) / _STATUS).read_bytes())
            failed = {str(name): str(why) for name, why in plain["failed"].items()}
            return tuple(
                f"The head signed at {plain['time']} could not be kept ({name}): {why}." for name, why in failed.items()
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return ()

    def contradiction(self, ledger: Grown) -> str | None:
        """Return, in a sentence, why the ledger cannot be the one its last head was signed of; None if nothing shows.

        A quick look at sizes and, where they are the same, at the roots; ``verify`` reads everything.
        """
        from jupyter_qguard.ledger.targets import TargetError, conflict

        chain = ledger.tree()
        if chain is None:
            return None
        for folder in self.folders():
            try:
                reason = conflict(folder.latest(origin(chain.genesis)), chain.size, chain.frontier.root())
            except (OSError, TargetError):
                continue  # the next head that goes there tells
            if reason is not None:
                return f"The record is not the one that was signed ({folder.name}): {reason}."
        return None

    def local(self) -> FolderTarget:
        """Return the folder that always gets heads."""
        from jupyter_qguard.ledger.targets import FolderTarget

        return FolderTarget(self._folder, "data folder")

    def folders(self) -> list[FolderTarget]:
        """Return every folder that heads are kept in; these can be read back."""
        from jupyter_qguard.ledger.targets import FolderTarget

        return [self.local(), *(target for target in self._targets() if isinstance(target, FolderTarget))]

    def key(self, chain: Chain) -> PublicKey:
        """Return the ledger's public key under its name; made if there is none yet. Raises what the key raises."""
        from jupyter_qguard.ledger.note import PublicKey

        return PublicKey(origin(chain.genesis), self._signer.public())

    def public_key(self) -> bytes | None:
        """Return this installation's public key, None if none was made yet. Raises what the key raises."""
        return self._signer.public_if_made()

    def _targets(self) -> list[Target]:
        from jupyter_qguard.ledger import targets

        found: list[Target] = []
        for kind, place in self._places():
            if kind == "head_file":
                found.append(targets.FolderTarget(targets.resolved(place)))
            elif kind == "head_git":
                found.append(targets.GitTarget(targets.resolved(place), self._env))
            else:
                found.append(targets.HttpTarget(place))
        return found

    def _note(self, folder: Path, failed: Mapping[str, str]) -> None:
        """Write down what failed, for other processes (doctor); nothing where nothing failed or ever did."""
        path = folder / _STATUS
        with contextlib.suppress(OSError):
            if failed:
                files.write_private(path, json.dumps({"failed": dict(failed), "time": stamp()}).encode())
            else:
                path.unlink(missing_ok=True)
