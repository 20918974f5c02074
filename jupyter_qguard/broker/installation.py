"""The installation key: what fingerprints and marker ids are keyed with (contract §4)."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from jupyter_qguard import files
from jupyter_qguard.errors import ConfigError

VARIABLE = "QGUARD_INSTALLATION_KEY"
FILE_NAME = "installation.key"
LENGTH = 32
"""Bytes."""


def key(data_dir: Path, env: Mapping[str, str]) -> bytes | None:
    """Return the 32-byte installation key, creating it at the first call on this machine.

    ``QGUARD_INSTALLATION_KEY`` wins and leaves the disk alone: 64 hex digits are the key itself, any other
    text of at least 32 characters is hashed into one. Otherwise the key is 32 random bytes in ``data_dir``
    (0600, folder 0700). Returns None where it can be neither read nor stored (a read-only home, a full disk):
    ids are then zeros. Raises ``ConfigError`` for a variable that is too short, or a key file that others may
    read, that has another length or that belongs to somebody else; a key is never replaced, since every
    earlier marker would lose its meaning.
    """
    given = env.get(VARIABLE, "")
    if given:
        return _from_text(given)
    path = data_dir / FILE_NAME
    try:
        return _read(path)
    except FileNotFoundError:
        pass
    except NotADirectoryError:
        return None
    try:
        files.private_folder(data_dir)
        files.create_once(path, secrets.token_bytes(LENGTH))
    except OSError:
        return None
    return _read(path)


def _from_text(given: str) -> bytes:
    if re.fullmatch(r"[0-9a-fA-F]{64}", given):
        return bytes.fromhex(given)
    if len(given) < 32:
        raise ConfigError(
            f"{VARIABLE} is too short to be a key.",
            "Give 64 hexadecimal digits, or at least 32 random characters.",
        )
    return hashlib.sha256(b"jupyter-qguard installation key\0" + given.encode("utf-8", "surrogatepass")).digest()


def _read(path: Path) -> bytes:
    try:
        found = files.read_private(path, LENGTH)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except files.TooOpen:
        raise ConfigError(
            f"The installation key ({FILE_NAME} in the data folder) may be read or written by others.",
            "Give it mode 0600, or delete it: a new key is made, and the ids of old markers stay unexplained.",
        ) from None
    except OSError as error:
        raise ConfigError(
            f"The installation key ({FILE_NAME} in the data folder) cannot be read: {files.why(error)}.",
            "Make it readable for its owner, who must be the user that runs this.",
        ) from None
    if len(found) != LENGTH:
        raise ConfigError(
            f"The installation key ({FILE_NAME} in the data folder) is damaged: it must be {LENGTH} bytes long.",
            "Restore it, or delete it: a new key is made, and the ids of old markers stay unexplained.",
        )
    return found
