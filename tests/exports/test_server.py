"""``/nbconvert`` on a real guarded server: nothing planted comes out, clean notebooks come out as ever."""

from __future__ import annotations

import base64
import gzip
import http.client
import io
import json
import os
import secrets
import zipfile
from typing import Any

import pytest

from tests.exports.plants import clean, planted
from tests.exports.search import leaks
from tests.exports.tools import FORMATS, foreign_env, left_out, needs
from tests.server.harness import TOKEN, Reply, Server, aws, code_cell, notebook, with_secret

TEXTS = ("html", "markdown", "script", "notebook", "slides", "latex", "rst", "asciidoc", "python")


def export(server: Server, to: str, path: str, more: str = "") -> Reply:
    return server.call("GET", f"nbconvert/{to}/{path}{more}")


def post(server: Server, to: str, book: Any, name: str = "a.ipynb") -> Reply:
    return server.call("POST", f"nbconvert/{to}", {"name": name, "content": book})


def members(reply: Reply) -> dict[str, bytes]:
    """Return a reply's files: its zip members, or the body alone."""
    if not reply.body.startswith(b"PK"):
        return {"": reply.body}
    with zipfile.ZipFile(io.BytesIO(reply.body)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("to", FORMATS)
def test_row_18_no_format_carries_a_secret(guarded: Server, put: Any, to: str) -> None:
    needs(to)
    book, values = planted(without=left_out(to))
    reply = export(guarded, to, put(book, guarded))
    assert reply.status == 200, reply.body[:300]
    assert len(reply.body) > 80
    assert leaks(reply.body, values) == []
    assert b"REDACTED" in reply.body or to in ("webpdf", "pdf", "qtpdf", "qtpng") or b"PK" in reply.body[:2]


@pytest.mark.parametrize("to", FORMATS)
def test_row_19_a_posted_notebook_is_no_way_around(guarded: Server, to: str) -> None:
    needs(to)
    book, values = planted(without=left_out(to))
    reply = post(guarded, to, book)
    assert reply.status == 200, reply.body[:300]
    assert leaks(reply.body, values) == []


def test_the_search_finds_what_an_unguarded_server_sends(unguarded: Server, put: Any) -> None:
    book, values = planted()
    path = put(book, unguarded)
    for to, hidden in (("notebook", set()), ("markdown", {"json", "raw", "widget", "metadata", "cell-metadata"})):
        found = leaks(export(unguarded, to, path).body, values)
        assert set(values) - set(found) <= hidden, to


@pytest.mark.parametrize("to", TEXTS)
@pytest.mark.parametrize("download", ["", "?download=true"])
def test_a_clean_notebook_comes_out_as_without_the_guard(
    guarded: Server, unguarded: Server, put: Any, to: str, download: str
) -> None:
    needs(to)
    path = put(clean(without=left_out(to)), guarded, unguarded)
    stamp = 1_700_000_000
    for server in (guarded, unguarded):
        os.utime(server.root / path, (stamp, stamp))
    one, other = export(guarded, to, path, download), export(unguarded, to, path, download)
    assert one.status == other.status == 200
    assert members(one) == members(other)
    for reply in (one, other):
        for varying in ("Date", "Content-Length", "Etag", "Set-Cookie"):
            reply.headers.pop(varying, None)
    for header in one.headers:
        one.headers[header] = one.headers[header].replace(str(guarded.port), "port")
        other.headers[header] = other.headers.get(header, "").replace(str(unguarded.port), "port")
    assert one.headers == other.headers


@pytest.mark.parametrize("to", TEXTS)
def test_a_clean_posted_notebook_comes_out_as_without_the_guard(guarded: Server, unguarded: Server, to: str) -> None:
    needs(to)
    book = clean(without=left_out(to))
    one, other = post(guarded, to, book), post(unguarded, to, book)
    assert one.status == other.status == 200
    assert members(one) == members(other)
    assert one.headers["Content-Type"] == other.headers["Content-Type"]


def test_sanitize_html_is_passed_on(guarded: Server, unguarded: Server, put: Any) -> None:
    markdown = {"cell_type": "markdown", "id": "m", "metadata": {}, "source": "<script>alert(1)</script>"}
    path = put(notebook(markdown), guarded, unguarded)
    for value in ("true", "false"):
        one = export(guarded, "html", path, f"?sanitize_html={value}").body
        assert one == export(unguarded, "html", path, f"?sanitize_html={value}").body
        assert (b"<script>alert" in one) == (value == "false")


def test_what_happened_is_on_record(guarded: Server, put: Any) -> None:
    path = put(with_secret(aws()), guarded)
    assert export(guarded, "html", path).status == 200
    [decision] = guarded.call("GET", f"qguard/api/decisions?path={path}").json["decisions"]
    assert (decision["door"], decision["action"]) == ("export", "redact")


def test_nothing_is_kept_and_the_original_stays(guarded: Server, put: Any) -> None:
    value = aws()
    path = put(with_secret(value), guarded)
    assert export(guarded, "notebook", path).status == 200
    assert guarded.where(value) == [f"root/{path}"]


@pytest.mark.parametrize("to", ["foreign_text", "foreign_bytes", "foreign_mutates", "foreign_writes"])
def test_somebody_elses_exporter_is_handed_a_clean_notebook(guarded: Server, put: Any, to: str) -> None:
    book, values = planted()
    reply = export(guarded, to, put(book, guarded))
    assert reply.status == 200, reply.body
    assert leaks(reply.body, values) == []
    if to == "foreign_writes":
        written = guarded.root / "written.txt"
        assert leaks(written.read_bytes(), values) == []
        written.unlink()


@pytest.fixture
def elsewhere(guarded: Server) -> str:
    """A secret that only the exporters under test know."""
    value = aws()
    (guarded.base / "elsewhere").write_text(value)
    return value


def test_what_an_exporter_adds_is_cut_out(guarded: Server, put: Any, elsewhere: str) -> None:
    reply = export(guarded, "foreign_fetches", put(clean(), guarded))
    assert reply.status == 200
    files = members(reply)
    assert len(files) == 2
    assert leaks(reply.body, {"elsewhere": elsewhere}) == []
    assert all(b"REDACTED" in data for data in files.values())


def test_a_text_that_poses_as_another_goes_out_as_it_was_judged(guarded: Server, put: Any, elsewhere: str) -> None:
    reply = export(guarded, "foreign_poses", put(clean(), guarded))
    assert (reply.status, reply.body) == (200, b"nothing")


@pytest.mark.parametrize(
    ("mime", "pack"),
    [
        ("application/zip", lambda value: zipped(value)),
        ("application/gzip", lambda value: gzip.compress(value)),
        ("image/svg+xml", lambda value: gzip.compress(b"<svg><text>" + value + b"</text></svg>")),
    ],
)
@pytest.mark.parametrize("to", ["html", "markdown", "notebook"])
def test_an_attachment_of_any_type_that_was_taken_out_stops_no_export(
    guarded: Server, put: Any, to: str, mime: str, pack: Any
) -> None:
    value = aws()
    markdown = {"cell_type": "markdown", "id": "m", "metadata": {}, "source": "[it](attachment:it.bin)"}
    markdown["attachments"] = {"it.bin": {mime: base64.b64encode(pack(value.encode())).decode()}}
    reply = export(guarded, to, put(notebook(markdown), guarded))
    assert reply.status == 200, reply.body
    assert leaks(reply.body, {"attachment": value}) == []


def zipped(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("it.txt", data)
    return buffer.getvalue()


@pytest.mark.parametrize("to", ["foreign_packs", "foreign_names", "foreign_suffixes"])
def test_what_cannot_be_cut_out_is_refused(guarded: Server, put: Any, elsewhere: str, to: str) -> None:
    reply = export(guarded, to, put(clean(), guarded))
    assert reply.status == 422
    assert reply.json["code"] == "blocked"
    assert leaks(reply.body, {"elsewhere": elsewhere}) == []


@pytest.mark.parametrize(
    ("to", "says"),
    [
        ("foreign_nothing", "NoneType"),
        ("foreign_node", "NotebookNode"),
        ("foreign_odd", "neither text nor bytes"),
        ("foreign_raises", "ValueError"),
        ("foreign_exits", "SystemExit"),
        ("foreign_interrupts", "KeyboardInterrupt"),
        ("foreign_broken", "RuntimeError"),
        ("foreign_named", "template"),
    ],
)
def test_an_exporter_that_cannot_is_a_clean_sentence(guarded: Server, put: Any, to: str, says: str) -> None:
    book, values = planted()
    for reply in (export(guarded, to, put(book, guarded)), post(guarded, to, book)):
        assert reply.status == 422
        assert reply.json["code"] == "export-failed"
        assert says in reply.json["message"]
        assert reply.json["hint"]
        assert leaks(reply.body, values) == []
    assert leaks(guarded.log.read_bytes(), values) == []


def test_whatever_goes_wrong_behind_an_exporter_is_a_refusal(guarded: Server, put: Any, elsewhere: str) -> None:
    book, values = planted()
    values["elsewhere"] = elsewhere
    for reply in (export(guarded, "foreign_trap", put(book, guarded)), post(guarded, "foreign_trap", book)):
        assert reply.status == 503
        assert reply.json["code"] == "scan-failed"
        assert reply.json["hint"]
        assert leaks(reply.body, values) == []
    assert leaks(guarded.log.read_bytes(), values) == []


def test_an_exporter_that_returns_no_pair_is_judged_all_the_same(guarded: Server, put: Any) -> None:
    book, values = planted()
    reply = export(guarded, "foreign_bare", put(book, guarded))
    assert reply.status == 200
    assert leaks(reply.body, values) == []


def test_an_exporter_without_end_is_cut_off(tmp_path: Any) -> None:
    server = Server(tmp_path, "--QGuardGate.export_seconds=2", env=foreign_env()).wait()
    try:
        (server.root / "a.ipynb").write_text(json.dumps(clean()))
        export(server, "html", "a.ipynb")  # the import of nbconvert is not what is timed here
        for _ in range(3):  # more than there are lanes
            reply = export(server, "foreign_slow", "a.ipynb")
            assert reply.status == 503
            assert reply.json["code"] == "timeout"
        assert export(server, "html", "a.ipynb").status == 200
    finally:
        server.stop()


@pytest.mark.parametrize("to", ["nonsense", "os", "__init__", "x" * 3000, "%C3%A9t%C3%A9"])
def test_an_unknown_format_is_404(guarded: Server, put: Any, to: str) -> None:
    path = put(clean(), guarded)
    assert export(guarded, to, path).status == 404
    assert post(guarded, to, clean()).status == 404


@pytest.mark.parametrize("to", ["a.b", "nbconvert.exporters.html.HTMLExporter", "%2e%2e", "a%00b", "a%2Fb", "-"])
def test_odd_words_in_a_format_reach_no_handler(guarded: Server, put: Any, to: str) -> None:
    book, values = planted()
    reply = export(guarded, to, put(book, guarded))
    assert reply.status in (400, 404)
    assert leaks(reply.body, values) == []


BODIES = (
    None, 3, "text", [], {}, {"content": None}, {"content": "x"}, {"content": []}, {"content": {}, "name": 3},
    {"content": {"nbformat": 3, "worksheets": []}}, {"content": {"nbformat": "4"}}, {"content": {"cells": {}}},
    {"content": {"cells": []}}, {"content": {"cells": [3], "metadata": {}}},
    {"content": {"cells": [{}], "metadata": {}}},
    {"content": {"cells": [], "metadata": 3, "nbformat": 4}}, {"content": {"cells": None, "metadata": None}},
    {"content": {"metadata": {"language_info": 3}, "cells": [], "nbformat": 4, "nbformat_minor": 5}},
)  # fmt: skip


@pytest.mark.parametrize("number", range(len(BODIES)))
@pytest.mark.parametrize("to", ["html", "script", "notebook"])
def test_a_body_of_the_wrong_kind_is_4xx(guarded: Server, number: int, to: str) -> None:
    reply = guarded.call("POST", f"nbconvert/{to}", BODIES[number])
    assert reply.status in (400, 422), (reply.status, reply.body[:300])
    assert reply.json["message"]


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"\xff\xfe", b"[" * 200_000, b'{"content": ' + b"[" * 5000 + b"]" * 5000 + b"}"]
)
def test_a_body_that_is_no_json_is_4xx(guarded: Server, raw: bytes) -> None:
    assert guarded.call("POST", "nbconvert/html", raw=raw).status == 400


