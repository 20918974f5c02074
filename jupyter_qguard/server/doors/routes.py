"""Standing in front of other people's routes.

tornado asks its rules in order and ``add_handlers`` puts new ones last, so an extension that loaded earlier, or the
core's own handler, would answer first. Rules put at the very beginning win over all of them (interception.md §2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.routing import AnyMatches, Rule
from tornado.web import _ApplicationRouter


def shadow(app: Any, handlers: Sequence[tuple[Any, ...]]) -> None:
    """Answer these routes before any other handler of the server does. ``handlers`` as for ``add_handlers``.

    A pattern must include the server's base URL.
    """
    web_app = app.web_app
    web_app.default_router.rules.insert(0, Rule(AnyMatches(), _ApplicationRouter(web_app, list(handlers))))


def answering(app: Any, path: str) -> type | None:
    """Return the class of the handler that the live server would answer ``GET path`` with; None if there is none."""
    request = HTTPServerRequest(method="GET", uri=path, connection=_Nowhere())  # type: ignore[arg-type]
    found: type | None = getattr(app.web_app.find_handler(request), "handler_class", None)
    return found


class _Nowhere:
    """Stands where a request has its connection; nothing is ever written to it."""

    context = None

    def set_close_callback(self, _: Any) -> None:
        """Forget it."""
