"""What the start-up proof sends through the export door: the core with a stand-in exporter.

nbconvert itself is not imported for it: that alone would cost more than the whole start may.
"""

from __future__ import annotations

from typing import Any

from nbformat import from_dict

from jupyter_qguard.guard import Guard, Request
from jupyter_qguard.render import core


class StandIn:
    """Quotes the notebook that it is given, and a secret from elsewhere, in its output and in an extracted file."""

    file_extension = ".html"

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def from_notebook_node(self, notebook: Any, resources: Any = None) -> tuple[str, dict[str, Any]]:
        """Return a page, and a picture among the resources."""
        text = "\n".join("".join(cell["source"]) for cell in notebook["cells"])
        page = f"<pre>{text}</pre><pre>aws {self._secret} </pre>"
        return page, {**(resources or {}), "outputs": {"a.svg": f"<svg><text>{self._secret}</text></svg>".encode()}}


def exported(guard: Guard, notebook: dict[str, Any], secret: str) -> bytes:
    """Return all that would be sent of a notebook, and of a secret that an exporter adds."""
    node = from_dict(notebook)  # type: ignore[no-untyped-call]
    request = Request("export", "export/a.ipynb")
    made = core.export(guard, StandIn(secret), node, {}, request, to="canary")
    output = made.output if isinstance(made.output, bytes) else made.output.encode()
    return b"\n".join([output, *made.resources["outputs"].values()])
