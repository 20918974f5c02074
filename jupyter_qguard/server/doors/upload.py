"""The upload door: chunks are collected outside of everyone's sight, judged whole, and written once.

A chunk protocol of our own, for every manager: ``chunk`` 1, 2, 3, … and -1 for the last, whole numbers, in order.
The parts lie in an unlinked private file (mode 0600, no name) on the file system of the target where possible.
"""

from __future__ import annotations

import asyncio
import mimetypes
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from jupyter_qguard.guard import Judgement
from jupyter_qguard.server.doors.hooks import hooks_of, run_hooks
from jupyter_qguard.server.doors.model import decode_base64, encode_base64
from jupyter_qguard.server.doors.passage import Passage, after_the_write, attach, passing
from jupyter_qguard.server.refusal import Refusal, bad_request, disk_error
from jupyter_qguard.server.worker import ready

LAST = -1
Key = str
"""The path. Not the user: without a cookie, jupyter_server gives a token's user a new random name at each request."""


class Upload:
    """One file on its way in."""

    def __init__(self, spool: IO[bytes], now: float) -> None:
        self.spool = spool
        self.next = 1
        self.size = 0
        self.touched = now
        self.busy = False

    def close(self) -> None:
        """Let the parts vanish."""
        with suppress(OSError):
            self.spool.close()


