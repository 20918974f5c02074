"""The download door: ``/files/…`` and ``/view/…``, for any contents manager.

Built around the very handler that the contents manager would have used, so that paths, hidden files, content types and
headers stay that handler's; what is sent, and what a browser may keep, is decided here.
"""

from __future__ import annotations

import asyncio
import json
import mimetypes
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import JupyterHandler, path_regex
from jupyter_server.files.handlers import FilesHandler
from jupyter_server.utils import url_path_join
from jupyter_server.view.handlers import ViewHandler
from tornado import web

from jupyter_qguard.errors import QGuardError
from jupyter_qguard.server.doors import routes
from jupyter_qguard.server.doors.downloads_answer import Download
from jupyter_qguard.server.doors.downloads_judge import Downloads
from jupyter_qguard.server.doors.downloads_source import DiskFile, Made
from jupyter_qguard.server.doors.model import decode_base64

_FilesHandler: Any = FilesHandler
_ViewHandler: Any = ViewHandler


class DiskDownload(Download):
    """``/files`` of a manager that keeps plain files. Mixed with the handler that the manager configures."""

    async def _serve(self, path: str, *, include_body: bool) -> None:
        self.check_xsrf_cookie()
        if path.endswith(".ipynb") or self.get_argument("download", None):
            self.set_attachment_header(path.rsplit("/", 1)[-1])
        if "\0" in path:
            raise web.HTTPError(404)
        self.path = self.parse_url_path(path)
        found = self.validate_absolute_path(self.root, self.get_absolute_path(self.root, self.path))
        if found is None:
            return
        self.absolute_path = found
        private = self.downloads.gate.private
        if private is not None and (found + "/").startswith(str(private.resolve()) + "/"):
            raise web.HTTPError(404)
        if await self.off(path):
            await ensure_async(self.plain.get(self, path, include_body=include_body))
            return
        source = DiskFile(found)
        try:
            self.modified = self.get_modified_time()
            await self.answer(source, path, include_body=include_body)
        finally:
            source.close()

    def set_own_headers(self) -> None:
        """Set the headers of the handler below."""
        self.set_headers()

    plain: Any


class ApiDownload(Download, _FilesHandler):  # type: ignore[misc]
    """``/files`` of any other manager, through its contents API."""

    def initialize(self, **_: Any) -> None:
        """Take no parameters: nothing is read from a folder."""

    async def _serve(self, path: str, *, include_body: bool) -> None:
        self.check_xsrf_cookie()
        if "\0" in path:
            raise web.HTTPError(404)
        if await self.off(path):
            await _FilesHandler.get(self, path, include_body=include_body)
            return
        manager = self.contents_manager
        if not manager.allow_hidden and await ensure_async(manager.is_hidden(path)):
            self.log.info("Refusing to serve hidden file, via 404 Error")
            raise web.HTTPError(404)
        path = path.strip("/")
        name = path.rsplit("/", 1)[-1]
        model = await ensure_async(manager.get(path, type="file", content=True))
        if self.get_argument("download", None):
            self.set_attachment_header(name)
        self.set_header("Content-Type", _content_type(name, model))
        source = await asyncio.to_thread(lambda: Made(_bytes_of(model)))
        await self.answer(source, path, include_body=include_body)


def _bytes_of(model: dict[str, Any]) -> bytes:
    content = model.get("content")
    if isinstance(content, str):
        if model.get("format") == "base64":
            return decode_base64(content)
        return content.encode("utf-8", "surrogatepass")
    if model.get("type") == "directory":
        raise web.HTTPError(400, "This is a directory, not a file")
    return json.dumps(content, indent=1, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _content_type(name: str, model: dict[str, Any]) -> str:
    """Return the type that jupyter_server's own handler for such managers would send."""
    if name.lower().endswith(".ipynb"):
        return "application/x-ipynb+json"
    kind, encoding = mimetypes.guess_type(name)
    if encoding == "gzip":
        return "application/gzip"
    if encoding is not None:
        return "application/octet-stream"
    if kind is not None and kind != "text/plain":
        return kind
    if kind is None and model.get("format") == "base64":
        return "application/octet-stream"
    return "text/plain; charset=UTF-8"


class View(_ViewHandler):  # type: ignore[misc]
    """``/view``: a page with a frame around ``/files``, which is where content is judged."""

    @web.authenticated
    @authorized
    async def get(self, path: str) -> None:
        """Send the page."""
        if "\0" in path:
            raise web.HTTPError(404)
        await _ViewHandler.get(self, path)


def install(app: Any, gate: Any) -> None:
    """Answer ``/files``, ``/view`` and every other route by which the contents manager serves files.

    Raises QGuardError where a manager brings routes that cannot be read.
    """
    downloads = Downloads(gate)
    base = app.web_app.settings["base_url"]
    manager = app.contents_manager
    handlers: list[tuple[Any, ...]] = [(url_path_join(base, f"/view{path_regex}"), View)]
    for pattern, handler, *params in manager.get_extra_handlers():
        given = params[0] if params and params[0] else {}
        guarded = guard_handler(handler, given, downloads, usual=manager.files_handler_class)
        if guarded is None:
            gate.close(f"The contents manager answers {pattern} by itself, which is not guarded.")
            continue
        handlers.append((url_path_join(base, pattern), *guarded))
    routes.shadow(app, handlers)


def guard_handler(
    handler: Any, params: dict[str, Any], downloads: Downloads, *, usual: Any
) -> tuple[type, dict[str, Any]] | None:
    """Return the guarded handler and its parameters for one of a manager's; None for one of another kind."""
    on_disk = issubclass(handler, web.StaticFileHandler) and not issubclass(handler, FilesHandler)
    if on_disk and issubclass(handler, JupyterHandler) and "path" in params:
        return type("GuardedFiles", (DiskDownload, handler), {"downloads": downloads, "plain": handler}), params
    if issubclass(handler, FilesHandler) or handler is usual:
        return type("GuardedFiles", (ApiDownload,), {"downloads": downloads}), {}
    return None


def check_routes(app: Any) -> None:
    """Raise QGuardError unless the live router still leads downloads to us."""
    base = app.web_app.settings["base_url"]
    for path, ours in (("files/a.ipynb", Download), ("files/a/b.txt", Download), ("view/a.html", View)):
        if path.startswith("files") and not app.contents_manager.get_extra_handlers():
            continue  # this server has no downloads at all
        handler = routes.answering(app, url_path_join(base, path))
        if handler is None or not issubclass(handler, ours):
            raise QGuardError(
                f"another extension answers /{path.split('/')[0]}.", "`jupyter server extension list` shows them."
            )
