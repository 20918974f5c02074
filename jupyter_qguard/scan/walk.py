"""Walk a notebook once, without recursion, and list every text in it as leaves.

Knows nbformat 3 and 4; whatever has another type or another name than expected is walked as JSON, so that
no string is missed. Source: https://nbformat.readthedocs.io/en/latest/format_description.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jupyter_qguard.scan.fragments import (
    CODE,
    GENERIC,
    KEY,
    METADATA,
    OUTPUT,
    PAYLOAD,
    PLAIN_MARKER,
    SOURCE,
    Cell,
    Leaf,
    Link,
)
from jupyter_qguard.scan.splice import members


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TOO_DEEP = "is nested too deeply"
_WORDS = _words(
    # names that the formats themselves use: never secrets, and in every notebook
    "cells worksheets metadata nbformat nbformat_minor orig_nbformat cell_type source input outputs execution_count"
    " prompt_number attachments output_type language collapsed traceback kernelspec display_name language_info"
    " codemirror_mode file_extension mimetype nbconvert_exporter pygments_lexer version application/json text/plain"
    " text/html text/latex text/markdown image/png image/jpeg image/svg+xml image/gif application/javascript"
    " application/vnd.jupyter.widget-view+json application/vnd.jupyter.widget-state+json version_major version_minor"
    " model_id papermill parameters duration start_time end_time exception environment_variables slideshow slide_type"
    " needs_background _model_module _model_module_version _model_name _view_count _view_module _view_module_version"
    " _view_name description description_tooltip model_module model_module_version model_name scrolled pycharm"
    " jupyter_source_hidden source_hidden outputs_hidden execution iopub.execute_input iopub.status.busy"
    " iopub.status.idle shell.execute_reply marker_end marker_start"
)
_NOISE = _words(
    "id model_id hash authorship_tag provenance uuid checksum sha256 sha1 md5 digest etag bdata buffers layout style"
    " signature execution_id interpreter vscode cell_id nbgrader grade_id deepnote_cell_id outputId jobId"
    " base_uri"
)
"""Keys of identifiers, hashes and numeric buffers: random by nature, so entropy proves nothing there."""
_ID_ENDS = ("_id", "Id", "_hash", "_uuid")
_WALKED = (str, dict, list, tuple)
_SAME = _words("code markdown raw heading stream display_data execute_result error pyout pyerr stdout stderr python")
"""Values of the formats' own enumerations."""
_TEXTUAL = ("text/", "image/svg", "application/javascript", "application/x-javascript", "application/json")
_V3_TEXT = _words("text html svg latex javascript json")
_V3_PAYLOAD = _words("png jpeg pdf")


