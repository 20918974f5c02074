"""Guarded checkpoints: what goes into one, and what comes out of one, has been judged.

Made at run time around the configured checkpoints class, as the contents manager is. File checkpoints are handled
as bytes; generic ones (a store of models) at the methods that take and give content.
"""

from __future__ import annotations

import inspect
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from jupyter_server.services.contents.checkpoints import GenericCheckpointsMixin
from jupyter_server.services.contents.filecheckpoints import FileCheckpoints

from jupyter_qguard.guard import Judgement
from jupyter_qguard.policy.model import Door
from jupyter_qguard.server.doors.files import swap_in
from jupyter_qguard.server.doors.model import judge_model
from jupyter_qguard.server.doors.passage import Passage, current, through
from jupyter_qguard.server.doors.weave import Door as DoorMethod
from jupyter_qguard.server.doors.weave import weave
from jupyter_qguard.server.gate import QGuardGate
from jupyter_qguard.server.refusal import Refusal, bad_request, disk_error, save_first
from jupyter_qguard.server.worker import ready


class GuardedCheckpoints:
    """Marks the guarded checkpoint classes."""

    qguard_gate: QGuardGate
    qguard_blocking: bool = False
    qguard_base: type


async def create(store: Any, up: Any, contents: Any, path: str) -> Any:
    """Make a checkpoint of a file on disk, redacted where the file holds secrets."""
    return await through(store.log, "checkpoint", _create(store, up, contents, path))


async def _create(store: Any, up: Any, contents: Any, path: str) -> Any:
    passage = _looked()
    if passage is not None and passage.just_written(path):
        return await ready(up(contents, path))  # judged a moment ago, on its way to the disk
    source = Path(contents._get_os_path(path))
    if not source.exists():
        raise bad_request("There is no such file.", status=404, code="not-found")  # the platform blames permissions
    judgement = await _judge_file(store, source, "checkpoint", path, sole_copy=False)
    if judgement is None or not judgement.changed:
        return await ready(up(contents, path))
    target = store.checkpoint_path("checkpoint", path)
    await _put(store, Path(target), judgement.content, like=source)
    return await ready(store.checkpoint_model("checkpoint", target))


async def restore(store: Any, up: Any, contents: Any, checkpoint_id: str, path: str) -> Any:
    """Bring a checkpoint back, redacted where it holds secrets; the current file stays if it is refused."""
    return await through(store.log, "restore", _restore(store, up, contents, checkpoint_id, path))


async def _restore(store: Any, up: Any, contents: Any, checkpoint_id: str, path: str) -> Any:
    _looked()
    source = Path(store.checkpoint_path(checkpoint_id, path))
    if not source.is_file():
        store.no_such_checkpoint(path, checkpoint_id)
    judgement = await _judge_file(store, source, "restore", path, sole_copy=True)
    if judgement is None or not judgement.changed:
        return await ready(up(contents, checkpoint_id, path))
    target = Path(os.path.realpath(contents._get_os_path(path)))
    await _put(store, target, judgement.content, like=source)
    return None


async def rename(store: Any, up: Any, checkpoint_id: str, old_path: str, new_path: str) -> Any:
    """Take a checkpoint along to a file's new name, redacted; one that is refused stays behind under the old name."""
    return await through(store.log, "rename", _rename(store, up, checkpoint_id, old_path, new_path))


async def _rename(store: Any, up: Any, checkpoint_id: str, old_path: str, new_path: str) -> Any:
    old = Path(store.checkpoint_path(checkpoint_id, old_path))
    if old.is_file():
        try:
            judgement = await _judge_file(store, old, "rename", new_path, sole_copy=True)
        except Refusal as refusal:
            # The file itself has its new name by now; an error here would say that it has not.
            store.log.warning("jupyter_qguard: a checkpoint was not renamed along with its file (%s)", refusal.code)
            return None
        if judgement is not None and judgement.changed:
            await _put(store, Path(store.checkpoint_path(checkpoint_id, new_path)), judgement.content, like=old)
            with suppress(OSError):
                old.unlink()
            return None
    return await ready(up(checkpoint_id, old_path, new_path))


async def list_all(store: Any, up: Any, path: str) -> Any:
    """List checkpoints. Within a save a failure counts as none: the save itself is done by then."""
    passage = current()
    try:
        return await ready(up(path))
    except Exception as error:
        if passage is None or not passage.just_written(path):
            raise
        store.log.warning("jupyter_qguard: checkpoints cannot be listed (%s)", type(error).__name__)
        return []


