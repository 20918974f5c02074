"""Small moves of plain files that keep their names whole: read, write beside and swap in, place without overwriting."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path


def beside(path: Path) -> Path:
    """Return an unused name in the same folder; its prefix makes sync tools and our own clean-up know it."""
    return path.with_name(f".~qguard-{secrets.token_hex(8)}")


def write_aside(target: Path, data: bytes, *, like: Path | None) -> Path:
    """Write ``data`` durably to a new file next to ``target`` with the mode and times of ``like``; return its path."""
    aside = beside(target)
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if like is not None:
            with suppress(OSError):
                shutil.copystat(like, aside)
    except BaseException:
        with suppress(OSError):
            aside.unlink()
        raise
    return aside


def swap_in(target: Path, data: bytes, *, like: Path | None) -> None:
    """Put ``data`` at ``target`` in one step: a reader sees the old file or the new one, a crash leaves one of them."""
    aside = write_aside(target, data, like=like)
    try:
        os.replace(aside, target)  # noqa: PTH105
    except BaseException:
        with suppress(OSError):
            aside.unlink()
        raise


def place(target: Path, data: bytes, *, like: Path | None) -> None:
    """Put ``data`` at ``target`` where nothing is yet. Raises FileExistsError, and then nothing was written."""
    aside = write_aside(target, data, like=like)
    try:
        try:
            os.link(aside, target)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            if os.path.lexists(target):
                raise FileExistsError(str(target.name)) from None
            os.rename(aside, target)  # noqa: PTH104
    finally:
        with suppress(OSError):
            aside.unlink()
