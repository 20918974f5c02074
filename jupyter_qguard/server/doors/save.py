"""The save door."""

from __future__ import annotations

from typing import Any

from jupyter_qguard.server.doors.hooks import hooks_of, run_hooks
from jupyter_qguard.server.doors.inner import adopt
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
    adopt(manager)
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
    if outer is not None and _just_judged(manager, model, outer):
        judged, judgement = model, None
    else:
        request = manager.qguard_gate.request(passage.door, path, sole_copy=passage.sole_copy)
        judged, judgement = await judge_model(manager.qguard_gate, model, request, blocking=manager.qguard_blocking)
    passage.judged = judged
    passage.hooked.extend(hooks_of(manager))
    if judgement is not None:
        passage.said.append(judgement)
        if outer is not None:
            outer.said.append(judgement)
    with passing(passage), after_the_write(passage):
        reply = await ready(up(judged, path))
    return attach(reply, passage.said)


def _just_judged(manager: Any, model: dict[str, Any], outer: Passage) -> bool:
    """Return whether a facade hands on what it has judged, and nobody could change it in between."""
    if outer.judged is None or any(hook not in outer.hooked for hook in hooks_of(manager)):
        return False
    same = ("type", "format")
    return model.get("content") is outer.judged.get("content") and all(
        model.get(key) == outer.judged.get(key) for key in same
    )


async def _passage_for(manager: Any, model: dict[str, Any], path: str, outer: Passage | None) -> Passage:
    if outer is not None:  # a copy or a restore saves through here
        return Passage(outer.door, path, outer.sole_copy, hooked=list(outer.hooked))
    if model.get("format") == "base64" and not await ready(manager.file_exists(path)):
        return Passage("upload", path, sole_copy=False)
    return Passage("save", path, sole_copy=True)
