"""Notebooks for timing: made by code, clean, shaped like real ones (about 60 % of the bytes are plots)."""

from __future__ import annotations

import base64
import random
import struct
import zlib
from typing import Any

WORDS = ("circuit", "qubit", "measure", "counts", "shots", "backend", "transpile", "gate", "noise", "state", "vector")


def png(size: int, rng: random.Random) -> str:
    """Return a base64 PNG of about ``size`` bytes that decoders accept."""
    width = 256
    height = max(1, size // (width + 1))
    rows = b"".join(b"\x00" + rng.randbytes(width) for _ in range(height))

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    body = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    body += chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + body).decode() + "\n"


def prose(lines: int, rng: random.Random) -> str:
    """Return text that looks like code and prose and holds nothing to find."""
    return "\n".join(
        f"{rng.choice(WORDS)}_{rng.randrange(99)} = {rng.choice(WORDS)}({rng.random():.4f}, {rng.choice(WORDS)!r})"
        for _ in range(lines)
    )


def notebook(size: int, *, seed: int = 7) -> dict[str, Any]:
    """Return a clean nbformat 4.5 notebook of about ``size`` bytes."""
    rng = random.Random(seed)
    cells: list[dict[str, Any]] = []
    made = 0
    while made < size:
        source = prose(12, rng)
        text = prose(30, rng)
        rows = "".join(f"    <tr>\n      <th>{n}</th>\n      <td>{rng.random()}</td>\n    </tr>\n" for n in range(40))
        html = f'<div>\n<table border="1" class="dataframe">\n  <tbody>\n{rows}  </tbody>\n</table>\n</div>'
        outputs: list[dict[str, Any]] = [
            {"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)},
            {
                "output_type": "execute_result",
                "execution_count": 1,
                "metadata": {},
                "data": {"text/plain": ["DataFrame"], "text/html": html.splitlines(keepends=True)},
            },
        ]
        if len(cells) % 2:
            image = png(16_000, rng)
            outputs.append({"output_type": "display_data", "metadata": {}, "data": {"image/png": image}})
            made += len(image)
        cells.append(
            {
                "cell_type": "code",
                "id": f"cell-{len(cells)}",
                "metadata": {},
                "execution_count": 1,
                "source": source.splitlines(keepends=True),
                "outputs": outputs,
            }
        )
        made += len(source) + len(text) + len(html)
    return {
        "cells": cells,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
