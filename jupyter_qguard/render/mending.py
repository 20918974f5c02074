"""Make a redacted notebook one that exporters can work with.

A picture in which a secret stood is a marker afterwards, and exporters stumble over it: they decode pictures. The same
notebook may have been redacted long ago, when it was saved, so every notebook is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

_MARKER = re.compile(r"\[REDACTED:([a-z0-9-]+):([0-9a-f]{8})\]")
# One transparent point: what a reader sees in place of an attachment.
_POINT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def exportable(notebook: Any) -> Any:
    """Return the notebook itself, or a copy in which no marker stands where a picture or a name is read.

    An output's picture becomes the marker as text; an attachment becomes one transparent point; a marker in an
    attachment's name loses its brackets there and in the cell that shows it.
    """
    if not any(True for _ in (*_outputs(notebook), *_attached(notebook))):
        return notebook
    mended = deepcopy(notebook)
    for data, mime in list(_outputs(mended)):
        marker = data.pop(mime)
        data.setdefault("text/plain", marker)
    for cell in list(_attached(mended)):
        _mend_attachments(cell)
    return mended


def _cells(notebook: Any) -> Iterator[dict[str, Any]]:
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    for cell in cells if isinstance(cells, list) else ():
        if isinstance(cell, dict):
            yield cell


def _outputs(notebook: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield (data of an output, MIME type) for every picture that is a marker."""
    for cell in _cells(notebook):
        outputs = cell.get("outputs")
        for output in outputs if isinstance(outputs, list) else ():
            data = output.get("data") if isinstance(output, dict) else None
            if isinstance(data, dict):
                yield from ((data, mime) for mime, value in data.items() if _is_lost_picture(mime, value))


def _attached(notebook: Any) -> Iterator[dict[str, Any]]:
    """Yield every cell with a marker in an attachment or in the name of one."""
    for cell in _cells(notebook):
        attachments = cell.get("attachments")
        if isinstance(attachments, dict) and any(
            _MARKER.search(str(name))
            or (isinstance(bundle, dict) and any(_is_lost(value) for value in bundle.values()))
            for name, bundle in attachments.items()
        ):
            yield cell


def _mend_attachments(cell: dict[str, Any]) -> None:
    attachments = cell["attachments"]
    for name in list(attachments):
        bundle = attachments[name]
        for mime, value in list(bundle.items()) if isinstance(bundle, dict) else ():
            if _is_lost(value):  # exporters decode every attachment, of any type
                del bundle[mime]
                bundle["image/png"] = _POINT
        bare = _MARKER.sub(r"REDACTED-\1-\2", str(name))
        if bare != name:
            attachments[bare] = attachments.pop(name)
            if isinstance(cell.get("source"), str):
                cell["source"] = cell["source"].replace(f"attachment:{name}", f"attachment:{bare}")


def _is_lost(value: Any) -> bool:
    """Return whether a marker stands in the place of a whole attachment."""
    return isinstance(value, str) and _MARKER.fullmatch(value.strip()) is not None


def _is_lost_picture(mime: Any, value: Any) -> bool:
    """Return whether base64 is expected here and a marker stands in its place."""
    if not isinstance(value, str) or "[REDACTED:" not in value[:200]:
        return False
    kind = str(mime)
    return (kind.startswith(("image/", "audio/", "video/")) and not kind.endswith("+xml")) or kind == "application/pdf"
