"""Properties of every redaction, and the forms that markers take in program text."""

from __future__ import annotations

import ast
import base64
import copy
import json
import re
import secrets
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_qguard.errors import RedactionError
from jupyter_qguard.scan import redact_code
from jupyter_qguard.scan.redact_code import parses
from jupyter_qguard.scan.scanner import scan_bytes, scan_notebook, scan_text
from tests.unit.scan import scan_support as support
from tests.unit.scan.test_scanner import KEY, clean, code, look, notebook

MARKER = re.compile(r"\[REDACTED:[a-z-]+:[0-9a-f]{8}\]|REDACTED-[a-z-]+-[0-9a-f]{8}")
LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)

hexes = st.text("0123456789abcdef", min_size=40, max_size=40).map(lambda core: "QGT-" + core)
keys = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", min_size=18, max_size=18).map(lambda core: "QG" + core)
tokens = st.one_of(hexes, keys)
wrap = st.sampled_from(
    [
        str,
        lambda t: f"'{t}'",
        lambda t: f"\x1b[1m{t[:7]}\x1b[0m{t[7:]}",
        lambda t: f"<i>{t[:11]}</i>{t[11:]}",
        lambda t: base64.b64encode(f"pad {t} pad".encode()).decode(),
        lambda t: "".join(f"\\u{ord(c):04x}" for c in t),
        lambda t: "".join(f"%{ord(c):02x}" for c in t),
        lambda t: f"pad {t}".encode().hex(),
        lambda t: t[-15:],
        lambda t: t[4:12],
    ]
)
junk = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=20)
pieces = st.one_of(junk, st.builds(lambda w, t: f" {w(t)} ", wrap, tokens))
texts = st.lists(pieces, max_size=6).map("".join)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=8,
)


@st.composite
def notebooks(draw: st.DrawFn) -> dict[str, Any]:
    """Notebooks with one token in several forms among other texts, and odd parts."""
    cells = []
    for _ in range(draw(st.integers(0, 3))):
        source = draw(texts)
        cell: dict[str, Any] = {"cell_type": draw(st.sampled_from(["code", "markdown", "raw"])), "metadata": {}}
        cell["source"] = draw(st.sampled_from([source, source.splitlines(keepends=True)]))
        if draw(st.booleans()):
            cell["metadata"] = draw(json_values)
        if cell["cell_type"] == "code":
            data = {"text/plain": draw(texts), "text/html": draw(texts), "application/json": draw(json_values)}
            traceback = {"output_type": "error", "traceback": draw(st.lists(texts, max_size=3))}
            cell["outputs"] = [{"output_type": "display_data", "metadata": {}, "data": data}, traceback]
        cells.append(cell)
    return notebook(*cells, note=draw(json_values))


@settings(max_examples=150, deadline=None)
@given(notebooks(), st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_any_notebook(nb: dict[str, Any], ascii_only: bool, indent: Any) -> None:
    before = copy.deepcopy(nb)
    scan = look(nb)
    done = scan.redact(range(len(scan.findings)))
    assert nb == before
    # idempotent
    again = look(done.content)
    assert again.findings == ()
    assert again.redact([]).content is done.content
    # the same edits in the bytes
    data = json.dumps(nb, ensure_ascii=ascii_only, indent=indent).encode()
    spliced = scan_bytes(data, name="x.ipynb", engine=support.FakeEngine(), key=KEY)
    result = spliced.redact(range(len(spliced.findings))).content
    assert json.loads(result) == done.content
    if not scan.findings:
        assert done.content is nb
        assert result == data
    # outside string literals every byte is as it was
    assert LITERAL.sub("", result.decode()) == LITERAL.sub("", data.decode())


@settings(max_examples=200, deadline=None)
@given(texts, tokens)
def test_any_text(text: str, token: str) -> None:
    head, tail = f"{text}\n", f"\n{token} {token[4:15]} {token[::-1]}\n"
    text = head + tail
    scan = scan_text(text, engine=support.FakeEngine(), key=KEY)
    done = scan.redact(range(len(scan.findings)))
    core = token[4:] if token.startswith("QGT-") else token
    left = MARKER.sub("\0", done.content)
    assert not any(window in left for window in support.windows(core))
    assert scan_text(done.content, engine=support.FakeEngine()).findings == ()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = '{t}'", "x = '{m}'"),
        ("x = {t}", 'x = "{m}"'),
        ("f({t}, a=1)", 'f("{m}", a=1)'),
        ("x = 1  # {t}", "x = 1  # {m}"),
        ('"""doc {t}\n"""', '"""doc {m}\n"""'),
        ("x = f'{{y}} {t}'", "x = f'{{y}} {m}'"),
        ("%env KEY={t}\nx = 1", "%env KEY={m}\nx = 1"),
        ("!curl -H 'X: {t}' https://x\nx = '{t}'", "!curl -H 'X: {m}' https://x\nx = '{m}'"),
        ("y = !echo {t}\nz = {t}", 'y = !echo {m}\nz = "{m}"'),
        ("await f({t})", 'await f("{m}")'),
        ("%%time\nx = {t}", '%%time\nx = "{m}"'),
        ("%%bash\nexport KEY={t}\necho '{t}'", "%%bash\nexport KEY=\"{m}\"\necho '{m}'"),
        ("%%writefile .env\nKEY={t}\n", "%%writefile .env\nKEY={m}\n"),
        ("not python at all {t} '{t}'", "not python at all \"{m}\" '{m}'"),
    ],
)
def test_forms_in_code(source: str, expected: str) -> None:
    token = support.key_token()
    source = source.replace("{{", "<").replace("}}", ">").replace("{t}", token).replace("<", "{").replace(">", "}")
    done = clean(notebook(code(source)))
    text = done.content["cells"][0]["source"]
    want = expected.replace("{{", "{").replace("}}", "}").replace("{m}", done.markers[0])
    assert text == want
    assert parses(text) or not parses(source)


