"""Judge a contents model, whatever its type and format say."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import nbformat

from jupyter_qguard.guard import Judgement, Request
from jupyter_qguard.server.gate import QGuardGate
from jupyter_qguard.server.refusal import bad_request

_SMALL = 1_000_000
"""Characters of base64 that may be decoded on the event loop (about a millisecond)."""


async def judge_model(
    gate: QGuardGate, model: dict[str, Any], request: Request, *, blocking: bool
) -> tuple[dict[str, Any], Judgement | None]:
    """Return the model to write and the judgement on it (None for a folder).

    The model comes back as the same object where nothing was changed, else as a copy with new content.
    Raises Refusal: 400 for a model that is not what its type says, 422 or 503 from the guard.
    """
    kind = model.get("type")
    if kind == "directory":
        return model, None
    if kind is None:
        raise bad_request("No file type provided")
    if "content" not in model:
        raise bad_request("No file content provided")
    content = model["content"]
    if kind == "notebook":
        return await _notebook(gate, model, content, request, blocking)
    if kind != "file":
        raise bad_request("Unhandled contents type; it must be notebook, file or directory")
    if not isinstance(content, str):
        raise bad_request("The content of a file must be a text, plain or in base64")
    if model.get("format") == "text":
        judgement = await gate.judge("text", content, request, blocking=blocking)
        return _changed(model, judgement, judgement.content), judgement
    if model.get("format") == "base64":
        data = decode_base64(content) if len(content) < _SMALL else await _decode_aside(gate, content, blocking)
        judgement = await gate.judge("bytes", data, request, blocking=blocking)
        if not judgement.changed:
            return model, judgement
        return _changed(model, judgement, encode_base64(judgement.content)), judgement
    raise bad_request("Must specify format of file contents as 'text' or 'base64'")


async def _notebook(
    gate: QGuardGate, model: dict[str, Any], content: Any, request: Request, blocking: bool
) -> tuple[dict[str, Any], Judgement]:
    if not isinstance(content, dict):
        raise bad_request("The content of a notebook must be a JSON object")
    major, minor = content.get("nbformat"), content.get("nbformat_minor", 0)
    if major is not None and (type(major) is not int or major not in {3, 4} or type(minor) is not int):
        raise bad_request("The notebook's format version is not one that can be written (3 or 4); nothing was saved.")
    judgement = await gate.judge("notebook", content, request, blocking=blocking)
    new = judgement.content
    if judgement.changed and isinstance(content, nbformat.NotebookNode):
        # callers other than the handler read its keys as attributes
        new = nbformat.from_dict(new)  # type: ignore[no-untyped-call]
    return _changed(model, judgement, new), judgement


async def _decode_aside(gate: QGuardGate, content: str, blocking: bool) -> bytes:
    return await gate.off_loop(lambda: decode_base64(content), blocking=blocking)


def _changed(model: dict[str, Any], judgement: Judgement, content: Any) -> dict[str, Any]:
    return {**model, "content": content} if judgement.changed else model


def decode_base64(content: str) -> bytes:
    """Decode as jupyter_server does (``base64.decodebytes``): line breaks and foreign characters are skipped.

    Stricter decoding would judge other bytes than those that end up on the disk.
    """
    try:
        return base64.decodebytes(content.encode("ascii"))
    except (UnicodeError, binascii.Error, ValueError):
        raise bad_request("The content of this request is not valid base64; nothing was written.") from None


def encode_base64(data: bytes) -> str:
    """Encode as jupyter_server's own models are."""
    return base64.encodebytes(data).decode("ascii")
