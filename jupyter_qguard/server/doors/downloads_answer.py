"""One answer of the download door: what is sent of a file, with which headers, and what a browser may keep of it."""

from __future__ import annotations

import re
from collections.abc import Coroutine
from contextlib import aclosing, suppress
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import JupyterHandler
from tornado import web
from tornado.iostream import StreamClosedError

from jupyter_qguard.guard import Request
from jupyter_qguard.server.doors.downloads_judge import Downloads, State, Verdict, cannot_check, moving
from jupyter_qguard.server.doors.downloads_source import Changed, Source
from jupyter_qguard.server.doors.downloads_stream import PIECE, Cut, Stream, pieces
from jupyter_qguard.server.refusal import Refusal, disk_error
from jupyter_qguard.server.refusal_page import answer_refusal

_Handler: Any = JupyterHandler
_RANGE = re.compile(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", re.ASCII)
Part = tuple[int, int]


class Download(_Handler):  # type: ignore[misc]
    """What both kinds of ``/files`` have in common. ``downloads``: shared by all requests to one server."""

    downloads: Downloads
    _etag: str | None = None

    @web.authenticated
    @authorized
    async def head(self, path: str) -> None:
        """Answer as a GET would, without the body."""
        await self.guarded(self._serve(path, include_body=False))

    @web.authenticated
    @authorized
    async def get(self, path: str, include_body: bool = True) -> None:
        """Send a file."""
        await self.guarded(self._serve(path, include_body=include_body))

    async def _serve(self, path: str, *, include_body: bool) -> None:
        raise NotImplementedError  # by where the file is

    def compute_etag(self) -> str | None:
        """Return the validator of what is being sent: content, policy and rules are all in it."""
        return self._etag

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with a page for a browser and JSON for everybody else; a refusal in the error shape of all doors."""
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        if isinstance(error, Refusal):
            answer_refusal(self, error)
        else:
            self.set_header("Cache-Control", "no-store")
            super().write_error(status_code, **kwargs)

    async def guarded(self, way: Coroutine[Any, Any, None]) -> None:
        """Await an answer. The one outer ``try`` of this door: what is not known to be clean does not leave."""
        try:
            await way
        except StreamClosedError:
            return  # nobody is listening any more
        except Cut as cut:
            self._stop(cut.refusal)
        except Changed:
            self._stop(moving())
        except web.HTTPError as error:
            if isinstance(error, Refusal) and error.code == "scan-failed":
                error = cannot_check()
            self._stop(error)
        except Exception as error:
            answer: web.HTTPError = cannot_check()
            if isinstance(error, OSError) and (known := disk_error(error)).status_code != 500:
                answer = known
            self.log.error(
                "jupyter_qguard: the download door failed (%s); nothing was let through", type(error).__name__
            )
            self._stop(answer)

    def _stop(self, error: web.HTTPError) -> None:
        """Answer with an error, or cut the connection where a part has left already."""
        if not self._headers_written:
            raise error
        self.log.warning("jupyter_qguard: a download was cut (%s)", getattr(error, "code", error.status_code))
        with suppress(Exception):
            self.request.connection.stream.close()

    async def answer(self, source: Source, path: str, *, include_body: bool) -> None:
        """Send a file, or the part of it that is asked for. Raises Refusal, Cut, Changed, OSError."""
        downloads = self.downloads
        request = downloads.gate.request("download", path, sole_copy=False)
        # Without a cookie a token's user has a new random name at each request.
        group = "" if self.token_authenticated else request.who
        state = downloads.state(request.path)
        body: bytes | None = None
        stream: Stream | None = None
        verdict = downloads.known(source, request, state)
        if verdict is None and downloads.must_be_whole(source, request.path):
            verdict, body = await downloads.whole(source, request, state, group=group)
        elif verdict is not None:
            body = verdict.altered
            if include_body:
                await downloads.record(verdict, request, state, group=group)
        if verdict is None:
            verdict, stream = await self._opened(source, request, state, group)
        self._announce(verdict)
        if self._not_modified():
            self.set_status(304)
            return
        part = self._part(verdict.size)
        if part is None or not include_body:
            return
        if stream is not None:
            stream.limit(*part)
            await stream.send(self._send)
        elif body is not None:
            for at in range(part[0], part[1], PIECE):
                await self._send(body[at : min(at + PIECE, part[1])])
        else:
            async with aclosing(pieces(source, *part)) as parts:
                async for data in parts:
                    await self._send(data)

    async def _opened(self, source: Source, request: Request, state: State, group: str) -> tuple[Verdict, Stream]:
        stream = Stream(self.downloads, source, request, state, group=group)
        return await stream.open(), stream

    async def _send(self, data: bytes) -> None:
        self.write(data)
        await self.flush()

    def _announce(self, verdict: Verdict) -> None:
        """Set the headers of what is sent, which may not be what lies on the disk."""
        self._etag = verdict.etag if verdict.decision is not None else None
        self.set_own_headers()
        if verdict.altered is not None:
            self.set_header("Cache-Control", "no-store")
            for name in ("Last-Modified", "Expires"):
                self.clear_header(name)

    def set_own_headers(self) -> None:
        """Set what the handler below would set, the validator included."""
        self.set_header("Accept-Ranges", "bytes")
        self.set_etag_header()

    def _not_modified(self) -> bool:
        """Return whether the browser has just this: by our own validator alone.

        A time proves nothing: the file may be older than the guard, or than a change of policy. Nor does ``*``.
        """
        if self._etag is None:
            return False
        asked = re.findall(r'(?:W/)?("[^"]*")', self.request.headers.get("If-None-Match", ""))
        return self._etag in asked

    def _part(self, size: int) -> Part | None:
        """Return what is asked for as [start, end), with status and headers set; None where that does not exist.

        As tornado does it: several ranges, or something that is no range, mean all of it. ``If-Range`` is obeyed for
        our own validator alone, so that nobody glues two versions together.
        """
        part: Part = (0, size)
        asked = _RANGE.fullmatch(self.request.headers.get("Range", ""))
        condition = self.request.headers.get("If-Range")
        if asked and (asked[1] or asked[2]) and (condition is None or condition.strip() == self._etag):
            start, end = _bounds(asked[1], asked[2], size)
            if start >= end:
                self.set_status(416)
                self.set_header("Content-Type", "text/plain")
                self.set_header("Content-Range", f"bytes */{size}")
                return None
            part = (start, end)
        if part != (0, size):
            self.set_status(206)
            self.set_header("Content-Range", f"bytes {part[0]}-{part[1] - 1}/{size}")
        self.set_header("Content-Length", part[1] - part[0])
        return part

    async def off(self, path: str) -> bool:
        """Return whether the guard is switched off for a path, which is recorded once."""
        gate = self.downloads.gate
        if self.downloads.state(path.strip("/")).policy.mode != "off":
            return False
        request = gate.request("download", path, sole_copy=False)
        return (await gate.judge("bytes", b"", request, blocking=False)).mode == "off"


def _bounds(first: str, last: str, size: int) -> Part:
    """Return the [start, end) that a range asks for; an empty one where there is none."""
    if not first:
        count = int(last)
        return (max(0, size - count), size) if count else (0, 0)
    return int(first), min(size, int(last) + 1) if last else size
