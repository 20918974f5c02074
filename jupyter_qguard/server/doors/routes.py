"""Standing in front of other people's routes.

tornado asks its rules in order and ``add_handlers`` puts new ones last, so an extension that loaded earlier, or the
core's own handler, would answer first. Rules put at the very beginning win over all of them (interception.md §2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tornado.routing import AnyMatches, Rule
from tornado.web import _ApplicationRouter


def shadow(app: Any, handlers: Sequence[tuple[Any, ...]]) -> None:
    """Answer these routes before any other handler of the server does. ``handlers`` as for ``add_handlers``.

    A pattern must include the server's base URL.
    """
    web_app = app.web_app
    web_app.default_router.rules.insert(0, Rule(AnyMatches(), _ApplicationRouter(web_app, list(handlers))))
