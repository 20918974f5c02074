"""The rename door: a file is judged as what it becomes under its new name.

Renamed to ``.ipynb`` it is a notebook and is redacted on the way; its values are kept first, because the old file
goes. Other text files are renamed as they are, with a warning. Folders move as they are.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from jupyter_core.paths import is_hidden
from jupyter_core.utils import ensure_async
from tornado.web import HTTPError

from jupyter_qguard.guard import Judgement
from jupyter_qguard.server.doors.files import place
from jupyter_qguard.server.doors.inner import adopt
from jupyter_qguard.server.doors.model import judge_model
from jupyter_qguard.server.doors.passage import Passage, attach, current, passing, through
from jupyter_qguard.server.doors.reading import refuse_private
from jupyter_qguard.server.refusal import bad_request, disk_error
from jupyter_qguard.server.worker import ready

_FOLDER = "Folder moved as it is: the files in it were not looked into."


async def update(manager: Any, up: Any, model: Any, path: str) -> Any:
    """Rename through PATCH; the reply's ``qguard`` entry says what was changed."""
    return await through(manager.log, "rename", _update(up, model, path))


async def _update(up: Any, model: Any, path: str) -> Any:
    if not isinstance(model, dict) or not isinstance(model.get("path", path), str):
        raise bad_request("The body of this request must be a JSON object with the new path")
    with passing(Passage("rename", path.strip("/"), sole_copy=True)) as passage:
        reply = await ready(up(model, path))
    return attach(reply, passage.said)


async def rename(manager: Any, up: Any, old_path: str, new_path: str) -> Any:
    """Rename a file with its checkpoints, or a folder."""
    return await through(manager.log, "rename", _rename(manager, up, old_path, new_path))


async def _rename(manager: Any, up: Any, old_path: str, new_path: str) -> Any:
    _check_paths(manager, old_path, new_path)
    passage = current()
    if passage is None:
        passage = Passage("rename", old_path.strip("/"), sole_copy=True)
    adopt(manager)
    with passing(passage):
        if not manager.qguard_files:
            await _judge_remote(manager, old_path, new_path, passage)
        return await ready(up(old_path, new_path))


async def rename_file(manager: Any, up: Any, old_path: str, new_path: str) -> Any:
    """Move one file or folder; below :func:`rename`, and a door of its own for code that calls it directly."""
    return await through(manager.log, "rename", _rename_file(manager, up, old_path, new_path))


async def _rename_file(manager: Any, up: Any, old_path: str, new_path: str) -> Any:
    _check_paths(manager, old_path, new_path)
    old_path, new_path = old_path.strip("/"), new_path.strip("/")
    if old_path == new_path:
        return None
    passage = current() or Passage("rename", old_path, sole_copy=True)
    if not manager.qguard_files:
        if current() is None:
            await _judge_remote(manager, old_path, new_path, passage)
        return await ready(up(old_path, new_path))
    old, new = Path(manager._get_os_path(old_path)), Path(manager._get_os_path(new_path))
    if not old.is_file():
        if old.is_dir() and not any(one.message == _FOLDER for one in passage.said):
            passage.said.append(manager.qguard_gate.warn("rename", new_path, _FOLDER))
        return await ready(up(old_path, new_path))
    judgement = await _judge_file(manager, old, new_path)
    passage.said.append(judgement)
    if not judgement.changed:
        return await ready(up(old_path, new_path))
    _refuse_like_upstream(manager, old, new)
    await manager.qguard_gate.off_loop(lambda: _move(old, new, judgement.content), blocking=manager.qguard_blocking)
    return None


async def _judge_file(manager: Any, old: Path, new_path: str) -> Judgement:
    gate, blocking = manager.qguard_gate, manager.qguard_blocking
    try:
        judgement: Judgement = await gate.judge_file(
            old, gate.request("rename", new_path, sole_copy=True), blocking=blocking
        )
    except OSError as error:
        raise disk_error(error) from None
    return judgement


async def _judge_remote(manager: Any, old_path: str, new_path: str, passage: Passage) -> None:
    """Judge a file of a manager without plain files; where it must change, it is saved redacted before it moves."""
    if await ensure_async(manager.dir_exists(old_path)):
        passage.said.append(manager.qguard_gate.warn("rename", new_path, _FOLDER))
        return
    model = await _read(manager, old_path)
    request = manager.qguard_gate.request("rename", new_path, sole_copy=True)
    judged, judgement = await judge_model(manager.qguard_gate, model, request, blocking=manager.qguard_blocking)
    if judgement is None:
        return
    passage.said.append(judgement)
    if judgement.changed:
        if await ensure_async(manager.file_exists(new_path)):
            raise HTTPError(409, "File already exists")
        await ensure_async(manager.save(judged, old_path))


async def _read(manager: Any, path: str) -> Any:
    """Return a file's model; one that is no readable notebook as a plain file."""
    try:
        return await ready(manager.get(path))
    except HTTPError as error:
        if error.status_code != 400 or not path.endswith(".ipynb"):
            raise
        return await ready(manager.get(path, type="file"))


def _check_paths(manager: Any, old_path: Any, new_path: Any) -> None:
    if not isinstance(old_path, str) or not isinstance(new_path, str):
        raise bad_request("Both paths of a rename must be texts")
    refuse_private(manager, old_path)
    refuse_private(manager, new_path)


def _refuse_like_upstream(manager: Any, old: Path, new: Path) -> None:
    """Raise what jupyter_server's own rename raises before it moves a file."""
    if not manager.allow_hidden and (is_hidden(str(old), manager.root_dir) or is_hidden(str(new), manager.root_dir)):
        raise HTTPError(400, "Cannot rename a hidden file or directory")
    if os.path.lexists(new) and not (new.exists() and old.samefile(new)):
        raise HTTPError(409, "File already exists")


def _move(old: Path, new: Path, data: bytes) -> None:
    """Put the redacted content at the new name, then take the old file away; on failure the old file stays alone."""
    try:
        if os.path.lexists(new):  # the same file under another spelling: a file system that ignores case
            aside = old.with_name(f".~qguard-{old.name}")
            os.replace(old, aside)  # noqa: PTH105
            old = aside
        place(new, data, like=old)
        try:
            old.unlink()
        except OSError:
            with suppress(OSError):
                new.unlink()
            raise
    except FileExistsError:
        raise HTTPError(409, "File already exists") from None
    except OSError as error:
        raise disk_error(error) from None
