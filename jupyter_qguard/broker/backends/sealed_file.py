"""Values sealed inside the record file: ChaCha20-Poly1305 under a key in its own 0600 file.

The key stands beside the records, outside the notebook tree: this keeps values out of backups of notebooks,
uploads and repositories. It is no protection against programs that run as the same user, nor against somebody
who restores an older record file as a whole.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Sequence
from pathlib import Path

from jupyter_qguard import files
from jupyter_qguard.broker.records import Record
from jupyter_qguard.errors import KeepError
from jupyter_qguard.secret import Secret

KEY_NAME = "seal.key"
_KEY_LENGTH = 32
_NONCE_LENGTH = 12
_FORMAT = "c1:"
_BLOCK = 64
"""Bytes that texts are padded to, so that the file does not tell how long a value is."""


class SealedFile:
    """The fallback that works without any service. Methods as in ``Backend``."""

    name = "file"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def why_not(self) -> str | None:
        try:
            import cryptography.hazmat.primitives.ciphers.aead  # noqa: F401  (can it be loaded at all?)
        except Exception:  # a broken build raises more than ImportError
            return "the package 'cryptography' cannot be loaded"
        try:
            files.private_folder(self._folder)
            files.probe(self._folder)
            self._key(create=False)
        except FileNotFoundError:
            return None  # the key comes with the first value
        except OSError as error:
            return f"its folder cannot be written: {files.why(error)}"
        except KeepError as error:
            return error.message.rstrip(".")
        return None

    def put(self, entries: Sequence[tuple[Record, Secret]]) -> list[str]:
        cipher = _cipher(self._read_key(create=True))  # no probe first: a save pays for one flush, not two
        boxes = []
        for record, text in entries:
            nonce = secrets.token_bytes(_NONCE_LENGTH)
            sealed = nonce + cipher.encrypt(nonce, _pad(text), record.associated())
            boxes.append(_FORMAT + base64.b64encode(sealed).decode("ascii"))
        return boxes

    def get(self, record: Record) -> Secret:
        cipher = _cipher(self._read_key(create=False))
        try:
            if not record.box.startswith(_FORMAT):
                raise ValueError
            sealed = base64.b64decode(record.box[len(_FORMAT) :], validate=True)
            padded = cipher.decrypt(sealed[:_NONCE_LENGTH], sealed[_NONCE_LENGTH:], record.associated())
            return _unpad(padded)
        except Exception as error:
            if not isinstance(error, ValueError | binascii.Error) and type(error).__name__ != "InvalidTag":
                raise KeepError("A kept value cannot be opened: its cipher failed.") from None
            raise KeepError(
                "A kept value cannot be opened: its record was changed, or its key was replaced.",
                "Restore the 'kept' folder from a backup, or drop the value with 'qguard kept drop'.",
            ) from None

    def drop(self, records: Sequence[Record]) -> None:
        """The value goes with its line."""

    def _read_key(self, *, create: bool) -> bytes:
        try:
            return self._key(create=create)
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            raise KeepError(
                f"The key of the sealed file cannot be {'read' if not create else 'stored'}: "
                f"{'it is gone' if missing else files.why(error)}.",
                "'qguard doctor' shows where values can be kept.",
            ) from None

    def _key(self, *, create: bool) -> bytes:
        path = self._folder / KEY_NAME
        if create:
            files.create_once(path, secrets.token_bytes(_KEY_LENGTH))
        key = files.read_private(path, _KEY_LENGTH)
        if len(key) != _KEY_LENGTH:
            raise KeepError(
                "The key of the sealed file is damaged.",
                f"Restore '{KEY_NAME}' in the data folder's 'kept', or move that folder away to start anew.",
            )
        return key


def _cipher(key: bytes):  # type: ignore[no-untyped-def]
    """Return the cipher; imported here, since it costs tens of milliseconds that no start-up should pay."""
    try:
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
    except Exception:  # as above: refuse to take a value out that cannot be sealed
        raise KeepError(
            "The sealed file cannot be used: the package 'cryptography' cannot be loaded.", "Install it anew."
        ) from None
    return ChaCha20Poly1305(key)


def _pad(text: Secret) -> bytes:
    plain = text.reveal().encode("utf-8", "surrogatepass")
    framed = len(plain).to_bytes(4, "big") + plain
    return framed + bytes(-len(framed) % _BLOCK)


def _unpad(padded: bytes) -> Secret:
    length = int.from_bytes(padded[:4], "big")
    return Secret(padded[4 : 4 + length].decode("utf-8", "surrogatepass"))