@pytest.mark.parametrize(
    "source",
    [
        "{h} = 1\nx = '{t}'",
        "def {h}():\n    return '{t}'\n{h}()",
        "class A:\n    {h} = 1\n    x = '{t}'\n",
        "if True:\n    from {h} import x as y, {h}b\nx = '{t}'",
        "for {h} in '{t}':\n    print({h})\nelse:\n    {h}()\n",
        "x = '{t}'; import {h}",
        "%time {h}()\nx = lambda {h}: '{t}'",
        "x = '''\n{t}\n'''; {h} = 2",
    ],
)
def test_code_that_parsed_parses_afterwards_whatever_it_takes(source: str) -> None:
    """A name that shows part of a core cannot stay, even where only a statement can go with it."""
    token = support.key_token()
    source = source.replace("{t}", token).replace("{h}", token[:11])
    assert parses(source)
    text = clean(notebook(code(source))).content["cells"][0]["source"]
    assert parses(text)
    assert not any(window in MARKER.sub("", text) for window in support.windows(token))


def test_other_languages_go_by_quotes() -> None:
    token = support.key_token()
    nb = notebook(code(f'x <- {token}; y <- "{token}"'), kernelspec={"name": "ir", "language": "R"})
    done = clean(nb)
    marker = done.markers[0]
    assert done.content["cells"][0]["source"] == f'x <- "{marker}"; y <- "{marker}"'


def test_only_what_was_chosen_goes() -> None:
    first, second = support.hex_token(), support.hex_token()
    nb = notebook(code(f"a = '{first}'\nb = '{second}'"))
    source = look(nb).redact([1]).content["cells"][0]["source"]
    assert first in source
    assert second not in source


def test_keys_that_collide_get_a_suffix_in_both_forms() -> None:
    token = support.hex_token()
    first = look(notebook(code("1"), x={token: 1})).redact([0]).markers[0]
    nb = notebook(code("1"), x={first: 0, token: 1, "z": {first + "-2": 0, token: 2, first: 3}})
    done = clean(nb).content["metadata"]["x"]
    assert list(done) == [first, first + "-2", "z"]
    assert list(done["z"]) == [first + "-2", first + "-3", first]


def test_the_marker_names_the_whole_span_under_the_key() -> None:
    token = support.hex_token()
    nb = notebook(code(f"x='{token}'"), code("1", {"output_type": "stream", "name": "stdout", "text": token}))
    scan = look(nb)
    assert len({f.fingerprint for f in scan.findings}) == 1
    done = scan.redact([0, 1])
    assert done.markers == (f"[REDACTED:test-token:{scan.findings[0].fingerprint[:8]}]",)
    bare = scan_notebook(nb, engine=support.FakeEngine())
    assert bare.findings[0].fingerprint == "0" * 64
    assert bare.redact([0]).markers == ("[REDACTED:test-token:00000000]",)
    assert [entry.source for entry in done.removed] == [True, False]


def test_long_source_lists_are_cut_across_elements() -> None:
    token = support.key_token()
    parts = ["x = '''\n", *token, "\n'''", "\ny = 1"]
    done = clean(notebook(code(parts)))
    source = done.content["cells"][0]["source"]
    assert len(source) == len(parts)
    assert "".join(source) == f"x = '''\n{done.markers[0]}\n'''\ny = 1"
    assert ast.parse("".join(source))


@pytest.mark.parametrize(
    "traceback",
    [
        lambda lines: lines,
        lambda lines: ["Error", "", *lines, "", "at main"],
        lambda lines: [f"\x1b[31m{line}\x1b[0m" for line in lines],
        lambda lines: ["Error", f"key: {lines[0]}", *lines[1:-1], f"{lines[-1]} is wrong"],
        lambda lines: ["\n".join(lines[:3]), "", *lines[3:]],
    ],
)
def test_a_key_over_several_strings_of_a_traceback(traceback: Callable[[list[str]], list[str]]) -> None:
    """Many kernels give a traceback line by line, and a private key has many lines."""
    body = base64.b64encode(secrets.token_bytes(400)).decode()
    armour = ("-----BEGIN PRIVATE " + "KEY-----", "-----END PRIVATE " + "KEY-----")
    lines = [armour[0], *(body[at : at + 64] for at in range(0, len(body), 64)), armour[1]]
    given = traceback(lines)
    nb = notebook(code("1", outputs=[{"output_type": "error", "ename": "E", "evalue": "", "traceback": given}]))
    data = json.dumps(nb).encode()
    for scan, read in ((scan_notebook(nb, key=KEY), dict), (scan_bytes(data, name="a.ipynb", key=KEY), json.loads)):
        done = read(scan.redact(range(len(scan.findings))).content)
        left = done["cells"][0]["outputs"][0]["traceback"]
        assert len(left) == len(given)
        assert len(MARKER.findall("".join(left))) == 1
        assert not any(body[at : at + 8] in "".join(left) for at in range(len(body) - 7))
        assert scan_notebook(done, key=KEY).findings == ()


