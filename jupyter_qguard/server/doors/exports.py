"""The export door: ``GET`` and ``POST /nbconvert/<format>``, in front of jupyter_server's own handlers.

Made after ``jupyter_server/nbconvert/handlers.py`` (2.21.1): for a clean notebook the answer is the same byte for byte
and header for header. What differs: what is judged, that an exporter which fails is told of in a sentence (422, not a
500 with its text), and that its work has an end.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from os.path import basename, split, splitext
from typing import Any, TypeVar

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import FilesRedirectHandler, JupyterHandler, path_regex
from jupyter_server.nbconvert.handlers import NbconvertFileHandler, NbconvertPostHandler, date_format
from jupyter_server.utils import url_path_join
from nbformat import from_dict
from tornado import web

from jupyter_qguard.errors import QGuardError
from jupyter_qguard.guard import Request
from jupyter_qguard.messages import SCAN_FAILED_HINT
from jupyter_qguard.render import core, exporters
from jupyter_qguard.render.failures import ExportRefused, NoExporter
from jupyter_qguard.server.doors.routes import answering, shadow
from jupyter_qguard.server.gate import QGuardGate
from jupyter_qguard.server.refusal import Refusal, bad_request, checked_body, clean_error, refused
from jupyter_qguard.server.refusal_page import answer_refusal
from jupyter_qguard.server.worker import OutOfTime, Stopped

T = TypeVar("T")
CANNOT = "jupyter-qguard could not check this export, so nothing of it was sent."
_NO_STORE = "no-store, no-cache, must-revalidate, max-age=0"
POSTED = "notebook.ipynb"
"""The path that policy judges a posted notebook as: it has none, and must not choose a lenient one for itself."""
_FORMAT = r"(?P<format>\w+)"


class Exporting:
    """What both handlers do. Mixed into jupyter_server's own, whose resource name and headers they keep."""

    gate: QGuardGate

    def initialize(self, gate: QGuardGate) -> None:
        """Take the gate of this server."""
        self.gate = gate

    async def guarded(self: Any, way: Coroutine[Any, Any, None]) -> None:
        """Await an answer. The one outer ``try`` of this door: nothing is sent before all of it has been judged."""
        try:
            await way
        except web.HTTPError:
            raise
        except Exception as error:  # its text may quote the notebook
            name = type(error).__name__
            self.gate.log.error("jupyter_qguard: the export door failed (%s); nothing was sent", name)
            raise Refusal(503, CANNOT, hint=SCAN_FAILED_HINT, code="scan-failed") from None

    async def _export(self: Any, exporter: Any, notebook: Any, resources: Any, request: Request, to: str) -> Any:
        """Return (output, resources), judged. Raises Refusal."""
        gate = self.gate
        executed = core.executes(exporter)
        if executed:
            notebook, resources = await self._work(lambda: core.execute(exporter, notebook, resources, to=to))
        first = await gate.judge("notebook", notebook, request, blocking=False)
        made, found = await self._work(
            lambda: core.render(exporter, core.taken(notebook, first), resources, to=to, executed=executed)
        )
        parts = _or_refuse(lambda: core.parts_of(made, found, base="export", exporter=exporter, to=to))
        judged = [await gate.judge_rendered(part.content, part.name, request) for part in parts]
        names = core.names_of(found)
        if names:
            verdict = await gate.judge_rendered(names, "names.txt", request)
            _or_refuse(lambda: core.judge_names(verdict))
        return core.put_back(parts, [judgement.content for judgement in judged], found), found

    async def _work(self: Any, job: Callable[[], T]) -> T:
        """Let an exporter work in a thread. Raises Refusal, also when it does not come to an end."""
        gate = self.gate
        try:
            return await gate.exporters.run(job, seconds=gate.export_seconds, blocking=False)  # type: ignore[no-any-return]
        except OutOfTime:
            gate.log.error("jupyter_qguard: an export ran out of time")
            message = "Not exported: the exporter took too long."
            raise Refusal(503, message, hint="Try again, or choose another format.", code="timeout") from None
        except Stopped as error:
            message = f"Not exported: the exporter stopped with {error}."
            raise Refusal(422, message, hint="Choose another format.", code="export-failed") from None
        except QGuardError as error:
            gate.log.warning("jupyter_qguard: %s", error.message)
            raise refusal_for(error) from None

    async def _exporter(self: Any, name: str, **arguments: Any) -> Any:
        """Return an exporter; importing and constructing one takes a second the first time."""
        return await self._work(lambda: exporters.find(name, **arguments))

    async def _zip(self: Any, name: str, output: str | bytes, resources: Any) -> bool:
        """Answer with a zip of the output and its extracted files; False, and nothing done, where there are none."""
        files = resources.get("outputs", None)
        if not files:
            return False
        stem = splitext(name)[0]  # noqa: PTH122  (as upstream: a name, not a path)
        extension = str(resources.get("output_extension") or "")
        packed = await self._work(lambda: _packed(stem + extension, output, files))
        self.set_attachment_header(stem + ".zip")
        self.set_header("Content-Type", "application/zip")
        self.set_header("Cache-Control", _NO_STORE)
        self.finish(packed)
        return True

    def write_error(self: Any, status_code: int, **kwargs: Any) -> None:
        """Answer a refusal as our page or as JSON, anything else as Jupyter does."""
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        if isinstance(error, Refusal):
            answer_refusal(self, error)
        else:
            JupyterHandler.write_error(self, status_code, **kwargs)


