"""Scan a notebook, a text or bytes; redact what was chosen of the findings.

The three ``scan_…`` functions never raise for content: what cannot be read is ``Unchecked`` or, for a whole
notebook, a ``problem``. ``Scan.redact`` checks its own work and raises RedactionError rather than return it wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_qguard.scan.binary import Budget, as_text, texts
from jupyter_qguard.scan.finding import Unchecked
from jupyter_qguard.scan.judge import TextEngine
from jupyter_qguard.scan.limits import Limits
from jupyter_qguard.scan.result import (
    Content,
    FileKind,
    Redaction,
    Removed,
    Scan,
    raw_leaves,
    text_leaves,
    walk_notebook,
)
from jupyter_qguard.scan.sniff import is_python, read_notebook, why_not

__all__ = ["FileKind", "Limits", "Redaction", "Removed", "Scan", "scan_bytes", "scan_notebook", "scan_text"]


def scan_notebook(
    nb: Mapping[str, Any], *, engine: TextEngine | None = None, key: bytes | None = None, limits: Limits | None = None
) -> Scan:
    """Scan a notebook model of any nbformat, valid or not."""
    limits = limits or Limits()
    walk = walk_notebook(nb, limits)
    return Scan(
        "notebook",
        Content(nb, python=is_python(nb)),
        walk.leaves,
        engine=engine,
        key=key,
        limits=limits,
        too_deep=walk.unchecked,
        problem=why_not(nb),
    )


def scan_text(
    text: str,
    *,
    name: str = "",
    engine: TextEngine | None = None,
    key: bytes | None = None,
    limits: Limits | None = None,
    codec: str | None = None,
) -> Scan:
    """Scan text: a notebook if ``name`` or the text says so and it can be read as one, else plain text.

    ``codec``: the text was decoded from bytes, and a redaction shall be encoded again.
    """
    limits = limits or Limits()
    nb, problem = read_notebook(text, name)
    if nb is None:
        content = Content(text=text, codec=codec)
        return Scan("text", content, text_leaves(text), engine=engine, key=key, limits=limits, problem=problem)
    walk = walk_notebook(nb, limits)
    return Scan(
        "notebook",
        Content(nb, text, codec, is_python(nb)),
        walk.leaves,
        engine=engine,
        key=key,
        limits=limits,
        too_deep=walk.unchecked,
    )


def scan_bytes(
    data: bytes,
    *,
    name: str,
    engine: TextEngine | None = None,
    key: bytes | None = None,
    limits: Limits | None = None,
) -> Scan:
    """Scan a file of any kind. ``name`` decides (``.ipynb``) together with what the bytes look like."""
    limits = limits or Limits()
    decoded = as_text(data)
    if decoded is not None:
        return scan_text(decoded[0], name=name, engine=engine, key=key, limits=limits, codec=decoded[1])
    problem = "This .ipynb is not text at all." if name.lower().endswith(".ipynb") else None
    budget = Budget.of(limits, len(data))
    leaves = []
    for text, as_such in texts(data, budget):
        leaves += text_leaves(text) if as_such else raw_leaves(text)
    unchecked = [Unchecked(None, reason, over_budget=over) for reason, over in budget.notes]
    return Scan(
        "opaque",
        Content(),
        leaves,
        engine=engine,
        key=key,
        limits=limits,
        unchecked=unchecked,
        problem=problem,
    )
