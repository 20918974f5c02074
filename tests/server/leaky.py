"""A server extension of the tests that logs and answers with a secret in every way it can think of.

The secret stands in a file, so that it is in no request: ``QGUARD_TEST_LEAK`` names it.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path

from jupyter_server.base.handlers import APIHandler, JupyterHandler
from tornado import web


def secret() -> str:
    return Path(os.environ["QGUARD_TEST_LEAK"]).read_text()


def _failing(value: str) -> None:
    raise ValueError(f"cannot use {value}")


class _Odd:
    def __init__(self, value: str) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Odd({self.value})"

    __str__ = __repr__


class LogHandler(APIHandler):
    """``GET leaky/log``: every way of putting a text into a log."""

    @web.authenticated
    def get(self):
        value = secret()
        own = logging.getLogger("leaky.made.later")
        if not own.handlers:
            own.propagate = False
            own.setLevel(logging.DEBUG)
            handler = logging.StreamHandler(sys.stderr)
            handler.setFormatter(logging.Formatter("%(levelname)s %(message)s %(given)s", defaults={"given": ""}))
            own.addHandler(handler)
        names = (
            "tornado.access",
            "tornado.application",
            "tornado.general",
            "jupyter_server.x",
            "leaky.child",
            "asyncio",
        )
        for log in (self.log, logging.getLogger(), own, *map(logging.getLogger, names)):
            log.error("in the message " + value)
            log.error("in an argument %s and %r", value, {"deep": [value]})
            log.error("in an object %s", _Odd(value))
            log.error("named %(a)s", {"a": value})
            log.error("escaped %r", f"a\n{value}\x1b[1m{value}")
            log.error("as an extra", extra={"given": value})
            log.error("as an odd extra", extra={"given": _Odd(value)})
            log.error("badly made %d", value)
            try:
                _failing(value)
            except ValueError:
                log.exception("with an exception")
            log.error("long %s", "x" * 300_000 + value)
            log.error("marker of the end")
        self.finish("{}")


class ApiErrors(APIHandler):
    """``GET leaky/api/KIND``: errors of an API handler."""

    @web.authenticated
    def get(self, kind):
        _answer(self, kind)


class PageErrors(JupyterHandler):
    """``GET leaky/page/KIND``: errors of a handler of pages."""

    @web.authenticated
    def get(self, kind):
        _answer(self, kind)


class BareErrors(web.RequestHandler):
    """``GET leaky/bare/KIND``: errors of a handler that knows nothing of Jupyter."""

    def get(self, kind):
        _answer(self, kind)


def _answer(handler, kind):
    value = secret()
    if kind == "raised":
        _failing(value)
    if kind == "message":
        raise web.HTTPError(400, f"cannot use {value}")
    if kind == "arguments":
        raise web.HTTPError(500, "cannot use %s", value)
    if kind == "reason":
        raise web.HTTPError(409, "no", reason=f"because of {value}")
    handler.set_status(418 if kind == "clean" else 500)
    if kind == "traceback":
        handler.finish(json.dumps({"message": "no", "traceback": ["File x, line 1", value[:12]]}))
    elif kind == "streamed":
        handler.write(f"<p>first {value[:9]}")
        handler.flush()
        handler.finish(f"{value[9:]} last</p>")
    elif kind == "entities":
        handler.finish("<p>" + "".join(f"&#{ord(letter)};" for letter in value) + "</p>")
    elif kind == "endless":
        for _ in range(20):
            handler.write(b"x" * 100_000)
            handler.flush()
        handler.finish(value)
    elif kind == "clean":
        handler.finish("<p>I'm a teapot: 100 %</p>")
    elif kind == "fine":
        handler.set_status(200)
        handler.finish(f"<p>{value}</p>")


KINDS = ("raised", "message", "arguments", "reason", "traceback", "streamed", "entities", "endless")


def _jupyter_server_extension_points():
    return [{"module": "tests.server.leaky"}]


def _load_jupyter_server_extension(app):
    base = app.base_url + "leaky/"
    app.web_app.add_handlers(
        ".*$",
        [
            (base + "log", LogHandler),
            (base + "api/(.*)", ApiErrors),
            (base + "page/(.*)", PageErrors),
            (base + "bare/(.*)", BareErrors),
        ],
    )