def test_deep_nesting_is_refused_and_not_passed_on(guarded: Server) -> None:
    value = aws()
    deep: Any = f"key {value}"
    for _ in range(300):
        deep = [deep]
    book = notebook(code_cell("x"), deep=deep)
    for to in ("notebook", "html"):
        reply = post(guarded, to, book)
        assert reply.status == 422, reply.body[:200]
        assert leaks(reply.body, {"deep": value}) == []


def test_a_notebook_that_is_broken_on_disk_is_quoted_nowhere(guarded: Server) -> None:
    value = aws()
    name = f"b{secrets.token_hex(4)}.ipynb"
    (guarded.root / name).write_text(f'key = "{value}" {{"cells": [')
    reply = export(guarded, "html", name)
    assert reply.status == 400
    assert leaks(reply.body, {"it": value}) == []
    assert leaks(guarded.log.read_bytes(), {"it": value}) == []


def test_an_old_notebook_is_converted_and_clean(guarded: Server, put: Any) -> None:
    value = aws()
    cell = {"cell_type": "code", "input": f'key = "{value}"', "outputs": [], "language": "python", "metadata": {}}
    old = {
        "worksheets": [{"cells": [cell], "metadata": {}}],
        "metadata": {"name": ""},
        "nbformat": 3,
        "nbformat_minor": 0,
    }
    reply = export(guarded, "script", put(old, guarded))
    assert reply.status == 200
    assert b"REDACTED" in reply.body
    assert leaks(reply.body, {"it": value}) == []


