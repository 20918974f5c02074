"""What is read keeps its upstream behaviour, except that errors and messages quote nothing of a file.

The guard's own folder (record, kept values) is not served when it lies inside the server's root.
"""

from __future__ import annotations

from contextvars import ContextVar
from pathlib import Path
from typing import Any

from nbformat import ValidationError
from tornado.web import HTTPError

from jupyter_qguard.server.doors.passage import through
from jupyter_qguard.server.refusal import clean_error
from jupyter_qguard.server.worker import ready

_inside_get: ContextVar[bool] = ContextVar("qguard_inside_get", default=False)
_HIDDEN = {"qguard_hidden": True}


async def get(manager: Any, up: Any, path: str, *arguments: Any, **named: Any) -> Any:
    """Return a model as ever. An unreadable notebook is not quoted in the error."""
    if is_private(manager, path):
        if _inside_get.get():
            return dict(_HIDDEN)  # an entry of a listing, taken out below
        raise HTTPError(404, "No such file or directory")
    token = _inside_get.set(True)
    try:
        model = await ready(up(path, *arguments, **named))
    except HTTPError as error:
        raise clean_error(error) from None
    finally:
        _inside_get.reset(token)
    if isinstance(model, dict) and isinstance(model.get("content"), list):
        model["content"] = [entry for entry in model["content"] if entry != _HIDDEN]
    return model


async def delete(manager: Any, up: Any, path: str) -> Any:
    """Delete as ever, but not the guard's own folder."""
    refuse_private(manager, path)
    return await through(manager.log, "delete", _call(up, path))


async def _call(function: Any, *arguments: Any) -> Any:
    """Call ``function`` and await what it returns, if that can be awaited."""
    return await ready(function(*arguments))


def is_private(manager: Any, path: Any) -> bool:
    """Return whether an API path is the guard's data folder or lies in it."""
    prefix = _private_prefix(manager)
    if prefix is None or not isinstance(path, str):
        return False
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    return parts[: len(prefix)] == prefix


def refuse_private(manager: Any, path: Any) -> None:
    """Raise 404 for the guard's own folder, as jupyter_server does for hidden ones."""
    if is_private(manager, path):
        raise HTTPError(404, "No such file or directory")


def _private_prefix(manager: Any) -> tuple[str, ...] | None:
    """Return the guard's data folder as parts of an API path, or None where it is not under the manager's root."""
    data = manager.qguard_gate.private
    if data is None or not manager.qguard_files:
        return None
    key = (str(data), manager.root_dir)
    known = manager.__dict__.get("_qguard_private")
    if known is None or known[0] != key:
        prefix: tuple[str, ...] | None
        try:
            prefix = Path(data).resolve().relative_to(Path(manager.root_dir).resolve()).parts or None
        except (ValueError, OSError):
            prefix = None
        known = manager.__dict__["_qguard_private"] = (key, prefix)
    found: tuple[str, ...] | None = known[1]
    return found


def validate(parent: Any, model: dict[str, Any], validation_error: Any) -> dict[str, Any]:
    """Run the manager's own validation, then replace its message, which holds the failing part of the notebook."""
    before = model.get("message")
    parent.validate_notebook_model(model, validation_error)
    message = model.get("message")
    if message is not None and message is not before:
        failure = (validation_error or {}).get("ValidationError") if isinstance(validation_error, dict) else None
        model["message"] = _validation_message(failure)
    return model


def _validation_message(failure: Any) -> str:
    text = "Notebook validation failed"
    if isinstance(failure, ValidationError):
        # Only numbers and the format's own words: other keys and every value are content.
        known = {"cells", "outputs", "metadata", "source", "data", "attachments", "worksheets", "nbformat", "id"}
        place = [str(part) for part in failure.absolute_path if isinstance(part, int) or part in known]
        text += f" at {'/'.join(place)}" if place else ""
        if str(failure.validator).isalpha():
            text += f" (rule: {failure.validator})"
    return text + ". The file was written as it is; some programs may not open it."
