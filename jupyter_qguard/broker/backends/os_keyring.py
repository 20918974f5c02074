"""Values in the operating system's keyring, where that is safe to use without anybody at the screen.

Safe means: a store that encrypts, is unlocked already (so that it does not prompt), and gives a probe value back
at once. Every call runs in a daemon thread with a time limit, since a D-Bus service that hangs must not hang a
save. The verdict is reached once per process. The package ``keyring`` is imported only then.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from jupyter_qguard.broker.records import Record
from jupyter_qguard.errors import KeepError
from jupyter_qguard.secret import Secret

SERVICE = "jupyter-qguard"
PROBE_SERVICE = "jupyter-qguard-probe"
PROBE_SECONDS = 3.0
CALL_SECONDS = 5.0
_FORMAT = "k1:"
_NATIVE = tuple(f"keyring.backends.{name}" for name in ("SecretService", "libsecret", "kwallet", "macOS", "Windows"))
_REFUSED = {
    "keyring.backends.fail": "there is no keyring service on this machine",
    "keyring.backends.null": "the configured keyring stores nothing",
    "keyring.backends.chainer": "there is no keyring service on this machine",
    "keyrings.alt": "the configured keyring writes values to a file that is not protected, or asks for a password",
    "keyrings.cryptfile": "the configured keyring asks for a password on the terminal",
    "sagecipher": "the configured keyring asks for an agent",
}

T = TypeVar("T")
_lock = threading.Lock()
_verdict: tuple[Any, str | None] | None = None


class OsKeyring:
    """The keyring that ``keyring`` picks, if it is safe. Methods as in ``Backend``."""

    name = "keyring"

    def __init__(self, probe_seconds: float = PROBE_SECONDS, call_seconds: float = CALL_SECONDS) -> None:
        self._probe_seconds = probe_seconds
        self._call_seconds = call_seconds

    def why_not(self) -> str | None:
        return self._judge()[1]

    def put(self, entries: Sequence[tuple[Record, Secret]]) -> list[str]:
        keyring = self._usable()
        # A name of its own for each value: data folders that share one keyring must not meet.
        named = [(secrets.token_hex(16), _pack(record, text)) for record, text in entries]

        def undo() -> None:
            for name, _ in named:
                with contextlib.suppress(Exception):
                    keyring.delete_password(SERVICE, name)

        def work() -> None:
            try:
                for name, packed in named:
                    keyring.set_password(SERVICE, name, packed)
                    if keyring.get_password(SERVICE, name) != packed:
                        raise ValueError
            except BaseException:
                undo()
                raise

        self._call(keyring, work, undo)
        return [_FORMAT + name for name, _ in named]

    def get(self, record: Record) -> Secret:
        keyring = self._usable()
        packed = self._call(keyring, lambda: keyring.get_password(SERVICE, _name(record)))
        if packed is None:
            raise KeepError(
                "A kept value is no longer in the keyring.", "It was removed there; drop it with 'qguard kept drop'."
            )
        return _unpack(record, packed)

    def drop(self, records: Sequence[Record]) -> None:
        if not records:
            return
        keyring = self._usable()

        def work() -> None:
            for record in records:
                if keyring.get_password(SERVICE, _name(record)) is not None:
                    keyring.delete_password(SERVICE, _name(record))

        self._call(keyring, work)

    def _usable(self) -> Any:
        keyring, reason = self._judge()
        if reason is not None:
            raise _unusable(reason)
        return keyring

    def _judge(self) -> tuple[Any, str | None]:
        global _verdict
        with _lock:
            if _verdict is None:
                try:
                    _verdict = bounded(_choose, self._probe_seconds)
                except TimeoutError:
                    _verdict = (None, f"it did not answer within {self._probe_seconds:g} seconds")
            return _verdict

    def _call(self, keyring: Any, work: Callable[[], T], undo: Callable[[], None] | None = None) -> T:
        global _verdict

        def unprompted() -> T:
            locked = _locked(keyring, _module(keyring))  # it may have been locked since it was judged
            if locked is not None:
                raise _unusable(locked)
            return work()

        try:
            return bounded(unprompted, self._call_seconds, undo)
        except KeepError:
            raise
        except TimeoutError:
            with _lock:  # no further save shall wait for it
                _verdict = (None, f"it did not answer within {self._call_seconds:g} seconds")
            raise KeepError(
                "The keyring did not answer in time.", "Unlock or restart it, then restart; see 'qguard doctor'."
            ) from None
        except Exception:  # what a backend says may quote what it was given
            raise KeepError("The keyring refused.", "Look whether it is unlocked; see 'qguard doctor'.") from None


def _unusable(reason: str) -> KeepError:
    return KeepError(f"The keyring cannot be used: {reason}.", "Unlock or start it and try again; see 'qguard doctor'.")


def forget_verdict() -> None:
    """Judge the keyring anew at its next use: after a fork, or when a test changes it."""
    global _lock, _verdict
    _lock = threading.Lock()
    _verdict = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_verdict)


def bounded(work: Callable[[], T], seconds: float, undo: Callable[[], None] | None = None) -> T:
    """Return ``work()``, run in a daemon thread. Raises what it raises, or ``TimeoutError`` after ``seconds``.

    Work that ends after that is undone by ``undo``, in that thread.
    """
    outcome: list[tuple[bool, Any]] = []
    gate = threading.Lock()
    done = threading.Event()
    abandoned = False

    def run() -> None:
        try:
            result: tuple[bool, Any] = (True, work())
        except BaseException as error:
            result = (False, error)
        with gate:
            outcome.append(result)
            late = abandoned
        done.set()
        if late and undo is not None:
            with contextlib.suppress(Exception):
                undo()

    threading.Thread(target=run, name="qguard-keyring", daemon=True).start()
    done.wait(seconds)
    with gate:
        abandoned = not outcome
    if abandoned:
        raise TimeoutError
    sound, value = outcome[0]
    if not sound:
        raise value
    found: T = value
    return found


def _choose() -> tuple[Any, str | None]:
    """Return (keyring, None) or (None, why not). Runs in a bounded thread."""
    try:
        import keyring
        from keyring.backends.chainer import ChainerBackend
    except Exception:  # back ends are other people's code, run while it is imported
        return None, "the package 'keyring' cannot be loaded"
    try:
        chosen: Any = keyring.get_keyring()
        # In a chain only the operating system's own stores count: a chain picks what merely happens to be installed.
        chained = isinstance(chosen, ChainerBackend)
        candidates = [one for one in chosen.backends if _module(one).startswith(_NATIVE)] if chained else [chosen]
        reason = _REFUSED["keyring.backends.chainer"]
        for candidate in candidates:
            refused = _refusal(candidate)
            if refused is None:
                return candidate, None
            reason = refused
        return None, reason
    except Exception:  # one that fails here is not used; the sealed file is
        return None, "it failed when asked which store it uses"


def _module(keyring: object) -> str:
    return type(keyring).__module__


def _refusal(keyring: Any) -> str | None:
    module = _module(keyring)
    for prefix, reason in _REFUSED.items():
        if module == prefix or module.startswith(prefix + "."):
            return reason
    if "plaintext" in type(keyring).__name__.lower():
        return "the configured keyring writes plain text"
    locked = _locked(keyring, module)
    return locked if locked is not None else _round_trip(keyring)


def _locked(keyring: Any, module: str) -> str | None:
    """Return why a use would open a prompt, or None. Asks the service without unlocking or creating anything."""
    if module.startswith(("keyring.backends.SecretService", "keyring.backends.libsecret")):
        try:
            import secretstorage

            with contextlib.closing(secretstorage.dbus_init()) as bus:
                path = getattr(keyring, "preferred_collection", "/org/freedesktop/secrets/aliases/default")
                locked = secretstorage.Collection(bus, path).is_locked()
        except Exception:  # among others: there is no default collection, and making one asks for a password
            return "its service does not say whether it is unlocked, or has no default collection"
        return "it is locked, and unlocking it would open a prompt" if locked else None
    if module.startswith("keyring.backends.kwallet"):
        try:
            dbus = sys.modules["dbus"]
            wallet = dbus.Interface(
                dbus.SessionBus().get_object(keyring.bus_name, keyring.object_path), "org.kde.KWallet"
            )
            opened = bool(wallet.isOpen(wallet.networkWallet()))
        except Exception:  # D-Bus errors of any kind; unsure means not used
            return "the wallet service does not say whether it is open"
        return None if opened else "the wallet is closed, and opening it would open a prompt"
    return None


def _round_trip(keyring: Any) -> str | None:
    name, value = secrets.token_hex(8), secrets.token_urlsafe(24)
    try:
        keyring.set_password(PROBE_SERVICE, name, value)
        same = keyring.get_password(PROBE_SERVICE, name) == value
        keyring.delete_password(PROBE_SERVICE, name)
    except Exception:  # what it says may quote what it was given
        return "it refused a probe value"
    return None if same else "it did not give a probe value back"


def _name(record: Record) -> str:
    return record.box.removeprefix(_FORMAT)


def _pack(record: Record, text: Secret) -> str:
    """Return what the keyring gets. ASCII: keyrings encode as UTF-8, and a text may hold lone surrogates or NUL."""
    return json.dumps({"id8": record.id8, "rule": record.rule, "text": text.reveal()})


def _unpack(record: Record, packed: str) -> Secret:
    try:
        plain = json.loads(packed)
        if (plain["id8"], plain["rule"]) == (record.id8, record.rule) and isinstance(plain["text"], str):
            return Secret(plain["text"])
    except (ValueError, TypeError, KeyError):
        pass
    raise KeepError("A kept value cannot be opened: its record or its keyring entry was changed.")