def test_a_missing_notebook_a_folder_and_another_file(guarded: Server) -> None:
    assert export(guarded, "html", "nowhere.ipynb").status == 404
    (guarded.root / "folder").mkdir(exist_ok=True)
    (guarded.root / "some.txt").write_text("text")
    assert export(guarded, "html", "some.txt").status == 302
    assert export(guarded, "html", "folder").status == 302


def test_who_is_not_logged_in_exports_nothing(guarded: Server, put: Any) -> None:
    path = put(clean(), guarded)
    assert guarded.call("GET", f"nbconvert/html/{path}", token=None).status in (302, 403)
    assert guarded.call("POST", "nbconvert/html", {"content": clean()}, token=None).status == 403


@pytest.mark.parametrize("kind", ["throw", "recurse", "memory"])
def test_a_scanner_that_fails_sends_nothing(guarded: Server, put: Any, kind: str) -> None:
    book, values = planted()
    path = put(book, guarded)
    guarded.trouble(kind)
    try:
        for reply in (export(guarded, "html", path), post(guarded, "html", book)):
            assert reply.status == 503
            assert leaks(reply.body, values) == []
    finally:
        guarded.trouble(None)
    assert leaks(guarded.log.read_bytes(), values) == []


def test_a_policy_that_blocks_refuses_the_export(tmp_path: Any) -> None:
    server = Server(tmp_path, env=foreign_env())
    (server.root / "qguard.toml").write_text('version = 1\n[doors]\nexport = { source = "block" }\n')
    try:
        server.wait()
        value = aws()
        (server.root / "a.ipynb").write_text(json.dumps(with_secret(value)))
        reply = export(server, "html", "a.ipynb")
        assert reply.status == 422
        assert reply.json["message"].startswith("Not exported: ")
        assert leaks(reply.body, {"it": value}) == []
        assert export(server, "html", "a.ipynb").body == reply.body
        assert post(server, "html", with_secret(value)).status == 422
    finally:
        server.stop()


