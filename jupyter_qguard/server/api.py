"""The routes under ``qguard/api`` (contract §6): how the guard is doing, what it decided, what it would say."""

from __future__ import annotations

import json
from http.client import responses
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

from jupyter_qguard import __version__
from jupyter_qguard.errors import QGuardError
from jupyter_qguard.server.gate import QGuardGate
from jupyter_qguard.server.refusal import Refusal, bad_request, checked_body, not_judged, write_refusal
from jupyter_qguard.server.worker import OutOfTime

SCAN_BYTES = 10 * 2**20
DECISIONS = 100


class QGuardHandler(APIHandler):
    """Base of our routes: resource ``qguard``, one error shape."""

    auth_resource = "qguard"

    def initialize(self, gate: QGuardGate) -> None:
        """Take the gate of this server."""
        self.gate = gate

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer every error as ``{"message", "hint", "code"}``."""
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        if not isinstance(error, Refusal):
            message = error.log_message if isinstance(error, web.HTTPError) else None
            message = message or f"This request could not be answered: {responses.get(status_code, 'unknown error')}."
            error = Refusal(status_code, message, code=f"http-{status_code}")
        write_refusal(self, error)

    def answer(self, body: Any) -> None:
        """Finish with JSON that no proxy or browser keeps."""
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(body))


class HealthHandler(QGuardHandler):
    """``GET qguard/api/health``."""

    _track_activity = False

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Return status, doors and problems."""
        gate = self.gate
        if getattr(gate.guard.policies, "pause_over", None) is not None:
            await gate.off_loop(gate.end_pause, blocking=False)
        self.answer(
            {
                "status": gate.status(),
                "version": __version__,
                "policy_digest": str(getattr(gate.guard.policies, "digest", "")),
                "doors": dict(gate.doors),
                "problems": gate.all_problems,
                "notices": gate.notices,
            }
        )


class PolicyHandler(QGuardHandler):
    """``GET qguard/api/policy[?path=P]``."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Return the effective policy of the root or a path, and where each value came from."""
        path = self.get_query_argument("path", "")
        await check_readable(self, path)
        policy: Any = self.gate.guard.policies.effective(path or "x")
        rows = [
            {
                "setting": row.setting,
                "value": row.value,
                "source": row.where,
                "floor": row.floor,
                "who": row.who,
                "note": row.note,
            }
            for row in policy.explain()
        ]
        self.answer(
            {
                "path": path,
                "mode": policy.mode,
                "on_failure": policy.on_failure,
                "policy_digest": policy.digest,
                "settings": rows,
                "problems": list(getattr(self.gate.guard.policies, "problems", ())),
                "notices": list(getattr(self.gate.guard.policies, "notices", ())),
            }
        )


class DecisionsHandler(QGuardHandler):
    """``GET qguard/api/decisions?path=P``."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Return the last decisions on a path that the caller may read, newest first."""
        path = self.get_query_argument("path").strip("/")
        await check_readable(self, path)
        ledger: Any = self.gate.guard.ledger
        try:
            events = await self.gate.off_loop(lambda: ledger.decisions(path=path, limit=DECISIONS), blocking=False)
        except QGuardError as error:
            raise Refusal(503, error.message, hint=error.hint, code=error.code) from None
        self.answer({"path": path, "decisions": [event.as_dict() for event in events]})


class ScanHandler(QGuardHandler):
    """``POST qguard/api/scan``: what the guard would say, without fingerprints, recorded nowhere."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Judge the content in the body as the save door would, and change nothing."""
        if len(self.request.body) > SCAN_BYTES:
            raise bad_request("The body is larger than 10 MB.", status=413, code="too-large")
        if not self.gate.scans.take():
            raise bad_request("Too many scans; wait a moment.", status=429, code="rate")
        body: Any = checked_body(APIHandler.get_json_body, self)
        if not isinstance(body, dict) or body.get("type") not in ("notebook", "text"):
            raise bad_request('The body must be {"type": "notebook" or "text", "content": …, "path"?: …}.')
        content, path = body.get("content"), body.get("path", "")
        notebook = body["type"] == "notebook"
        if not isinstance(path, str) or not isinstance(content, dict if notebook else str):
            raise bad_request("The content must be an object for a notebook and a text for a text.")
        path = path or ("untitled.ipynb" if notebook else "untitled.txt")
        await check_readable(self, path)
        preview, request = self.gate.preview(), self.gate.request("save", path, sole_copy=False)
        check: Any = preview.check_notebook if notebook else preview.check_text
        try:
            judgement = await self.gate.worker.run(
                lambda: check(content, request), seconds=self.gate.scan_seconds, blocking=False
            )
        except OutOfTime:
            raise not_judged() from None
        if judgement.refused and judgement.status == 503:
            raise not_judged()
        findings = [{k: v for k, v in row.items() if k not in ("fingerprint", "id8")} for row in judgement.findings]
        self.answer({"verdict": str(judgement.action), "findings": findings, "unchecked": judgement.unchecked})


async def check_readable(handler: QGuardHandler, path: str) -> None:
    """Raise 403 or 404 unless the caller may read ``path`` through the contents API (a missing file is fine)."""
    if not path:
        return
    user = handler.current_user
    if not await ensure_async(handler.authorizer.is_authorized(handler, user, "read", "contents")):
        raise bad_request("You may not read files on this server.", status=403, code="denied")
    manager: Any = handler.contents_manager
    if "\0" in path or (not manager.allow_hidden and await ensure_async(manager.is_hidden(path))):
        raise bad_request("No such file or directory.", status=404, code="not-found")


ROUTES: tuple[tuple[str, type[QGuardHandler]], ...] = (
    ("health", HealthHandler),
    ("policy", PolicyHandler),
    ("decisions", DecisionsHandler),
    ("scan", ScanHandler),
)


def add_routes(app: Any, gate: QGuardGate) -> None:
    """Add our routes to the server's web application."""
    base = app.web_app.settings["base_url"]
    routes = [(url_path_join(base, "qguard", "api", name), handler, {"gate": gate}) for name, handler in ROUTES]
    app.web_app.add_handlers(".*$", routes)
