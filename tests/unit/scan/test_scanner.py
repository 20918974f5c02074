"""Secrets at many places of a notebook are found, cut out, and nothing else changes."""

from __future__ import annotations

import copy
import json
from typing import Any

from jupyter_qguard.scan.scanner import Redaction, Scan, scan_bytes, scan_notebook, scan_text
from tests.unit.scan import scan_support as support

KEY = b"k" * 32


def notebook(*cells: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"nbformat": 4, "nbformat_minor": 4, "metadata": metadata, "cells": list(cells)}


def code(source: Any, *outputs: Any, **extra: Any) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": 1,
        "metadata": {},
        "source": source,
        "outputs": list(outputs),
    } | extra


def look(nb: Any) -> Scan:
    return scan_notebook(nb, engine=support.FakeEngine(), key=KEY)


def clean(nb: Any) -> Redaction:
    """Redact everything, as a model and as bytes, and check what must hold for any notebook."""
    before = copy.deepcopy(nb)
    scan = look(nb)
    done = scan.redact(range(len(scan.findings)))
    assert nb == before
    assert look(done.content).findings == ()
    data = json.dumps(nb, ensure_ascii=len(str(nb)) % 2 == 0).encode("utf-8", "surrogatepass")
    again = scan_bytes(data, name="a.ipynb", engine=support.FakeEngine(), key=KEY)
    assert [f.address for f in again.findings] == [f.address for f in scan.findings]
    spliced = again.redact(range(len(again.findings))).content
    assert json.loads(spliced) == done.content
    return done


def test_a_clean_notebook_comes_back_as_it_is() -> None:
    nb = notebook(code("print(1)"))
    scan = look(nb)
    assert (scan.kind, scan.findings, scan.unchecked, scan.problem) == ("notebook", (), (), None)
    assert scan.redact([]).content is nb


def test_quoted_and_bare_spans_in_code() -> None:
    first, second = support.hex_token(), support.hex_token()
    done = clean(notebook(code(f"x = '{first}'\ny = {second}\n# {first}")))
    lines = done.content["cells"][0]["source"].split("\n")
    assert lines[0].startswith("x = '[REDACTED:test-token:")
    assert lines[1].startswith('y = "[REDACTED:test-token:')
    assert lines[2].startswith("# [REDACTED:test-token:")


def test_a_token_split_over_source_lines_of_a_list() -> None:
    token = support.hex_token()
    done = clean(notebook(code(["x = '" + token[:20], token[20:] + "'\n", "y = 1"])))
    source = done.content["cells"][0]["source"]
    assert source[0].startswith("x = '[REDACTED:")
    assert source[1:] == ["'\n", "y = 1"]


def test_keys_are_renamed_and_never_shown() -> None:
    token = support.hex_token()
    nb = notebook(code("1"), papermill={"a": 1, token: {"x": token}, "b": 2})
    scan = look(nb)
    assert [f.address.field for f in scan.findings] == ["metadata.papermill.<key>", "metadata.papermill.<key>.x"]
    keys = list(clean(nb).content["metadata"]["papermill"])
    assert keys[0] == "a"
    assert keys[1].startswith("[REDACTED:")
    assert keys[2] == "b"


def test_echoes_of_a_core_go_everywhere() -> None:
    token = support.hex_token()
    done = clean(
        notebook(code(f"x='{token}'"), code("1", {"output_type": "stream", "name": "stdout", "text": token[4:]}))
    )
    assert token[4:] not in json.dumps(done.content)
    assert [entry.echo for entry in done.removed] == [False, True]
    assert {entry.text.reveal() for entry in done.removed} == {token}


def test_no_window_of_a_core_stays_in_its_fragment() -> None:
    token = support.hex_token()
    done = clean(notebook(code(f"x = '{token}'  # ends in {token[-12:]}, starts with {token[4:13]}")))
    assert not any(window in str(done.content) for window in support.windows(token[4:]))


def test_a_cell_id_stays_a_cell_id() -> None:
    token = support.key_token()
    scan = look(notebook(code("1", id=token)))
    assert scan.findings[0].address.cell_id is None
    assert clean(notebook(code("1", id=token))).content["cells"][0]["id"].startswith("REDACTED-test-token-")


def test_url_passwords_keep_the_url() -> None:
    word = support.password()
    done = clean(notebook(code(f"db = 'postgres://me:{word}@host/db'")))
    assert done.content["cells"][0]["source"] == "db = 'postgres://me:REDACTED-test-url-password-00000000@host/db'"


def test_plain_text_and_what_is_no_notebook() -> None:
    token = support.hex_token()
    for text, problem in (
        (f"A={token}", "This .ipynb is not valid JSON."),
        ("[" * 100_000 + token, "This .ipynb is nested too deeply to be read as a notebook."),
        (json.dumps([token]), "This .ipynb is JSON, but not a notebook: it is no object."),
        (json.dumps({"a": token}), "This .ipynb is JSON, but not a notebook: it has no format number."),
    ):
        scan = scan_text(text, name="x.ipynb", engine=support.FakeEngine())
        assert (scan.kind, scan.problem, len(scan.findings)) == ("text", problem, 1)
        assert scan.findings[0].address.field is None
        plain = scan_text(text, engine=support.FakeEngine(), key=KEY)
        assert plain.problem is None
        assert plain.redact([0]).content == text.replace(token, plain.redact([0]).markers[0])