class ExportHandler(Exporting, NbconvertFileHandler):
    """``GET /nbconvert/<format>/<path>``: Save and Export As."""

    @web.authenticated
    @authorized
    async def get(self, format: str, path: str) -> None:
        """Answer with a notebook of the contents manager in another format (``download``, ``sanitize_html``)."""
        await self.guarded(self._get(format, path))

    async def _get(self, format: str, path: str) -> None:
        self.check_xsrf_cookie()
        exporter = await self._exporter(format, config=self.config, log=self.log)
        if format == "html":
            sanitize = self.get_argument("sanitize_html", None)
            if sanitize is not None:
                exporter.sanitize_html = sanitize.lower() == "true"
        path = path.strip("/")
        folder = None
        if hasattr(self.contents_manager, "_get_os_path"):
            folder = split(self.contents_manager._get_os_path(path))[0]
        try:
            manager: Any = self.contents_manager
            model = await ensure_async(manager.get(path=path))
        except web.HTTPError as error:
            raise clean_error(error) from None
        name = model["name"]
        if model["type"] != "notebook":
            await FilesRedirectHandler.redirect_to_files(self, path)
            return
        changed = when(model["last_modified"])
        self.set_header("Last-Modified", changed)
        resources: dict[str, Any] = {
            "metadata": {
                "name": splitext(name)[0],  # noqa: PTH122
                "modified_date": changed.strftime(date_format),
            },
            "config_dir": self.application.settings["config_dir"],
        }
        if folder:
            resources["metadata"]["path"] = folder
        request = self.gate.request("export", path, sole_copy=False)
        output, resources = await self._export(exporter, model["content"], resources, request, format)
        if await self._zip(name, output, resources):
            return
        if self.get_argument("download", "false").lower() == "true":
            self.set_attachment_header(splitext(name)[0] + str(resources.get("output_extension") or ""))  # noqa: PTH122
        if exporter.output_mimetype:
            self.set_header("Content-Type", f"{exporter.output_mimetype}; charset=utf-8")
        self.set_header("Cache-Control", _NO_STORE)
        self.finish(output)