def test_a_fault_of_the_redaction_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    token = support.hex_token()
    scan = look(notebook(code(f"x='{token}'")))
    with monkeypatch.context() as patch:
        patch.setattr("jupyter_qguard.scan.result.apply_edits", lambda nb, edits: nb)
        with pytest.raises(RedactionError) as caught:
            scan.redact([0])
        assert token[4:12] not in str(caught.value)
    with monkeypatch.context() as patch:
        patch.setattr("jupyter_qguard.scan.redact.core_windows", lambda text, windows: iter(()))
        text = scan_text(f"{token} {token[6:20]}", engine=support.FakeEngine())
        with pytest.raises(RedactionError):
            text.redact([0])


@pytest.mark.parametrize(
    "wrapped", [str, lambda t: f"\x1b[1m{t}\x1b[0m", lambda t: base64.b64encode(t.encode()).decode()]
)
def test_thousands_of_secrets_take_seconds_at_most(wrapped: Callable[[str], str]) -> None:
    """Generous: a quadratic step takes minutes here."""
    tokens = [support.hex_token() for _ in range(1000)]
    text = "\n".join(wrapped(token) for token in tokens)
    nb = notebook({"cell_type": "raw", "metadata": {}, "source": text}, *(code(f"'{token}'") for token in tokens))
    started = time.process_time()
    scan = look(nb)
    assert len(scan.findings) == 2000
    content = scan.redact(range(2000)).content
    assert time.process_time() - started < 20
    assert not any(token[4:12] in MARKER.sub("", str(content)) for token in tokens)


@pytest.mark.parametrize(
    "piece", ["<", "<b>", "a<b>", ">a", "\\u0041", "%41", "\x1b]", "\x1b[1", "&#65;", "QUJD" * 19 + "\n"]
)
def test_hostile_texts_take_linear_time(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    started = time.process_time()
    scan_text(text, engine=support.FakeEngine())
    assert time.process_time() - started < 5


def test_opaque_files_are_never_rewritten() -> None:
    scan = scan_bytes(
        b"\x80\x04\x95\x00" + support.hex_token().encode() + bytes(90), name="a.pkl", engine=support.FakeEngine()
    )
    (finding,) = scan.findings
    assert (scan.kind, finding.cut, finding.content) == ("opaque", False, "opaque")
    with pytest.raises(RedactionError):
        scan.redact([0])


def test_very_many_secrets_of_one_cell_cost_few_parses(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []
    real = redact_code._compiles
    monkeypatch.setattr(redact_code, "_compiles", lambda text: parsed.append(1) or real(text))
    forms = {'x = "{}"\n': 0, "x = {}\n": 1, "# {}\n": 0, "f({}, '{}')\n": 1}
    source = "".join(form.replace("{}", support.hex_token().replace("-", "_")) for form in [*forms] * 40)
    spans = [
        (m.start(), m.end(), "[REDACTED:test-token:00000000]", '"[REDACTED:test-token:00000000]"')
        for m in re.finditer(r"QGT_[0-9a-f]{40}", source)
    ]
    replacements, wider = redact_code.choose_forms(source, spans, python=True)
    new = redact_code.apply(source, replacements)
    assert len(spans) == 200
    assert not wider
    assert len(parsed) < 20
    marker = "[REDACTED:test-token:00000000]"
    assert new == "".join(
        [f'x = "{marker}"\n', f'x = "{marker}"\n', f"# {marker}\n", f"f(\"{marker}\", '{marker}')\n"] * 40
    )


def test_a_very_long_cell_is_cut_by_its_quotes_without_being_parsed() -> None:
    """Parsing a cell of megabytes takes seconds and hundreds of megabytes; a save must not."""
    from jupyter_qguard.scan.redact_code import MOST_PARSED, choose_forms, parses

    filler = "x = 1\n" * (MOST_PARSED // 6)
    for line, form in (('k = "HERE"\n', "B"), ("k = HERE\n", '"B"'), ("# HERE\n", "B")):
        text = line + filler
        at = text.index("HERE")
        chosen, wider = choose_forms(text, [(at, at + 4, "B", '"B"')], python=True)
        assert (chosen, wider) == ([(at, at + 4, form)], False)
        assert parses(line.replace("HERE", form))
