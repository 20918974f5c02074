"""Notebooks with a secret in every place that an exporter reads, each secret fresh and of its own."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

from tests.server.harness import aws, code_cell, notebook

PLACES = (
    "source", "markdown", "raw", "stream", "traceback", "svg", "html", "latex", "json", "png", "jpeg", "result",
    "attachment", "attachment-name", "widget", "metadata", "cell-metadata",
)  # fmt: skip


def planted(*, without: tuple[str, ...] = ()) -> tuple[dict[str, Any], dict[str, str]]:
    """Return (notebook, place -> secret). ``without``: no vector picture where nothing can convert one."""
    value = {place: aws() for place in PLACES}
    widgets = {
        "application/vnd.jupyter.widget-state+json": {
            "version_major": 2,
            "version_minor": 0,
            "state": {"m1": {"model_name": "TextModel", "state": {"value": f"key {value['widget']}"}}},
        }
    }
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": f"using {value['stream']}\n"},
        {
            "output_type": "error",
            "ename": "ValueError",
            "evalue": "no",
            "traceback": [f"\x1b[31mValueError\x1b[0m: bad key \x1b[1m{value['traceback']}\x1b[0m"],
        },
        shown({"image/svg+xml": f'<svg xmlns="http://www.w3.org/2000/svg"><text>{value["svg"]} </text></svg>'}),
        shown({"text/html": f"<b>key</b> <i>{value['html']}</i>"}),
        shown({"text/latex": f"$x$ {value['latex']}"}),
        shown({"application/json": {"key": value["json"]}}),
        shown({"image/png": base64.b64encode(png(value["png"])).decode()}),
        shown({"image/jpeg": base64.b64encode(jpeg(value["jpeg"])).decode()}),
        {
            "output_type": "execute_result",
            "execution_count": 1,
            "metadata": {},
            "data": {"text/plain": f"'{value['result']}'", "text/markdown": f"*{value['result']}*"},
        },
    ]
    if "svg" in without:
        outputs = [output for output in outputs if "image/svg+xml" not in output.get("data", {})]
        del value["svg"]
    named = f"{value['attachment-name']}.png"
    markdown = {
        "cell_type": "markdown",
        "id": "m",
        "metadata": {},
        "source": f"# Key {value['markdown']}\n\n![it](attachment:a.png) ![that](attachment:{named})",
        "attachments": {
            "a.png": {"image/png": base64.b64encode(png(value["attachment"])).decode()},
            named: {"image/png": base64.b64encode(png("nothing")).decode()},
        },
    }
    raw = {"cell_type": "raw", "id": "r", "metadata": {}, "source": f"key: {value['raw']}"}
    code = code_cell(f'key = "{value["source"]}"\nprint(key)', outputs, id="c", execution_count=1)
    code["metadata"] = {"note": value["cell-metadata"], "slideshow": {"slide_type": "slide"}}
    book = notebook(
        markdown,
        raw,
        code,
        widgets=widgets,
        note=f"key {value['metadata']}",
        title=f"about {value['metadata']}",
        kernelspec={"name": "python3", "display_name": "Python 3", "language": "python"},
        language_info={"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
    )
    return book, value


def clean(*, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a notebook of the same kind without any secret."""
    text = {"output_type": "stream", "name": "stdout", "text": "using nothing\n"}
    vector = shown({"image/svg+xml": '<svg xmlns="http://www.w3.org/2000/svg"><text>nothing</text></svg>'})
    picture = shown({"image/png": base64.b64encode(png("nothing")).decode()})
    markdown = {"cell_type": "markdown", "id": "m", "metadata": {}, "source": "# Title\n\nSome *text*, some $x^2$."}
    outputs = [text, picture] if "svg" in without else [text, vector, picture]
    return notebook(
        markdown,
        code_cell("x = 1\nprint('using', x)", outputs, id="c", execution_count=1),
        language_info={"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
    )


def shown(data: dict[str, Any]) -> dict[str, Any]:
    """Return a display output."""
    return {"output_type": "display_data", "metadata": {}, "data": data}


def png(text: str) -> bytes:
    """Return a picture of one point with a text chunk."""
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)),
        (b"tEXt", b"Comment\0key " + text.encode()),
        (b"IDAT", zlib.compress(b"\0\0")),
        (b"IEND", b""),
    ]
    chunks = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def jpeg(text: str) -> bytes:
    """Return the beginning of a picture with a comment segment, and its end."""
    comment = f"key {text}".encode()
    return (
        b"\xff\xd8\xff\xe0\x00\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xfe"
        + struct.pack(">H", len(comment) + 2)
        + comment
        + b"\xff\xd9"
    )
