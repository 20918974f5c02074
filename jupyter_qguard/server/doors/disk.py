"""The byte layer of managers that keep plain files: below the hooks, right above the disk.

What arrives here is what the save door judged, or it is judged now and refused if it would have to be changed
(the notebook has been signed by now, so changing it would break its signature).
"""

from __future__ import annotations

import asyncio
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from jupyter_server.services.contents.fileio import path_to_intermediate

from jupyter_qguard.server.doors.model import decode_base64
from jupyter_qguard.server.doors.passage import Passage, current
from jupyter_qguard.server.refusal import Refusal, bad_request
from jupyter_qguard.server.worker import ready


class Footprint:
    """What was on disk before a write, so that a failed one leaves nothing behind.

    ``atomic_writing`` restores an existing file, but leaves the first bytes of a new one.
    """

    def __init__(self, os_path: str) -> None:
        self._path = Path(os_path)
        self._backup = Path(path_to_intermediate(os_path))  # type: ignore[no-untyped-call]
        self._existed = os.path.lexists(self._path)
        self._backup_existed = os.path.lexists(self._backup)

    def tidy(self) -> None:
        """Take away what the failed write left."""
        with suppress(OSError):
            if not self._existed and self._path.is_file() and not self._path.is_symlink():
                self._path.unlink()
        with suppress(OSError):
            if not self._backup_existed and self._path.exists() and self._backup.is_file():
                self._backup.unlink()


async def save_notebook(manager: Any, up: Any, os_path: str, nb: Any, *arguments: Any, **named: Any) -> Any:
    """Write a notebook that was judged just now; judge any other and refuse it if it holds secrets."""
    passage = current()
    judged = passage.judged.get("content") if passage is not None and passage.judged else None
    if judged is None or not same_notebook(nb, judged):
        await _last_look(manager, "notebook", nb, os_path, passage)
    return await _write(up, passage, os_path, nb, *arguments, **named)


async def save_file(manager: Any, up: Any, os_path: str, content: Any, format: Any, *arguments: Any) -> Any:
    """Write a file that was judged just now; judge any other and refuse it if it holds secrets."""
    passage = current()
    judged = passage.judged if passage is not None else None
    if judged is None or content != judged.get("content") or format != judged.get("format"):
        if format not in {"text", "base64"} or not isinstance(content, str):
            raise bad_request("Must specify format of file contents as 'text' or 'base64'")
        form = "text" if format == "text" else "bytes"
        await _last_look(manager, form, content if format == "text" else decode_base64(content), os_path, passage)
    elif passage is not None and passage.raw is not None:
        return await _write(_write_raw, passage, os_path, manager, passage.raw)
    return await _write(up, passage, os_path, content, format, *arguments)


async def save_large_file(_manager: Any, _up: Any, *_arguments: Any) -> Any:
    """Refuse: parts of a file cannot be judged one by one. The save door collects chunks itself."""
    raise bad_request("Parts of a file can only be written through the save door; nothing was written.")


async def _write_raw(os_path: str, manager: Any, raw: bytes | IO[bytes]) -> None:
    def job() -> None:
        with manager.atomic_writing(os_path, text=False) as file:
            if isinstance(raw, bytes):
                file.write(raw)
            else:
                shutil.copyfileobj(raw, file, 1 << 20)

    # no wall-clock limit of ours: a slow disk is no failed judgement, and the write must not go on unseen
    await ready(_run_in_thread(manager, job))


async def _run_in_thread(manager: Any, job: Any) -> None:
    if manager.qguard_blocking:
        job()
    else:
        await asyncio.to_thread(job)


async def _write(function: Any, passage: Passage | None, os_path: str, *arguments: Any, **named: Any) -> Any:
    before = Footprint(os_path)
    try:
        result = await ready(function(os_path, *arguments, **named))
    except BaseException:
        before.tidy()
        raise
    if passage is not None:
        passage.written = True
    return result


async def _last_look(manager: Any, form: Any, content: Any, os_path: str, passage: Passage | None) -> None:
    door = passage.door if passage is not None else "save"
    path = os.path.relpath(os_path, manager.root_dir).replace(os.sep, "/")
    request = manager.qguard_gate.request(door, path, sole_copy=False)
    judgement = await manager.qguard_gate.judge(form, content, request, blocking=manager.qguard_blocking)
    if judgement.changed:
        raise Refusal(
            422,
            "Not saved: another extension put a secret into this file after it had been checked.",
            hint="Ask whoever runs this server which contents manager or hook does so.",
            code="changed-after-check",
        )


def same_notebook(written: Any, judged: Any) -> bool:
    """Return whether a notebook is the judged one, apart from the ``trusted`` flags that signing takes out."""
    try:
        if written == judged:
            return True
        if not isinstance(judged, dict) or written.keys() != judged.keys():
            return False
        return all(
            written[key] == judged[key] or (key in ("cells", "worksheets") and _same_cells(written[key], judged[key]))
            for key in judged
        )
    except (RecursionError, AttributeError, TypeError):
        return False


def _same_cells(written: Any, judged: Any) -> bool:
    if not isinstance(written, list) or not isinstance(judged, list) or len(written) != len(judged):
        return False
    return all(a == b or _same_cell(a, b) for a, b in zip(written, judged, strict=True))


def _same_cell(written: Any, judged: Any) -> bool:
    if not isinstance(written, dict) or not isinstance(judged, dict) or written.keys() != judged.keys():
        return False
    for key, value in judged.items():
        if written[key] == value:
            continue
        if key == "cells" and _same_cells(written[key], value):  # nbformat 3 has cells inside worksheets
            continue
        if key != "metadata" or not isinstance(value, dict):
            return False
        if dict(written[key]) != {name: entry for name, entry in value.items() if name != "trusted"}:
            return False
    return True
