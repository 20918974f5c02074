"""Refusals as HTTP errors. Their texts are fixed or made by the guard: nothing of the content is in them."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from typing import Any

from jupyter_server.services.contents.handlers import ContentsAPIHandler
from tornado.web import HTTPError

from jupyter_qguard.guard import Judgement
from jupyter_qguard.messages import SCAN_FAILED, SCAN_FAILED_HINT

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EROFS, errno.EACCES, errno.EPERM}


class Refusal(HTTPError):
    """An answer with ``message`` (shown to a person), ``hint`` and ``code``.

    The same findings give the same text, so that JupyterLab shows one dialog and not a pile (it compares texts).
    """

    def __init__(self, status: int, message: str, *, hint: str = "", code: str = "refused") -> None:
        text = f"{message} {hint}".strip()
        # tornado doubles percent signs in a message without arguments, so the plain text is held apart
        super().__init__(status, text.replace("%", "\N{FULLWIDTH PERCENT SIGN}"))
        self.text = text
        self.message = message
        self.hint = hint
        self.code = code


def refused(judgement: Judgement) -> Refusal:
    """Return the answer for a judgement that says no."""
    return Refusal(judgement.status, judgement.message, hint=judgement.hint, code=judgement.code or "refused")


def bad_request(message: str, *, status: int = 400, hint: str = "", code: str = "input") -> Refusal:
    """Return the answer for a request that cannot be carried out as it is. ``message`` quotes nothing."""
    return Refusal(status, message, hint=hint, code=code)


def not_judged() -> Refusal:
    """Return the fixed answer for everything unexpected."""
    return Refusal(503, SCAN_FAILED, hint=SCAN_FAILED_HINT, code="scan-failed")


def save_first() -> Refusal:
    """Return the answer for a checkpoint of a file that was dirty before, where none can be made of a redacted one."""
    return Refusal(
        422,
        "No checkpoint made: the file on disk holds secrets that were there before this guard.",
        hint="Save the file once (that redacts it), then try again.",
        code="save-first",
    )


_QUOTING = ("Unreadable Notebook", "does not appear to be JSON")
"""Beginnings of messages in which jupyter_server and nbformat quote the first characters of a file."""
UNREADABLE = "Unreadable Notebook: this file is not valid notebook JSON. Nothing of it is quoted here."
UNREADABLE_HINT = "Open it with the text editor to repair it."


def unreadable() -> Refusal:
    """Return the answer in place of Jupyter's, which quotes the first 77 characters of the file."""
    return Refusal(400, UNREADABLE, hint=UNREADABLE_HINT, code="unreadable-notebook")


def clean_error(error: HTTPError) -> HTTPError:
    """Return an error safe to send and log in place of one from the platform, whose text may quote content."""
    if isinstance(error, Refusal):
        return error
    text, reason = error.log_message or "", error.reason or ""
    if any(quoting in said for said in (text, reason) for quoting in _QUOTING):
        return unreadable()
    if text.startswith("Encoding error saving"):
        return bad_request("The content of this request cannot be encoded as its format says; nothing was written.")
    inside = error.__cause__ or error.__context__
    if error.status_code != 500:
        if reason and inside is not None and str(inside) and str(inside) in reason:
            error.reason = type(inside).__name__  # an exception's text may quote content, cut off anywhere
        return error
    return disk_error(inside)


def done_but() -> Refusal:
    """Return the answer for a failure after the file itself had been written."""
    return Refusal(500, "The file was saved, but a later step (a post-save hook, say) failed.", code="after-save")


def disk_error(cause: BaseException | None) -> Refusal:
    """Return the answer for a write that failed with ``cause``."""
    while isinstance(cause, FileNotFoundError) and isinstance(cause.__context__, Exception):
        cause = (
            cause.__context__
        )  # jupyter_server's clean-up after a failed write stumbles over the file that is not there
    number = getattr(cause, "errno", None)
    if number in _FULL:
        return Refusal(507, "The disk or quota is full: nothing was written.", code="disk-full")
    if number in _DENIED:
        return Refusal(403, "The file cannot be written here: permission denied or read-only.", code="denied")
    if number == errno.ENOENT:
        return Refusal(404, "The file or its folder does not exist.", code="not-found")
    if number in {errno.EISDIR, errno.ENOTDIR}:
        return bad_request("A folder stands where a file is meant, or the other way round; nothing was written.")
    if number == errno.ENAMETOOLONG:
        return Refusal(400, "The name of this file is too long.", code="input")
    if isinstance(cause, UnicodeError):
        return bad_request("The content holds characters that UTF-8 cannot store (lone surrogates); nothing was saved.")
    if isinstance(cause, RecursionError):
        return bad_request("The content is nested too deeply to be stored; nothing was saved.")
    if isinstance(cause, (TypeError, ValueError, KeyError, AttributeError)):
        return bad_request("The content of this request is not what its type says; nothing was saved.")
    return Refusal(500, "The file could not be written; nothing was changed.", code="write-failed")


def install_error_shape() -> None:
    """Make the contents routes answer a :class:`Refusal` in our one error shape.

    jupyter_server's JSON error has only ``message`` and ``reason``; there is no hook for more, so the method is
    replaced on the one base class of these routes. Every other error goes through the original unchanged.
    """
    original = ContentsAPIHandler.write_error
    if getattr(original, "qguard", False):
        return
    read = ContentsAPIHandler.get_json_body

    def write_error(self: Any, status_code: int, **kwargs: Any) -> None:
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        if isinstance(error, Refusal):
            write_refusal(self, error)
        else:
            original(self, status_code, **kwargs)

    def get_json_body(self: Any) -> Any:
        return checked_body(read, self)

    write_error.qguard = True  # type: ignore[attr-defined]
    ContentsAPIHandler.get_json_body = get_json_body  # type: ignore[method-assign]
    ContentsAPIHandler.write_error = write_error  # type: ignore[method-assign]


def checked_body(read: Callable[[Any], Any], handler: Any) -> Any:
    """Return a request's JSON body. Raises Refusal 400 where the platform would stumble over a type (500)."""
    try:
        body = read(handler)
    except UnicodeDecodeError:
        raise bad_request("The body of this request is not UTF-8 text.") from None
    if body is None:
        return None
    if not isinstance(body, dict):
        raise bad_request("The body of this request must be a JSON object.")
    for name in ("type", "format", "path", "copy_from", "ext"):
        if not isinstance(body.get(name, ""), str) and (body[name] is not None or name == "ext"):
            raise bad_request(f"The {name} in the body of this request must be a text.")
    return body


def write_refusal(handler: Any, error: Refusal) -> None:
    """Finish a request with the error shape of contract §6."""
    handler.set_header("Content-Type", "application/json")
    body = {"message": error.text, "hint": error.hint, "code": error.code, "reason": None}
    handler.finish(json.dumps(body))
