# the table of places reads best one to a line
"""No string of a notebook is missed, whatever its format, place or type."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import nbformat
import pytest

from jupyter_qguard.scan.scanner import scan_bytes, scan_notebook, scan_text
from tests.unit.scan import scan_support as support
from tests.unit.scan.test_scanner import KEY, clean, code, look, notebook

STATE = "application/vnd.jupyter.widget-state+json"
PLOTLY = "application/vnd.plotly.v1+json"


def output(**fields: Any) -> dict[str, Any]:
    return notebook(code("1", {"output_type": "display_data", "metadata": {}, "data": {}} | fields))


def v3(cell: dict[str, Any]) -> dict[str, Any]:
    sheet = {"metadata": {}, "cells": [{"cell_type": "markdown", "metadata": {}, "source": "x"}]}
    return {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [sheet, {"cells": [cell]}]}


def v3_output(**fields: Any) -> dict[str, Any]:
    cell = {"cell_type": "code", "language": "python", "prompt_number": 1, "collapsed": False, "metadata": {}}
    return v3(cell | {"input": "1", "outputs": [{"output_type": "pyout", "prompt_number": 1, "metadata": {}} | fields]})


PLACES: dict[str, tuple[Callable[[str], dict[str, Any]], int | None, str]] = {
    "code": (lambda t: notebook(code(f"x='{t}'")), 0, "source"),
    "code list": (lambda t: notebook(code(["a=1\n", f"x='{t}'"])), 0, "source"),
    "markdown": (lambda t: notebook({"cell_type": "markdown", "metadata": {}, "source": t}), 0, "source"),
    "raw": (lambda t: notebook({"cell_type": "raw", "metadata": {}, "source": [t]}), 0, "source"),
    "source of numbers": (lambda t: notebook(code([1, None, t])), 0, "source"),
    "source dict": (lambda t: notebook(code({"a": [t]})), 0, "source.a[0]"),
    "stream": (
        lambda t: notebook(code("1", {"output_type": "stream", "name": "stderr", "text": ["a\n", t]})),
        0,
        "outputs[0].text",
    ),
    "evalue": (
        lambda t: notebook(code("1", {"output_type": "error", "ename": "E", "evalue": t, "traceback": []})),
        0,
        "outputs[0].evalue",
    ),
    "ename": (
        lambda t: notebook(code("1", {"output_type": "error", "ename": t, "evalue": "", "traceback": []})),
        0,
        "outputs[0].ename",
    ),
    "traceback": (
        lambda t: notebook(
            code("1", {"output_type": "error", "ename": "E", "evalue": "", "traceback": ["a", f"\x1b[31m{t}"]})
        ),
        0,
        "outputs[0].traceback",
    ),
    "traceback string": (
        lambda t: notebook(code("1", {"output_type": "error", "traceback": t})),
        0,
        "outputs[0].traceback",
    ),
    "html": (lambda t: output(data={"text/html": ["<b>", t, "</b>"]}), 0, "outputs[0].data.text/html"),
    "svg": (
        lambda t: output(data={"image/svg+xml": f"<svg><text>{t}</text></svg>"}),
        0,
        "outputs[0].data.image/svg+xml",
    ),
    "latex": (lambda t: output(data={"text/latex": f"$\\text{{{t}}}$"}), 0, "outputs[0].data.text/latex"),
    "javascript": (
        lambda t: output(data={"application/javascript": f"var x = '{t}'"}),
        0,
        "outputs[0].data.application/javascript",
    ),
    "json": (
        lambda t: output(data={"application/json": {"a": [{"b": t}]}}),
        0,
        "outputs[0].data.application/json.a[0].b",
    ),
    "json string": (
        lambda t: output(data={"application/json": json.dumps({"a": t})}),
        0,
        "outputs[0].data.application/json",
    ),
    "json key": (lambda t: output(data={PLOTLY: {"layout": {t: 1}}}), 0, f"outputs[0].data.{PLOTLY}.layout.<key>"),
    "unknown type": (lambda t: output(data={"application/x-thing": t}), 0, "outputs[0].data.application/x-thing"),
    "picture that is none": (lambda t: output(data={"image/png": t}), 0, "outputs[0].data.image/png"),
    "mime key": (lambda t: output(data={f"application/{t}": "1"}), 0, "outputs[0].data.<key>"),
    "output metadata": (lambda t: output(metadata={"image/png": {"alt": t}}), 0, "outputs[0].metadata.image/png.alt"),
    "output extra": (lambda t: output(extra={"a": {"b": [t]}}), 0, "outputs[0].extra.a.b[0]"),
    "output string": (lambda t: notebook(code("1", t)), 0, "outputs[0]"),
    "data of a wrong type": (lambda t: output(data=[t]), 0, "outputs[0].data[0]"),
    "transient": (lambda t: output(transient={"display_id": t}), 0, "outputs[0].transient.display_id"),
    "cell metadata": (lambda t: notebook(code("1", metadata={"tags": [t]})), 0, "metadata.tags[0]"),
    "cell extra": (lambda t: notebook(code("1", whatever={"x": t})), 0, "whatever.x"),
    "cell type": (lambda t: notebook({"cell_type": t, "metadata": {}, "source": ""}), 0, "cell_type"),
    "cell that is a string": (lambda t: notebook(t), 0, "None"),  # type: ignore[arg-type]
    "cell that is a list": (lambda t: notebook([[t]]), 0, "[0][0]"),  # type: ignore[arg-type]
    "attachment": (
        lambda t: notebook(
            {"cell_type": "markdown", "source": "", "metadata": {}, "attachments": {"x.txt": {"text/plain": t}}}
        ),
        0,
        "attachments.x.txt",
    ),
    "attachment name": (
        lambda t: notebook(
            {"cell_type": "markdown", "source": "", "metadata": {}, "attachments": {t: {"text/plain": ""}}}
        ),
        0,
        "attachments.<key>",
    ),
    "attachments of a wrong type": (
        lambda t: notebook({"cell_type": "markdown", "source": "", "metadata": {}, "attachments": [t]}),
        0,
        "attachments[0]",
    ),
    "papermill": (
        lambda t: notebook(code("1"), papermill={"parameters": {"tok": t}}),
        None,
        "metadata.papermill.parameters.tok",
    ),
    "widget state": (
        lambda t: notebook(code("1"), widgets={STATE: {"state": {"0a" * 16: {"state": {"value": t}}}}}),
        None,
        f"metadata.widgets.{STATE}.state.{'0a' * 16}.state.value",
    ),
    "metadata key": (lambda t: notebook(code("1"), **{t: {}}), None, "metadata.<key>"),
    "notebook extra": (lambda t: notebook(code("1")) | {"extra": [[t]]}, None, "extra[0][0]"),
    "notebook key": (lambda t: notebook(code("1")) | {t: 1}, None, "<key>"),
    "outputs of a wrong type": (lambda t: notebook(code("1") | {"outputs": {"a": t}}), 0, "outputs.a"),
    "v3 input": (
        lambda t: v3({"cell_type": "code", "language": "python", "input": [f"x='{t}'"], "outputs": []}),
        1,
        "input",
    ),
    "v3 heading": (lambda t: v3({"cell_type": "heading", "level": 1, "source": t, "metadata": {}}), 1, "source"),
    "v3 text": (lambda t: v3_output(text=["a\n", t]), 1, "outputs[0].text"),
    "v3 html": (lambda t: v3_output(html=t), 1, "outputs[0].html"),
    "v3 png": (lambda t: v3_output(png=t), 1, "outputs[0].png"),
    "v3 stream": (lambda t: v3_output(stream="stdout", text=t), 1, "outputs[0].text"),
    "v3 worksheet metadata": (
        lambda t: v3({}) | {"worksheets": [{"metadata": {"x": t}, "cells": []}]},
        None,
        "worksheets[0].metadata.x",
    ),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("make", [support.hex_token, support.key_token])
def test_every_place(place: str, make: Callable[[], str]) -> None:
    token = make()
    build, cell, field = PLACES[place]
    nb = build(token)
    (finding,) = look(nb).findings
    assert (finding.address.cell_index, str(finding.address.field)) == (cell, field)
    assert finding.cut
    clean(nb)


@pytest.mark.filterwarnings("ignore")  # nbformat's own advice about ids
@pytest.mark.parametrize("place", PLACES)
def test_valid_notebooks_stay_valid(place: str) -> None:
    for make in (support.hex_token, support.key_token):
        nb = PLACES[place][0](make())
        scan = look(nb)
        if _valid(nb):
            assert _valid(scan.redact(range(len(scan.findings))).content)


def _valid(nb: dict[str, Any]) -> bool:
    try:
        nbformat.validate(nb)
    except (nbformat.ValidationError, TypeError, KeyError, AttributeError, ValueError):
        return False
    return True


def test_nodes_of_nbformat_keep_their_type() -> None:
    token = support.hex_token()
    nb = nbformat.from_dict(notebook(code(f"x='{token}'")))
    done = look(nb).redact([0]).content
    assert isinstance(done, nbformat.NotebookNode)
    assert isinstance(done.cells[0], nbformat.NotebookNode)
    assert done.cells[0].source.startswith("x='[REDACTED:")
    assert done.metadata is nb.metadata


def test_cell_ids_missing_repeated_and_odd() -> None:
    token = support.hex_token()
    nb = notebook(code("1"), code(f"'{token}'", id="same"), code(f"'{token}'", id="same"), code(f"'{token}'", id=7))
    assert [(f.address.cell_index, f.address.cell_id) for f in look(nb).findings] == [
        (1, "same"),
        (2, "same"),
        (3, None),
    ]
    clean(nb)


def test_values_are_scanned_with_their_key() -> None:
    word = support.password()
    nb = notebook(code("1"), papermill={"parameters": {"password": word}})
    (finding,) = look(nb).findings
    assert (finding.rule.id, finding.fingerprint) == ("test-password", "0" * 64)
    assert clean(nb).content["metadata"]["papermill"]["parameters"]["password"] == "[REDACTED:test-password:00000000]"


def test_entropy_does_not_count_in_ids_and_hashes() -> None:
    noise = "A1" * 32
    engine = support.FakeEngine()
    for key in ("model_id", "hash", "provenance", "jupyter_execution_id"):
        nb = notebook(code("1"), colab={key: f"'{noise}'"})
        assert scan_notebook(nb, engine=engine).findings == ()
    assert len(scan_notebook(notebook(code("1"), colab={"note": f"'{noise}'"}), engine=engine).findings) == 1


def test_repeated_keys_are_all_judged_and_cut() -> None:
    a, b, c = (support.hex_token() for _ in range(3))
    text = (
        f'{{"nbformat": 4, "nbformat_minor": 4, "metadata": {{"x": "{a}", "x": "{b}", "{c}": 1, "{c}": 2}},'
        f' "cells": [{{"cell_type": "raw", "source": "{a}", "source": "", "metadata": {{}}}}], "cells": []}}'
    )
    scan = scan_text(text, name="x.ipynb", engine=support.FakeEngine(), key=KEY)
    assert (scan.kind, len(scan.findings)) == ("notebook", 5)
    done = scan.redact(range(5)).content
    assert not any(token in done for token in (a, b, c))
    assert done.count("[REDACTED:test-token:") == 5
    assert len(done.split('"')) == len(text.split('"'))
    assert scan_text(done, name="x.ipynb", engine=support.FakeEngine()).findings == ()


def test_odd_values_do_no_harm() -> None:
    token = support.hex_token()
    nb: dict[str, Any] = notebook(
        code(f"x='{token}'\0\ud800", {"output_type": "stream", "text": None}),
        {"cell_type": None, "source": 7, "outputs": 3, "metadata": math.nan},
        {},
        big=2**70,
        nan=math.inf,
        nothing=None,
        lone="\ud83d" + token,
    )
    assert len(look(nb).findings) == 2
    scan = look(nb)
    content = scan.redact([0, 1]).content
    assert content["metadata"]["big"] == 2**70
    data = json.dumps(nb).encode()
    spliced = scan_bytes(data, name="a.ipynb", engine=support.FakeEngine(), key=KEY).redact([0, 1]).content
    assert json.loads(spliced)["cells"][0] == content["cells"][0]
    assert b"Infinity" in spliced
    assert b"NaN" in spliced


@pytest.mark.parametrize("nb", [None, [], "x", 7, {}, {"cells": 1}, {"cells": [], "metadata": []}, {"nbformat": "4"}])
def test_what_is_no_notebook_says_so(nb: Any) -> None:
    scan = scan_notebook(nb, engine=support.FakeEngine())
    assert scan.problem is not None
    assert scan.redact([]).content is nb


def test_a_model_without_cells_is_still_walked() -> None:
    nb = notebook() | {"cells": {"0": support.hex_token()}}
    scan = look(nb)
    assert [f.address.field for f in scan.findings] == ["cells.0"]
    assert scan.redact([0]).content["cells"]["0"].startswith("[REDACTED:")


def test_deep_nesting_is_unchecked() -> None:
    token = support.hex_token()
    deep: Any = [token]
    for _ in range(5000):
        deep = {"a": deep}
    scan = scan_notebook(notebook(code(f"'{token}'"), deep=deep), engine=support.FakeEngine())
    assert len(scan.findings) == 1
    (part,) = scan.unchecked
    assert part.over_budget
    assert part.field is not None
    assert part.field.startswith("metadata.deep.a.a")


def test_many_cells() -> None:
    token = support.hex_token()
    nb = notebook(*(code(f"print({i})") for i in range(10_000)), code(f"'{token}'"))
    (finding,) = look(nb).findings
    assert finding.address.cell_index == 10_000
    assert clean(nb).content["cells"][:10_000] == nb["cells"][:10_000]


def test_nothing_about_a_secret_is_shown() -> None:
    token = support.hex_token()
    nb = notebook(code(f"x='{token}'", id=token[:20]), **{token: {token: token}})
    scan = look(nb)
    done = scan.redact(range(len(scan.findings)))
    for thing in (scan, scan.findings, scan.unchecked, done.removed):
        assert token[4:12] not in repr(thing)
