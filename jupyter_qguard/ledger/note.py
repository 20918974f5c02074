"""Signed tree heads: C2SP tlog-checkpoint text in a signed note (https://c2sp.org/tlog-checkpoint, /signed-note).

    <origin>
    <size>
    <root, base64>

    — <key name> <base64(key id ‖ ed25519 signature)>

The key's name is the origin. Its id is the first four bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key). A public
key is written as ``<name>+<key id, hex>+<base64(0x01 ‖ public key)>``, as Go's sumdb does.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from jupyter_qguard.errors import InputError
from jupyter_qguard.ledger.merkle import LENGTH

ED25519 = b"\x01"
MOST_BYTES = 1 << 20
_MOST_SIGNATURES = 100
_DASH = "\N{EM DASH} "
_SIZE = re.compile(r"0|[1-9][0-9]{0,17}")
_NAME = re.compile(r"[^\s+]{1,300}")


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An ed25519 public key (32 bytes) under a name."""

    name: str
    key: bytes

    @property
    def id(self) -> bytes:
        """The key id: 4 bytes."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.key).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{_base64(ED25519 + self.key)}"

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """Return the key that a text gives. Raises ``InputError`` if it gives none."""
        parts = text.strip().split("+", 2)
        try:
            name, id, key = parts
            data = binascii.a2b_base64(key.encode("ascii"), strict_mode=True)
            found = cls(name, data[1:])
            if _NAME.fullmatch(name) and data[:1] == ED25519 and len(data) == 33 and found.id.hex() == id.lower():
                return found
        except (ValueError, UnicodeError):
            pass
        raise InputError(
            "This is no public key of a ledger.",
            "It looks like NAME+ID+KEY; `qguard ledger head --public-key` prints it.",
        )

    def verifies(self, text: bytes, signature: bytes) -> bool:
        """Return whether the signature over ``text`` is this key's."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, text)
        except (InvalidSignature, ValueError):
            return False
        return True


class Signer(Protocol):
    """Holds a ledger's signing key. Every method may raise ``QGuardError``."""

    def public_if_made(self) -> bytes | None:
        """Return the ed25519 public key if there is one yet."""

    def public(self) -> bytes:
        """Return the ed25519 public key, 32 bytes."""

    def sign(self, text: bytes) -> bytes:
        """Return the ed25519 signature, 64 bytes."""


@dataclass(frozen=True, slots=True)
class Head:
    """A tree head as it was signed. ``signatures`` are (key name, key id, signature); whose they are is not checked."""

    origin: str
    size: int
    root: bytes
    text: bytes
    signatures: tuple[tuple[str, bytes, bytes], ...]

    def signed_by(self, keys: Iterable[PublicKey]) -> bool | None:
        """Return True if a known key signed it, False if a signature in a known key's name is not its, else None."""
        found: bool | None = None
        for key in keys:
            for name, id, signature in self.signatures:
                if (name, id) == (key.name, key.id):
                    if not key.verifies(self.text, signature):
                        return False
                    found = True
        return found

    def note(self) -> bytes:
        """Return the whole signed note."""
        lines = [f"{_DASH}{name} {_base64(id + signature)}\n" for name, id, signature in self.signatures]
        return self.text + b"\n" + "".join(lines).encode()


def sign(origin: str, size: int, root: bytes, signer: Signer) -> Head:
    """Return a signed head. Raises what the signer raises."""
    text = f"{origin}\n{size}\n{_base64(root)}\n".encode()
    key = PublicKey(origin, signer.public())
    return Head(origin, size, root, text, ((key.name, key.id, signer.sign(text)),))


def parse(data: bytes) -> list[Head]:
    """Return the heads in a file: one signed note, or several one after another. Raises ``InputError`` if none is."""
    if len(data) > MOST_BYTES:
        raise _none("it is too long")
    try:
        lines = data.decode("utf-8").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError:
        raise _none("it is not text") from None
    while lines and not lines[-1]:
        lines.pop()
    heads: list[Head] = []
    at = 0
    while at < len(lines):
        if not lines[at]:
            at += 1
            continue
        body: list[str] = []
        while at < len(lines) and lines[at]:
            body.append(lines[at])
            at += 1
        at += 1
        signatures: list[str] = []
        while at < len(lines) and lines[at].startswith(_DASH):
            signatures.append(lines[at])
            at += 1
        heads.append(_head(body, signatures))
    if not heads:
        raise _none("it is empty")
    return heads


def _head(body: Sequence[str], signatures: Sequence[str]) -> Head:
    if len(body) < 3 or not signatures or len(signatures) > _MOST_SIGNATURES:
        raise _none("a head has three lines, an empty one and a signature")
    origin, size, root = body[:3]
    if not _SIZE.fullmatch(size) or any(ord(letter) < 32 for line in body for letter in line):
        raise _none("its second line must be a number of entries")
    found = []
    for line in signatures:
        name, _, packed = line.removeprefix(_DASH).partition(" ")
        data = _bytes(packed)
        if not _NAME.fullmatch(name) or len(data) < 5:
            raise _none("its signature is damaged")
        found.append((name, data[:4], data[4:]))
    hash = _bytes(root)
    if len(hash) != LENGTH:
        raise _none("its third line must be a hash")
    return Head(origin, int(size), hash, "".join(line + "\n" for line in body).encode(), tuple(found))


def _bytes(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (ValueError, UnicodeError):
        raise _none("its base64 is damaged") from None


def _base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def _none(why: str) -> InputError:
    return InputError(f"This is no signed head of a ledger: {why}.", "`qguard ledger head` prints one.")