async def create_notebook(store: Any, up: Any, nb: Any, path: str) -> Any:
    """Store a notebook model as a checkpoint."""
    _looked()
    judged = await _judge_model(store, {"type": "notebook", "format": "json", "content": nb}, path)
    return await ready(up(judged["content"], path))


async def create_file(store: Any, up: Any, content: Any, format: Any, path: str) -> Any:
    """Store a file model as a checkpoint."""
    _looked()
    judged = await _judge_model(store, {"type": "file", "format": format, "content": content}, path)
    return await ready(up(judged["content"], format, path))


async def create_unknown(store: Any, up: Any, contents: Any, path: str) -> Any:
    """Let a store that we cannot look into make a checkpoint, if the file as it stands needs no redaction."""
    return await through(store.log, "checkpoint", _create_unknown(store, up, contents, path))


async def _create_unknown(store: Any, up: Any, contents: Any, path: str) -> Any:
    _looked()
    model = await ready(contents.get(path))
    if await _judge_model(store, model, path) is not model:
        raise save_first()
    return await ready(up(contents, path))


async def restore_unknown(store: Any, up: Any, contents: Any, checkpoint_id: str, path: str) -> Any:
    """Refuse to restore from a store that we cannot look into: what it would write can be judged too late only."""
    _looked()
    if store.qguard_gate.mode == "enforce":
        raise Refusal(
            422,
            "Checkpoint not restored: this server's checkpoint store cannot be looked into.",
            hint="Ask whoever runs this server to keep checkpoints as files.",
            code="unproven",
        )
    return await ready(up(contents, checkpoint_id, path))


async def _judge_model(store: Any, model: dict[str, Any], path: str) -> dict[str, Any]:
    passage = current()
    if passage is not None and passage.just_written(path):
        return model
    request = store.qguard_gate.request("checkpoint", path, sole_copy=False)
    judged, judgement = await judge_model(store.qguard_gate, model, request, blocking=store.qguard_blocking)
    _tell(judgement)
    return judged


async def _judge_file(store: Any, file: Path, door: Door, path: str, *, sole_copy: bool) -> Judgement | None:
    """Return the judgement on a file's bytes; None where there is no such file (the platform then says so)."""
    gate, blocking = store.qguard_gate, store.qguard_blocking
    if not file.is_file():
        return None
    request = gate.request(door, path, sole_copy=sole_copy)
    try:
        judgement: Judgement = await gate.judge_file(file, request, blocking=blocking)
    except OSError as error:
        raise disk_error(error) from None
    _tell(judgement)
    return judgement


def _looked() -> Passage | None:
    """Tell a facade above that a guarded store has this in hand; return the passage."""
    passage = current()
    if passage is not None:
        passage.looked = True
    return passage


async def restore_generic(_store: Any, up: Any, *arguments: Any) -> Any:
    """Restore a model: it comes back through the manager's save door."""
    _looked()
    return await ready(up(*arguments))


def _tell(judgement: Judgement | None) -> None:
    passage = current()
    if passage is not None and judgement is not None:
        passage.said.append(judgement)


async def _put(store: Any, target: Path, data: bytes, *, like: Path) -> None:
    try:
        await store.qguard_gate.off_loop(lambda: swap_in(target, data, like=like), blocking=store.qguard_blocking)
    except OSError as error:
        raise disk_error(error) from None


def guard_checkpoints(base: type, gate: QGuardGate) -> type:
    """Return a guarded subclass of the checkpoints class ``base``."""
    is_async = inspect.iscoroutinefunction(base.create_checkpoint)  # type: ignore[attr-defined]
    doors: dict[str, DoorMethod]
    if issubclass(base, GenericCheckpointsMixin):
        doors = {
            "create_notebook_checkpoint": create_notebook,
            "create_file_checkpoint": create_file,
            "restore_checkpoint": restore_generic,
        }
        if issubclass(base, FileCheckpoints):
            doors["rename_checkpoint"] = rename
    elif issubclass(base, FileCheckpoints):
        doors = {"create_checkpoint": create, "restore_checkpoint": restore, "rename_checkpoint": rename}
    else:
        doors = {"create_checkpoint": create_unknown, "restore_checkpoint": restore_unknown}
    doors["list_checkpoints"] = list_all
    namespace = {"qguard_gate": gate, "qguard_blocking": not is_async, "qguard_base": base}
    return weave(base, GuardedCheckpoints, doors, namespace, is_async=is_async)