class Uploads:
    """The uploads in progress, by path. ``quota`` in bytes for all together, ``idle`` in seconds."""

    def __init__(self, *, quota: int, idle: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.quota = quota
        self.idle = idle
        self._clock = clock
        self._open: dict[Key, Upload] = {}

    def take(self, key: Key, chunk: int, folder: str | None) -> Upload:
        """Return the upload that this chunk belongs to, marked busy.

        Chunk 1 starts anew (a cancelled upload leaves its parts, and the browser does not say so). Raises Refusal
        409 for a chunk out of order, and drops the upload. The last chunk has no number and is taken as it comes.
        """
        self.expire()
        found = self._open.get(key)
        if found is not None and found.busy:
            raise bad_request(
                "Another chunk of this file is still being received; nothing was written.", status=409, code="chunk"
            )
        if chunk == 1:
            self.drop(key)
            found = self._open[key] = Upload(_spool(folder), self._clock())
        elif found is None or (chunk != LAST and chunk != found.next):
            self.drop(key)
            raise bad_request(
                "This chunk is out of order: chunks are numbered 1, 2, 3 and so on, and the last one is -1; "
                "nothing was written.",
                status=409,
                hint="Start the upload again.",
                code="chunk",
            )
        found.busy = True
        found.touched = self._clock()
        return found

    def room(self) -> int:
        """Return how many bytes all uploads together may still take."""
        return self.quota - sum(upload.size for upload in self._open.values())

    def drop(self, key: Key) -> None:
        """Forget an upload and its parts."""
        upload = self._open.pop(key, None)
        if upload is not None:
            upload.close()

    def expire(self) -> int:
        """Drop uploads that got no chunk for too long. Returns how many are left."""
        now = self._clock()
        for key in [key for key, upload in self._open.items() if not upload.busy and now - upload.touched > self.idle]:
            self.drop(key)
        return len(self._open)


def _spool(folder: str | None) -> IO[bytes]:
    """Return a file without a name: O_TMPFILE in ``folder``, or created 0600 and unlinked at once."""
    for place in (folder, None):
        with suppress(OSError):
            return tempfile.TemporaryFile(dir=place, prefix=".~qguard-")
    raise Refusal(507, "There is no place to collect this upload in; nothing was written.", code="disk-full")


async def receive(manager: Any, up: Any, model: dict[str, Any], path: str) -> Any:
    """Take one chunk; on the last, judge the whole and write it.

    Every chunk is answered by a complete file model, as JupyterLab expects; the file itself appears with the last.
    """
    key, uploads = path, manager.qguard_uploads
    try:
        chunk = _checked(model)
        folder = _folder(manager, path)
    except Exception:  # a chunk that is wrong ends its upload, whatever was wrong; the error goes on its way
        uploads.drop(key)
        raise
    upload = uploads.take(key, chunk, folder)
    try:
        await _append(manager, uploads, upload, model)
        if chunk != LAST:
            upload.next = chunk + 1
            upload.busy = False
            if chunk == 1:
                _sweep_later(uploads)
            return _partial_model(path, upload.size)
        upload.spool.seek(0)
        if manager.qguard_plain_bytes and not hooks_of(manager) and manager.qguard_gate.too_large(path, upload.size):
            return await _write_large(manager, up, upload.spool, path)
        data = await manager.qguard_gate.off_loop(upload.spool.read, blocking=manager.qguard_blocking)
        uploads.drop(key)
        return await _write_whole(manager, up, data, path)
    finally:
        if chunk == LAST or upload.busy:  # done, or failed on the way
            uploads.drop(key)


def _checked(model: dict[str, Any]) -> int:
    """Return the chunk's number. Raises Refusal 400 for a chunk that upstream would refuse or misunderstand."""
    chunk = model["chunk"]
    if type(chunk) is not int or (chunk < 1 and chunk != LAST):
        raise bad_request(
            "A chunk must have a whole number: 1, 2, 3 and so on, and -1 for the last; nothing was written.",
            code="chunk",
        )
    if "type" not in model:
        raise bad_request("No file type provided")
    if model["type"] != "file":
        raise bad_request("Only files can be sent in chunks: the type must be file")
    if not isinstance(model.get("content"), str):
        raise bad_request("No file content provided")
    if model.get("format") not in {"text", "base64"}:
        raise bad_request("Must specify format of file contents as 'text' or 'base64'")
    return chunk


def _folder(manager: Any, path: str) -> str | None:
    """Return the folder that the file will lie in. Raises 404 where there is none or it is outside the root."""
    if not manager.qguard_files:
        return None
    parent = Path(manager._get_os_path(path)).parent
    if not parent.is_dir():
        raise bad_request("The folder of this file does not exist.", status=404, code="not-found")
    return str(parent)


async def _append(manager: Any, uploads: Uploads, upload: Upload, model: dict[str, Any]) -> None:
    content, room = model["content"], uploads.room()

    def job() -> int:
        try:
            data = content.encode("utf-8") if model["format"] == "text" else decode_base64(content)
        except UnicodeError:
            raise bad_request("A chunk holds characters that UTF-8 cannot store; nothing was written.") from None
        if len(data) > room:
            raise Refusal(507, "Unfinished uploads take all the room that they may; nothing was written.", code="quota")
        try:
            upload.spool.write(data)
            upload.spool.flush()
        except OSError as error:
            raise disk_error(error) from None
        return len(data)

    upload.size += await manager.qguard_gate.off_loop(job, blocking=manager.qguard_blocking)


async def _write_whole(manager: Any, up: Any, data: bytes, path: str) -> Any:
    gate, blocking = manager.qguard_gate, manager.qguard_blocking
    model: dict[str, Any] = {"type": "file", "format": "base64", "content": None}
    if hooks_of(manager):
        model["content"] = encode_base64(data)
        run_hooks(manager, model, path)
        if isinstance(model.get("content"), str):
            text = model["content"]
            data = text.encode("utf-8", "surrogatepass") if model.get("format") == "text" else decode_base64(text)
    judgement = await gate.judge("bytes", data, gate.request("upload", path, sole_copy=False), blocking=blocking)
    return await _hand_on(manager, up, judgement.content, judgement, path)


async def _write_large(manager: Any, up: Any, spool: IO[bytes], path: str) -> Any:
    """Write a file that is too large to be looked into, straight from the spool."""
    judgement = manager.qguard_gate.too_large_to_look(manager.qguard_gate.request("upload", path, sole_copy=False))
    return await _hand_on(manager, up, spool, judgement, path)


async def _hand_on(manager: Any, up: Any, whole: bytes | IO[bytes], judgement: Judgement, path: str) -> Any:
    passage = Passage("upload", path, sole_copy=False, said=[judgement])
    if manager.qguard_plain_bytes:
        # The byte layer writes these bytes; a model with gigabytes of base64 would only be decoded again.
        passage.raw = whole
        content = ""
    else:
        content = encode_base64(whole if isinstance(whole, bytes) else whole.read())
    passage.judged = {"type": "file", "format": "base64", "content": content}
    with passing(passage), after_the_write(passage):
        reply = await ready(up(dict(passage.judged), path))
    return attach(reply, passage.said)


def _sweep_later(uploads: Uploads) -> None:
    """Look again when this upload would be too old, in case no further request comes."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return  # no event loop: the next request looks
    loop.call_later(uploads.idle + 1, uploads.expire)


def _partial_model(path: str, size: int) -> dict[str, Any]:
    """Return a file model for an upload that has begun. ``size``: bytes received so far."""
    now = datetime.now(UTC)
    return {
        "name": path.rsplit("/", 1)[-1],
        "path": path,
        "type": "file",
        "writable": True,
        "created": now,
        "last_modified": now,
        "mimetype": mimetypes.guess_type(path)[0],
        "content": None,
        "format": None,
        "size": size,
        "hash": None,
        "hash_algorithm": None,
    }