class ExportPostHandler(Exporting, NbconvertPostHandler):
    """``POST /nbconvert/<format>``: converts the notebook in the body."""

    @web.authenticated
    @authorized
    async def post(self, format: str) -> None:
        """Answer with the notebook in the body (``{"name"?, "content"}``) in another format."""
        await self.guarded(self._post(format))

    async def _post(self, format: str) -> None:
        model = checked_body(JupyterHandler.get_json_body, self)
        if model is None:
            raise bad_request('The body of this request must be {"content": a notebook, "name"?: text}.')
        name = model.get("name", POSTED)
        if not isinstance(name, str):
            raise bad_request("The name in the body of this request must be a text.")
        exporter = await self._exporter(format, config=self.config)
        notebook = await self._work(lambda: _node(model.get("content")))
        request = self.gate.request("export", POSTED, sole_copy=False)
        named = await self.gate.judge_rendered(name, "name.txt", request)
        if named.changed:
            raise bad_request("The name in the body of this request holds a secret.", status=422, code="blocked")
        resources = {
            "metadata": {"name": name[: name.rfind(".")]},
            "config_dir": self.application.settings["config_dir"],
        }
        output, found = await self._export(exporter, notebook, resources, request, format)
        if await self._zip(name, output, found):
            return
        if exporter.output_mimetype:
            self.set_header("Content-Type", f"{exporter.output_mimetype}; charset=utf-8")
        self.finish(output)


def install(app: Any, gate: QGuardGate) -> None:
    """Stand in front of jupyter_server's export routes, and see that the live router agrees."""
    base = app.web_app.settings["base_url"]
    shadow(
        app,
        [
            (url_path_join(base, "nbconvert", _FORMAT), ExportPostHandler, {"gate": gate}),
            (url_path_join(base, "nbconvert", _FORMAT) + path_regex, ExportHandler, {"gate": gate}),
        ],
    )
    check_routes(app)


def check_routes(app: Any) -> None:
    """Raise QGuardError unless the live router still leads exports to us."""
    base = app.web_app.settings["base_url"]
    for path, ours in (("nbconvert/html/a.ipynb", ExportHandler), ("nbconvert/html", ExportPostHandler)):
        handler = answering(app, url_path_join(base, path))
        if handler is None or not issubclass(handler, ours):
            raise QGuardError("another extension answers /nbconvert.", "`jupyter server extension list` shows them.")


def refusal_for(error: QGuardError) -> Refusal:
    """Return the HTTP answer for an export that did not happen. 404 for a format that there is not."""
    if isinstance(error, ExportRefused):
        return refused(error.judgement)
    status = 404 if isinstance(error, NoExporter) else 422
    return Refusal(status, error.message, hint=error.hint, code=error.code)


def _or_refuse(job: Callable[[], T]) -> T:
    try:
        return job()
    except QGuardError as error:
        raise refusal_for(error) from None


def _node(content: Any) -> Any:
    """Return the notebook in a request's body. Raises Refusal 400 for what is none of nbformat 4."""
    if not isinstance(content, dict):
        raise bad_request("The content in the body of this request must be a notebook (a JSON object).")
    if content.get("nbformat", 4) != 4 or not isinstance(content.get("cells", []), list):
        raise bad_request("The notebook in the body of this request is not of format 4; open and save it in Jupyter.")
    try:
        return from_dict(content)  # type: ignore[no-untyped-call]
    except RecursionError:
        raise bad_request("The notebook in the body of this request is nested too deeply.") from None


def _packed(name: str, output: str | bytes, files: Any) -> bytes:
    """Return a zip with the output and its files, as jupyter_server packs them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, mode="w", compression=zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, output)
        for path, data in files.items():
            archive.writestr(basename(path), data)  # noqa: PTH119  (a name in a zip)
    return buffer.getvalue()


def when(given: Any) -> datetime:
    """Return a model's time. Some managers (jupyter-fs') give it as text, with which jupyter_server answers 500."""
    if isinstance(given, datetime):
        return given
    try:
        return datetime.fromisoformat(given)
    except (TypeError, ValueError):
        return datetime.now(UTC)