class Walk:
    """All leaves of one notebook, and the parts that were not looked into as (link, reason)."""

    def __init__(self, depth: int) -> None:
        self.leaves: list[Leaf] = []
        self.unchecked: list[tuple[Link, str]] = []
        self.depth = depth
        self.nobody = Cell(None, None, 0, None)

    def notebook(self, nb: Any) -> None:
        """Walk a whole notebook, whatever it is."""
        if not isinstance(nb, dict):
            self.json(nb, None, METADATA | GENERIC, self.nobody)
            return
        index = 0
        for component, key, value in members(nb):
            link: Link = (None, component)
            self.key(key, link, METADATA, self.nobody)
            if key == "cells" and _is_list(value):
                self.cells(value, link, 0)
            elif key == "worksheets" and _is_list(value):
                for i, sheet in enumerate(value):
                    index = self.worksheet(sheet, (link, i), index)
            else:
                self.json(value, link, METADATA | GENERIC, self.nobody, key)

    def worksheet(self, sheet: Any, link: Link, index: int) -> int:
        """Walk one nbformat 3 worksheet; return the index that the next one's first cell has."""
        if not isinstance(sheet, dict):
            self.json(sheet, link, METADATA | GENERIC, self.nobody)
            return index
        for component, key, value in members(sheet):
            here: Link = (link, component)
            self.key(key, here, METADATA, self.nobody)
            if key == "cells" and _is_list(value):
                self.cells(value, here, index)
                index += len(value)
            else:
                self.json(value, here, METADATA | GENERIC, self.nobody, key)
        return index

    def cells(self, cells: Sequence[Any], link: Link, index: int) -> None:
        """Walk a list of cells, the first of which counts as ``index``."""
        strip = 2 if link is None or link[0] is None else 4
        for i, node in enumerate(cells):
            here: Link = (link, i)
            cell = Cell(index + i, None, strip, here)
            if not isinstance(node, dict):
                self.json(node, here, METADATA | GENERIC, cell)
                continue
            name = node.get("id")
            if isinstance(name, str):
                cell.id = name
            self.cell(node, here, cell)

    def cell(self, node: dict[str, Any], link: Link, cell: Cell) -> None:
        """Walk one cell."""
        code = CODE if node.get("cell_type") == "code" else 0
        for component, key, value in members(node):
            if (not value or value.__class__ is int) and key in _WORDS:
                continue  # nothing to read there: empty metadata, execution counts
            here: Link = (link, component)
            if key == "source" or (key == "input" and code):
                self.text(value, here, SOURCE | GENERIC | code, cell)
            elif isinstance(value, str) and value in _SAME:
                continue
            elif key == "id" and isinstance(value, str):
                if len(value) > 8:
                    self.leaves.append((value, here, METADATA | PLAIN_MARKER, cell, None, "id"))
            elif key == "outputs" and _is_list(value):
                for i, output in enumerate(value):
                    self.output(output, (here, i), cell)
            elif key == "attachments" and isinstance(value, dict):
                self.attachments(value, here, cell)
            else:
                self.key(key, here, METADATA, cell)
                self.json(value, here, METADATA | GENERIC, cell, key)

    def attachments(self, node: dict[str, Any], link: Link, cell: Cell) -> None:
        """Walk ``{name: {MIME type: data}}``."""
        for component, key, value in members(node):
            here: Link = (link, component)
            self.key(key, here, SOURCE, cell)
            if not isinstance(value, dict):
                self.text(value, here, SOURCE | GENERIC | PAYLOAD, cell)
                continue
            for inner, mime, data in members(value):
                place: Link = (here, inner)
                self.key(mime, place, SOURCE | PLAIN_MARKER, cell)
                self.text(data, place, SOURCE | GENERIC | PAYLOAD, cell)

    def output(self, node: Any, link: Link, cell: Cell) -> None:
        """Walk one output of any type of either format."""
        if not isinstance(node, dict):
            self.json(node, link, OUTPUT | GENERIC, cell)
            return
        for component, key, value in members(node):
            if (not value or value.__class__ is int) and key in _WORDS:
                continue
            here: Link = (link, component)
            if key == "data" and isinstance(value, dict):
                self.bundle(value, here, cell)
            elif key == "traceback" and _is_list(value):
                self.text(value, here, OUTPUT | GENERIC, cell, "\n")
            elif key in _V3_TEXT or key == "evalue":
                self.text(value, here, OUTPUT | GENERIC, cell)
            elif key in _V3_PAYLOAD:
                self.text(value, here, OUTPUT | PAYLOAD | GENERIC, cell)
            elif isinstance(value, str) and value in _SAME:
                continue
            else:
                self.key(key, here, OUTPUT, cell)
                self.json(value, here, OUTPUT | GENERIC, cell, key)

    def bundle(self, node: dict[str, Any], link: Link, cell: Cell) -> None:
        """Walk a MIME bundle."""
        for component, mime, value in members(node):
            here: Link = (link, component)
            self.key(mime, here, OUTPUT | PLAIN_MARKER, cell)
            name = mime if isinstance(mime, str) else ""
            if name.endswith("+json") and not isinstance(value, str):
                self.json(value, here, OUTPUT | GENERIC, cell)
            else:
                payload = 0 if name.startswith(_TEXTUAL) else PAYLOAD
                self.text(value, here, OUTPUT | GENERIC | payload, cell)

    def text(self, value: Any, link: Link, flags: int, cell: Cell, joint: str = "") -> None:
        """Add a text given as a string or as a list of strings; anything else is walked as JSON."""
        if isinstance(value, str):
            if value:
                self.leaves.append((value, link, flags, cell, None, None))
            return
        if not _is_list(value):
            self.json(value, link, flags, cell)
            return
        try:
            text = joint.join(value)
        except TypeError:
            text = joint.join(item for item in value if isinstance(item, str))
            for i, item in enumerate(value):
                if not isinstance(item, str):
                    self.json(item, (link, i), flags, cell)
        if text:
            self.leaves.append((text, link, flags, cell, (value, joint), None))

    def key(self, key: Any, link: Link, flags: int, cell: Cell) -> None:
        """Add a dict key as a text of its own, unless it is a word of the format or too short to matter."""
        if isinstance(key, str) and len(key) >= 8 and key not in _WORDS:
            self.leaves.append((key, link, flags | KEY, cell, None, None))

    def json(self, root: Any, link: Link, flags: int, cell: Cell, key: Any = None) -> None:
        """Add every string and key below any JSON value, each with its key as context."""
        if not isinstance(root, _WALKED) or not root:
            return
        leaves = self.leaves
        stack: list[tuple[Any, Link, str | None, int]] = [
            (root, link, key if isinstance(key, str) else None, _depth(link))
        ]
        while stack:
            node, here, name, depth = stack.pop()
            if isinstance(node, str):
                if len(node) >= 4:
                    known = name is not None and (name in _NOISE or name.endswith(_ID_ENDS))
                    leaves.append((node, here, flags & ~GENERIC if known else flags, cell, None, name))
            elif not node:
                continue
            elif depth >= self.depth:
                self.unchecked.append((here, TOO_DEEP))
            elif isinstance(node, dict):
                for component, inner, value in members(node):
                    below: Link = (here, component)
                    self.key(inner, below, flags & ~GENERIC, cell)
                    if isinstance(value, _WALKED):
                        stack.append((value, below, inner if isinstance(inner, str) else None, depth + 1))
            else:
                stack += [
                    (value, (here, i), name, depth + 1) for i, value in enumerate(node) if isinstance(value, _WALKED)
                ]


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _depth(link: Link) -> int:
    n = 0
    while link is not None:
        link = link[0]
        n += 1
    return n
