"""A refusal as a page, for a person whose browser has opened a door of ours in a tab of its own.

Jupyter's own error page shows a message in one line that runs out of the window. This one needs nothing from outside:
no scripts, no files; headers, the content security policy among them, stay the server's.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from jupyter_qguard.server.refusal import Refusal, write_refusal

if TYPE_CHECKING:
    from jinja2 import Template

_HEADS = {403: "Not allowed", 404: "Not found", 503: "Not possible right now"}
"""Headings for messages that do not begin with one of their own (“Not exported: …”)."""


def answer_refusal(handler: Any, error: Refusal) -> None:
    """Finish a request with a page where a browser asks for one, else in the error shape of contract §6."""
    handler.set_header("Cache-Control", "no-store")
    accepted = handler.request.headers.get("Accept", "")
    if handler.request.method != "GET" or "text/html" not in accepted:
        write_refusal(handler, error)
        return
    handler.set_header("Content-Type", "text/html; charset=UTF-8")
    handler.finish(page(error))


def page(error: Refusal) -> str:
    """Return the whole page. What stands between backticks is shown as code."""
    head, colon, rest = error.message.partition(": ")
    if colon and head.startswith("Not ") and rest:
        message = rest[:1].upper() + rest[1:]
    else:
        head, message = _HEADS.get(error.status_code, "Not possible"), error.message
    return _template().render(head=head, message=message.split("`"), hint=error.hint.split("`") if error.hint else [])


@cache
def _template() -> Template:
    # Imported at the first refusal: this is no part of what a server needs to start.
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    source = resources.files("jupyter_qguard.server").joinpath("refusal_page.j2")
    return environment.from_string(source.read_text("utf-8"))
