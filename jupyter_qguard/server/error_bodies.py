"""Keep secrets out of error answers, whichever handler gives them.

One place for all: an output transform, first in line, looks at every answer with a status of 400 or more. Its body is
held until it is whole, cleaned, and sent with its right length. Everything below 400 passes untouched and unheld.
"""

from __future__ import annotations

import html
import json
import logging
from collections.abc import Callable
from http.client import responses
from typing import Any, Final

from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import OutputTransform, RequestHandler

from jupyter_qguard.server.clean_text import LONGEST, clean

MOST: Final = 1 << 20
"""Bytes of an error's body that are held and looked into; a longer one is replaced."""
TRACEBACK: Final = "A traceback is not sent; the server's log has it."
_NOT_SENT: Final = "The server answered with an error whose text could not be checked for secrets; it is not sent."
_LOG = logging.getLogger("jupyter_qguard")


class CleanErrors(OutputTransform):
    """Cleans the body of one error answer. Never raises: what cannot be checked is replaced by a fixed text."""

    def __init__(self, request: HTTPServerRequest) -> None:
        super().__init__(request)
        self._held: bytearray | None = None
        self._json = False
        self._over = False

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Hold or clean the beginning of an answer; the status stays, the length is made right."""
        if status_code < 400:
            return status_code, headers, chunk
        self._json = "json" in headers.get("Content-Type", "").lower()
        self._held = bytearray()
        body = self.transform_chunk(chunk, finishing)
        if not finishing:
            headers.pop("Content-Length", None)  # unknown by now: the body is still being made
        elif body is not chunk and "Content-Length" in headers:
            headers["Content-Length"] = str(len(body))
        return status_code, headers, body

    def transform_chunk(self, chunk: bytes, finishing: bool) -> bytes:
        """Hold a further piece of an error's body; hand out the clean whole with the last."""
        if self._held is None:
            return chunk
        if len(self._held) + len(chunk) > MOST:
            self._over = True
            self._held.clear()
        if not self._over:
            self._held += chunk
        if not finishing:
            return b""
        try:
            whole = bytes(self._held)
            body = _fixed(self._json) if self._over else _clean_body(whole, as_json=self._json)
        except Exception as error:  # its text may quote the body
            _LOG.error("jupyter_qguard: an error answer could not be checked (%s)", type(error).__name__)
            return _fixed(self._json)
        return chunk if body == chunk else body


def _clean_body(body: bytes, *, as_json: bool) -> bytes:
    if as_json or body[:1] in (b"{", b"["):  # some handlers forget to say that it is JSON
        try:
            value = json.loads(body)
        except ValueError:
            pass
        else:
            done = _clean_value(value)
            return body if done == value else json.dumps(done).encode()
    if len(body) > LONGEST:
        return _fixed(as_json)
    text = body.decode("utf-8", "surrogateescape")
    done = clean(text)
    if "&#" in done or "&quot;" in done:
        plain = html.unescape(done)
        if clean(plain) != plain:  # written with entities: there is no telling where in the page it begins
            return _fixed(as_json)
    return body if done == text else done.encode("utf-8", "surrogateescape")


def _clean_value(value: Any) -> Any:
    """Return a JSON value with its texts and keys cleaned, and tracebacks left out."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_clean_value(item) for item in value]
    if isinstance(value, dict):
        return {
            clean(key): TRACEBACK if key == "traceback" and item else _clean_value(item) for key, item in value.items()
        }
    return value


def _fixed(as_json: bool) -> bytes:
    if as_json:
        return json.dumps({"message": _NOT_SENT, "hint": "", "code": "unchecked-error", "reason": None}).encode()
    return _NOT_SENT.encode()


def clean_reason(status_code: int, reason: str | None) -> str | None:
    """Return the words of a status line; those that hold a secret, or cannot be checked, give way to the usual ones."""
    if reason is None:
        return None
    try:
        return reason if clean(reason) == reason else responses.get(status_code, "Error")
    except Exception:  # as everywhere: unchecked words do not go out
        return responses.get(status_code, "Error")


def install(web_app: Any) -> None:
    """Put the transform before all others (a compressed body could not be read) and watch status lines.

    tornado has no hook for the words of the status line, which handlers take from exceptions; so the one method that
    sets them is replaced.
    """
    if CleanErrors not in web_app.transforms:
        web_app.transforms.insert(0, CleanErrors)
    original: Callable[..., None] = RequestHandler.set_status
    if getattr(original, "qguard", False):
        return

    def set_status(self: Any, status_code: int, reason: str | None = None) -> None:
        original(self, status_code, clean_reason(status_code, reason) if status_code >= 400 else reason)

    set_status.qguard = True  # type: ignore[attr-defined]
    RequestHandler.set_status = set_status  # type: ignore[method-assign]
