"""Which comments ask for an exception."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from jupyter_qguard.scan.scanner import scan_notebook, scan_text


def token() -> str:
    return "DEV-" + secrets.token_hex(20)


def book(source: str, kind: str = "code", **more: Any) -> dict[str, Any]:
    cell = {"cell_type": kind, "id": "c1", "metadata": {}, "source": source, **more}
    if kind == "code":
        cell = {"execution_count": None, "outputs": [], **cell}
    return {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("code", 't = "{}"  # qguard: allow dwave-token reason="revoked"'),
        ("code", "t = '{}'  # qguard:allow json-web-token, dwave-token reason='revoked'"),
        ("code", 'const t = "{}"; // qguard: allow dwave-token reason="revoked"'),
        ("code", 'set t "{}" /* qguard: allow dwave-token reason="revoked" */'),
        ("markdown", 'The key was `{}` <!-- qguard: allow dwave-token reason="revoked" -->'),
    ],
)
def test_a_pragma_beside_a_value(kind: str, line: str) -> None:
    scan = scan_notebook(book("x = 1\n" + line.format(token()) + "\ny = 2", kind))
    found = scan.pragma(0)
    assert found is not None
    assert (found.reason, found.line) == ("revoked", 2)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("code", 't = "{}"  # qguard: allow github-token reason="another rule"'),
        ("code", 't = "{}"\n# qguard: allow dwave-token reason="another line"'),
        ("code", 't = "{}"  # qguard: allow dwave-token'),
        ("code", 't = "{}"  # qguard: allow dwave-token reason=""'),
        ("code", 't = "{}"  # qguard: allow reason="no rule"'),
        ("code", 't = "{}"  # pragma: allowlist secret'),
        ("code", 't = "{}"  # gitleaks:allow'),
        ("code", 't = "{}"  # qguard: allow dwave-token reason="' + "x" * 300 + '"'),
        ("markdown", '# qguard: allow dwave-token reason="a heading" {}'),
    ],
)
def test_what_is_no_pragma_for_it(kind: str, text: str) -> None:
    scan = scan_notebook(book(text.format(token()), kind))
    assert scan.findings
    assert scan.pragma(0) is None


def test_a_reason_that_shows_the_value_is_none() -> None:
    plant = token()
    for shown in (plant, plant[10:22]):
        scan = scan_notebook(book(f't = "{plant}"  # qguard: allow dwave-token reason="it is {shown}"'))
        assert all(scan.pragma(number) is None for number in range(len(scan.findings)))
        assert all(plant[10:18] not in repr(pragma) for pragma in scan.pragmas)


def test_outputs_metadata_and_attachments_ask_for_nothing() -> None:
    plant = token()
    asks = f'{plant} # qguard: allow dwave-token reason="printed"'
    output = {"output_type": "stream", "name": "stdout", "text": asks}
    scan = scan_notebook(
        book("x = 1", outputs=[output], attachments={"a.txt": {"text/plain": asks}}, metadata={"source": asks})
    )
    assert len(scan.findings) >= 2
    assert scan.pragmas == ()
    assert all(scan.pragma(number) is None for number in range(len(scan.findings)))


def test_a_plain_file_may_hold_one_a_broken_notebook_may_not() -> None:
    text = f'key = "{token()}"  # qguard: allow dwave-token reason="revoked"\n'
    assert scan_text(text, name="a.py").pragma(0) is not None
    broken = scan_text('{"cells": [ "' + text, name="a.ipynb")
    assert broken.findings
    assert broken.pragma(0) is None


def test_a_value_over_several_lines_takes_it_at_either_end() -> None:
    body = "\n".join(secrets.token_hex(32) for _ in range(4))
    name = "PRIVATE" + " KEY"
    ask = '# qguard: allow private-key reason="x"'
    text = f'k = """-----BEGIN RSA {name}-----\n{body}\n-----END RSA {name}-----""" {ask}'
    scan = scan_notebook(book(text))
    rules = [finding.rule.id for finding in scan.findings]
    assert rules
    text = text.replace("allow private-key", f"allow {rules[0]}")
    assert scan_notebook(book(text)).pragma(0) is not None
