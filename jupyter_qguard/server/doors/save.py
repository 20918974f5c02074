"""The save door, and the manager's side of the checkpoint and restore doors."""

from __future__ import annotations

from typing import Any

from jupyter_qguard.server.doors.hooks import run_hooks
from jupyter_qguard.server.doors.model import judge_model
from jupyter_qguard.server.doors.passage import Passage, after_the_write, attach, current, passing, through
from jupyter_qguard.server.doors.reading import refuse_private
from jupyter_qguard.server.doors.upload import receive
from jupyter_qguard.server.refusal import bad_request
from jupyter_qguard.server.worker import ready


async def save(manager: Any, up: Any, model: Any, path: str = "") -> Any:
    """Save a file or directory model; what is written has been judged after every hook.

    The reply's ``qguard`` entry says what was changed. Raises HTTPError: 400 for a model that is not what its type
    says, 422 when policy says no, 503 when it could not be judged; then nothing has been written.
    """
    return await through(manager.log, "save", _save(manager, up, model, path))


async def _save(manager: Any, up: Any, model: Any, path: Any) -> Any:
    if not isinstance(model, dict) or not isinstance(path, str):
        raise bad_request("The body of this request must be a JSON object that describes a file")
    path = path.strip("/")
    refuse_private(manager, path)
    if model.get("chunk") is not None:
        return await receive(manager, up, model, path)
    model = dict(model)
    model.pop("message", None)  # what a reply says; the platform would send back whatever came in
    run_hooks(manager, model, path)
    return await write_model(manager, up, model, path)


async def write_model(manager: Any, up: Any, model: dict[str, Any], path: str) -> Any:
    """Judge a whole model and hand it on to the manager's own save."""
    outer = current()
    passage = await _passage_for(manager, model, path, outer)
    request = manager.qguard_gate.request(passage.door, path, sole_copy=passage.sole_copy)
    judged, judgement = await judge_model(manager.qguard_gate, model, request, blocking=manager.qguard_blocking)
    passage.judged = judged
    if judgement is not None:
        passage.said.append(judgement)
        if outer is not None:
            outer.said.append(judgement)
    with passing(passage), after_the_write(passage):
        reply = await ready(up(judged, path))
    return attach(reply, passage.said)


async def _passage_for(manager: Any, model: dict[str, Any], path: str, outer: Passage | None) -> Passage:
    if outer is not None:  # a copy or a restore saves through here
        return Passage(outer.door, path, outer.sole_copy)
    if model.get("format") == "base64" and not await ready(manager.file_exists(path)):
        return Passage("upload", path, sole_copy=False)
    return Passage("save", path, sole_copy=True)


async def create_checkpoint(manager: Any, up: Any, path: str) -> Any:
    """Make a checkpoint. Right after a save of the same file its content has been judged already."""
    passage = current()
    if passage is not None and passage.just_written(path):
        try:
            return await ready(up(path))
        except Exception as error:
            # The save is done and stays done: no checkpoint is a lesser harm than a failed save that was none.
            manager.log.warning("No first checkpoint of %s could be made (%s)", path, type(error).__name__)
            return None
    return await through(manager.log, "checkpoint", _create_checkpoint(manager, up, path))


async def _create_checkpoint(manager: Any, up: Any, path: str) -> Any:
    refuse_private(manager, path)
    with passing(Passage("checkpoint", path.strip("/"), sole_copy=False)):
        return await ready(up(path))


async def restore_checkpoint(manager: Any, up: Any, checkpoint_id: str, path: str) -> Any:
    """Restore a checkpoint; what it would bring back is judged first."""
    return await through(manager.log, "restore", _restore_checkpoint(manager, up, checkpoint_id, path))


async def _restore_checkpoint(manager: Any, up: Any, checkpoint_id: str, path: str) -> Any:
    refuse_private(manager, path)
    with passing(Passage("restore", path.strip("/"), sole_copy=True)):
        return await ready(up(checkpoint_id, path))
