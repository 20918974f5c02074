"""Writing results: all or nothing, with the mode of what is replaced."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path

from jupyter_qguard.cli.exits import os_reason
from jupyter_qguard.cli.names import shown
from jupyter_qguard.errors import InputError


def write_atomically(target: Path, data: bytes, *, like: Path | None = None) -> None:
    """Write ``data`` so that ``target`` is at every moment either the old file or the new one, whole.

    A link stays a link: the file that it leads to is replaced. Mode bits come from the file that is
    replaced, else from ``like``, else from the umask. Raises InputError with what to do next.
    """
    real = Path(os.path.realpath(target))
    folder = real.parent
    if real.is_dir():
        raise InputError(f"{shown(target)} is a folder.", "Name a file to write.")
    if not folder.is_dir():
        raise InputError(f"There is no folder {shown(folder)} to write into.", "Create it first, or name another file.")
    if real.exists() and not real.is_file():  # /dev/stdout, a named pipe: nothing to replace
        _stream(real, target, data)
        return
    try:
        handle, name = tempfile.mkstemp(prefix=".qguard-", dir=folder)
    except OSError as error:
        raise _failed(target, error) from None
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            _dress(temporary, real, like)
            os.fsync(stream.fileno())
        temporary.replace(real)
    except OSError as error:
        raise _failed(target, error) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    _sync(folder)


def to_stdout(data: bytes) -> None:
    """Write bytes and nothing else to stdout."""
    sys.stdout.flush()
    stream = sys.stdout.buffer
    stream.write(data)
    stream.flush()


def _dress(temporary: Path, real: Path, like: Path | None) -> None:
    """Give the new file the mode, extended attributes and, where allowed, owner of the one that it replaces."""
    model = real if real.exists() else like
    if model is None:
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        return
    info = model.stat()
    shutil.copystat(model, temporary)
    os.utime(temporary)
    if model is real and hasattr(os, "chown"):
        with contextlib.suppress(OSError):
            os.chown(temporary, info.st_uid, info.st_gid)
            temporary.chmod(stat.S_IMODE(info.st_mode))  # chown clears set-id bits


def _stream(real: Path, target: Path, data: bytes) -> None:
    try:
        with real.open("wb") as stream:
            stream.write(data)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _failed(target, error) from None


def _sync(folder: Path) -> None:
    """Make the rename durable; not every file system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _failed(target: Path, error: OSError) -> InputError:
    return InputError(
        f"{shown(target)} could not be written: {os_reason(error)}.",
        "Nothing was changed; make room or name another file.",
    )
