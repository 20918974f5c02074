"""What judging an export costs beside what nbconvert does: interleaved pairs, CPU seconds."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.samples import notebook

Row = Callable[..., None]


def bench_export(scratch: Path, row: Row) -> None:
    """HTML of a 1 MB and of a small notebook, through the core and without it."""
    import nbformat
    from nbconvert.exporters import HTMLExporter

    from jupyter_qguard import guard
    from jupyter_qguard.guard import Request
    from jupyter_qguard.render import core

    judging = guard.build(scratch, {"QGUARD_DATA_DIR": str(scratch / "export-data")})
    request = Request("export", "a.ipynb")
    for size in (100_000, 1_000_000):
        book: Any = nbformat.reads(json.dumps(notebook(size)), as_version=4)
        pairs = []
        for turn in range(8):
            exporter = HTMLExporter()
            exporter.log.setLevel("CRITICAL")
            begin = time.process_time()
            exporter.from_notebook_node(book, resources={})
            middle = time.process_time()
            core.export(judging, exporter, book, {}, request, to="html")
            end = time.process_time()
            if turn >= 2:
                pairs.append((middle - begin, end - middle))
        base = statistics.median(pair[0] for pair in pairs)
        added = statistics.median(pair[1] - pair[0] for pair in pairs)
        row(
            f"export of {size / 1e6:.1f} MB to html, CPU added",
            f"{added * 1e3:.0f} ms = {added / base:.0%} of {base * 1e3:.0f} ms",
            "<= 10 %",
            good=added <= 0.1 * base,
        )