def test_observing_changes_nothing_and_records(tmp_path: Any) -> None:
    server = Server(tmp_path, env=foreign_env())
    config = tmp_path / "home" / "config"
    config.mkdir(parents=True)
    (config / "qguard.toml").write_text('version = 1\nmode = "observe"\n')
    try:
        server.wait()
        value = aws()
        (server.root / "a.ipynb").write_text(json.dumps(with_secret(value)))
        reply = export(server, "script", "a.ipynb")
        assert reply.status == 200
        assert value.encode() in reply.body
        decisions = server.call("GET", "qguard/api/decisions?path=a.ipynb").json["decisions"]
        assert {(one["door"], one["mode"]) for one in decisions} == {("export", "observe")}
    finally:
        server.stop()


def test_a_person_sees_a_page(guarded: Server, put: Any) -> None:
    path = put(clean(), guarded)
    connection = http.client.HTTPConnection("127.0.0.1", guarded.port, timeout=60)
    headers = {"Authorization": f"token {TOKEN}", "Accept": "text/html,application/xhtml+xml"}
    connection.request("GET", f"/nbconvert/foreign_raises/{path}", headers=headers)
    answer = connection.getresponse()
    page = answer.read().decode()
    connection.close()
    assert answer.status == 422
    assert "Not exported to foreign_raises" in page
    assert page.lstrip().lower().startswith("<!doctype html")


def test_health_names_the_door(guarded: Server) -> None:
    health = guarded.call("GET", "qguard/api/health").json
    assert health["doors"]["export"] is True
    assert health["status"] == "guarding"
