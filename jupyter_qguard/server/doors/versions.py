"""The manager's side of the checkpoint and restore doors.

Most managers hand both on to their checkpoint store, which is guarded by itself. A facade hands them on to one of the
managers inside it. A manager that does neither is looked after: what it would keep, or has brought back, is read
through it and judged.
"""

from __future__ import annotations

from typing import Any

from tornado.web import HTTPError

from jupyter_qguard.server.doors.inner import adopt, inner_managers
from jupyter_qguard.server.doors.model import judge_model
from jupyter_qguard.server.doors.passage import Passage, current, passing, through
from jupyter_qguard.server.doors.reading import refuse_private
from jupyter_qguard.server.refusal import Refusal, save_first
from jupyter_qguard.server.worker import ready


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
    adopt(manager)
    with passing(Passage("checkpoint", path.strip("/"), sole_copy=False)) as passage:
        own = manager.qguard_own_checkpoints
        facade = own and any(True for _ in inner_managers(manager))
        if own and not facade and await _holds_secrets(manager, path):
            raise save_first()
        reply = await ready(up(path))
        if facade and not passage.looked and await _holds_secrets(manager, path):
            # No guarded store took part, so what was kept is the file as it stands.
            if isinstance(reply, dict) and "id" in reply:
                await ready(manager.delete_checkpoint(reply["id"], path))
            raise save_first()
        return reply


async def _holds_secrets(manager: Any, path: str) -> bool:
    """Return whether the file would be changed if it were kept now. Raises Refusal where it would be refused."""
    model = await ready(manager.get(path))
    request = manager.qguard_gate.request("checkpoint", path, sole_copy=False)
    judged, _ = await judge_model(manager.qguard_gate, model, request, blocking=manager.qguard_blocking)
    return judged is not model


async def restore_checkpoint(manager: Any, up: Any, checkpoint_id: str, path: str) -> Any:
    """Restore a checkpoint; what it would bring back is judged first, or at once where nobody can look before."""
    return await through(manager.log, "restore", _restore_checkpoint(manager, up, checkpoint_id, path))


async def _restore_checkpoint(manager: Any, up: Any, checkpoint_id: str, path: str) -> Any:
    refuse_private(manager, path)
    adopt(manager)
    with passing(Passage("restore", path.strip("/"), sole_copy=True)) as passage:
        before = await _now(manager, path) if manager.qguard_own_checkpoints else None
        reply = await ready(up(checkpoint_id, path))
        if manager.qguard_own_checkpoints and not passage.looked:
            await _judge_restored(manager, path, before)
        return reply


async def _now(manager: Any, path: str) -> dict[str, Any] | None:
    """Return the file as it stands, or None where there is none or it cannot be read."""
    try:
        model: dict[str, Any] = await ready(manager.get(path))
    except HTTPError:
        return None
    return model


async def _judge_restored(manager: Any, path: str, before: dict[str, Any] | None) -> None:
    """Save what was brought back redacted; where that is refused, put the former content back in its place."""
    model = await ready(manager.get(path))
    request = manager.qguard_gate.request("restore", path, sole_copy=True)
    try:
        judged, judgement = await judge_model(manager.qguard_gate, model, request, blocking=manager.qguard_blocking)
        if judgement is not None and judgement.changed:
            await ready(manager.save(judged, path))
    except Refusal:
        if before is not None:
            await ready(manager.save(before, path))
        raise
