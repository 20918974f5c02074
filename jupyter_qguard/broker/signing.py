"""The key that signs a ledger's heads: ed25519, made at the first head, in the keyring where that is safe.

Its record (``signing.json``, 0600, in the data folder) holds the public half and says where the private half is; where
no keyring is safe it holds that too. Whoever runs as the same user can sign with it: it shows that a head was made by
this installation, not that nobody else on this account made it.
"""

from __future__ import annotations

import binascii
import contextlib
import json
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_qguard import files
from jupyter_qguard.broker.backends.interface import Backend
from jupyter_qguard.broker.backends.os_keyring import OsKeyring
from jupyter_qguard.broker.kept import VARIABLE
from jupyter_qguard.broker.records import NO_ID, Record
from jupyter_qguard.errors import KeepError
from jupyter_qguard.secret import Secret

FILE_NAME = "signing.json"
LENGTH = 32
"""Bytes of each half."""
_LIMIT = 1 << 16
_HINT = f"Restore '{FILE_NAME}' in the data folder, or move it aside: a new key is made, and heads name it."


class SigningKey:
    """The signing key of one data folder. Nothing is touched until used. Safe for threads and several processes.

    ``QGUARD_KEEP`` = ``file`` or ``none`` leaves the keyring alone; a key that is already there stays where it is.
    """

    def __init__(self, data_dir: Path, env: Mapping[str, str], *, keyring: Backend | None = None) -> None:
        self._path = data_dir / FILE_NAME
        self._no_keyring = env.get(VARIABLE, "").strip().lower() in ("file", "none")
        self._keyring = keyring or OsKeyring()
        self._mutex = threading.Lock()
        self._private: Secret | None = None

    def public_if_made(self) -> bytes | None:
        """Return the public key if there is a key yet; makes none. Raises ``KeepError``."""
        try:
            return _bytes(self._read()["public"])
        except FileNotFoundError:
            return None

    def public(self) -> bytes:
        """Return the ed25519 public key (32 bytes), made now if there is none. Raises ``KeepError``."""
        with self._mutex:
            return _bytes(self._plain()["public"])

    def sign(self, text: bytes) -> bytes:
        """Return the ed25519 signature (64 bytes). Raises ``KeepError`` where the key cannot be had."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        with self._mutex:
            plain = self._plain()
            if self._private is None:
                self._private = self._unlocked(plain)
            key = Ed25519PrivateKey.from_private_bytes(_bytes(self._private.reveal()))
            if key.public_key().public_bytes_raw() != _bytes(plain["public"]):
                self._private = None
                raise KeepError("The ledger's signing key is damaged: its halves do not belong together.", _HINT)
            return key.sign(text)

    def _plain(self) -> dict[str, Any]:
        try:
            return self._read()
        except FileNotFoundError:
            pass
        try:
            self._make()
            return self._read()
        except OSError as error:
            raise KeepError(
                f"The ledger's signing key cannot be stored: {files.why(error)}.", "Make the data folder writable."
            ) from None

    def _make(self) -> None:
        """Make a key; of several processes that do so at the same time one wins."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        seed = secrets.token_bytes(LENGTH)
        public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
        secret, home, box = Secret(_text(seed)), "file", _text(seed)
        if not self._no_keyring and self._keyring.why_not() is None:
            with contextlib.suppress(KeepError):  # it refused after all: the file does
                box = self._keyring.put([(_record(""), secret)])[0]
                home = "keyring"
        plain = {"v": 1, "home": home, "public": _text(public), "box": box}
        files.private_folder(self._path.parent)
        if not files.create_once(self._path, json.dumps(plain).encode()) and home == "keyring":
            with contextlib.suppress(KeepError):
                self._keyring.drop([_record(box)])

    def _read(self) -> dict[str, Any]:
        """Return the record. Raises ``FileNotFoundError``, else ``KeepError``."""
        try:
            plain = json.loads(files.read_private(self._path, _LIMIT))
            if plain["v"] == 1 and plain["home"] in ("keyring", "file") and isinstance(plain["box"], str):
                if len(_bytes(plain["public"])) != LENGTH:
                    raise ValueError
                return dict(plain)
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError from None
        except OSError as error:
            raise KeepError(f"The ledger's signing key cannot be read: {files.why(error)}.", _HINT) from None
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        raise KeepError(f"The ledger's signing key ('{FILE_NAME}' in the data folder) is damaged.", _HINT)

    def _unlocked(self, plain: dict[str, Any]) -> Secret:
        secret = Secret(plain["box"]) if plain["home"] == "file" else self._keyring.get(_record(plain["box"]))
        if len(_bytes(secret.reveal())) != LENGTH:
            raise KeepError("The ledger's signing key is damaged.", _HINT)
        return secret


def _record(box: str) -> Record:
    return Record(id="ledger", id8=NO_ID, rule="ledger-signing-key", places=(), until=0, home="keyring", box=box)


def _text(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def _bytes(text: object) -> bytes:
    try:
        return binascii.a2b_base64(str(text).encode("ascii"), strict_mode=True)
    except (ValueError, UnicodeError):
        raise KeepError("The ledger's signing key is damaged.", _HINT) from None
