"""The download door on real servers: what leaves through /files and /view, and what a browser may keep of it."""

from __future__ import annotations

import gzip
import io
import json
import os
import secrets
import time
import zipfile
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.server.harness import Server, code_cell, core, notebook, with_secret

MARKER = b"[REDACTED:aws-access-key-id:"


def fetch(server: Server, path: str, method: str = "GET", **headers: str):
    """Ask for a file; headers are given as ``if_none_match="…"``."""
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    return server.call(method, f"files/{quote(path)}", headers=named)


def decisions(server: Server, path: str) -> list[dict]:
    found = server.call("GET", f"qguard/api/decisions?path={quote(path)}").ok().json["decisions"]
    return [event for event in found if event["door"] == "download"]


@pytest.fixture
def dirty(place: Path, plant: str) -> str:
    """The path of a notebook with a secret that was there before the guard."""
    (place / "a.ipynb").write_text(json.dumps(with_secret(plant)))
    settle()
    return f"{place.name}/a.ipynb"


def settle() -> None:
    """Wait until a file's times are old enough for a verdict on it to be remembered."""
    time.sleep(0.12)


@pytest.mark.parametrize("suffix", ["", "?download=1", "?_xsrf=x", "?v=1"])
def test_row_17_download_of_a_notebook(server: Server, dirty: str, plant: str, suffix: str) -> None:
    before = (server.root / dirty).read_bytes()
    reply = server.call("GET", f"files/{dirty}{suffix}").ok()
    assert core(plant).encode() not in reply.body
    assert MARKER in reply.body
    assert json.loads(reply.body)["cells"][0]["outputs"][0]["text"].startswith("using [REDACTED:")
    assert reply.headers["Content-Type"] == "application/x-ipynb+json"
    assert reply.headers["Content-Disposition"] == "attachment; filename*=utf-8''a.ipynb"
    assert reply.headers["Cache-Control"] == "no-store"
    assert "Last-Modified" not in reply.headers
    assert "Expires" not in reply.headers
    assert (server.root / dirty).read_bytes() == before, "a download changes nothing on the disk"
    assert server.where(plant) == [f"root/{dirty}"], "and keeps nothing"
    (event,) = decisions(server, dirty)
    assert (event["action"], event["kind"], len(event["findings"])) == ("redact", "notebook", 2)


def test_row_22_dragged_out_of_the_file_browser(server: Server, dirty: str, plant: str) -> None:
    """A file dragged to the desktop, and one opened in a tab of its own, are the same URL; /view frames it."""
    page = server.call("GET", f"view/{dirty}").ok()
    _, _, rest = page.body.decode().partition('src="')
    frame = rest.partition('"')[0]
    assert frame == f"/files/{dirty}"
    reply = server.call("GET", frame).ok()
    assert MARKER in reply.body
    assert core(plant).encode() not in reply.body


def test_head_and_ranges_speak_of_what_is_sent(server: Server, dirty: str, plant: str) -> None:
    whole = fetch(server, dirty).ok()
    head = fetch(server, dirty, "HEAD")
    assert (head.status, head.body) == (200, b"")
    for name in ("Content-Length", "Etag", "Content-Type", "Accept-Ranges"):
        assert head.headers[name] == whole.headers[name]
    assert int(head.headers["Content-Length"]) == len(whole.body) != (server.root / dirty).stat().st_size
    middle = whole.body.index(MARKER) + 10
    part = fetch(server, dirty, range=f"bytes={middle}-{middle + 9}")
    assert (part.status, part.body) == (206, whole.body[middle : middle + 10])
    assert part.headers["Content-Range"] == f"bytes {middle}-{middle + 9}/{len(whole.body)}"
    joined = b"".join(fetch(server, dirty, range=f"bytes={at}-{at + 49}").body for at in range(0, len(whole.body), 50))
    assert joined == whole.body
    beyond = fetch(server, dirty, range=f"bytes={len(whole.body)}-")
    assert (beyond.status, beyond.body) == (416, b"")
    assert beyond.headers["Content-Range"] == f"bytes */{len(whole.body)}"
    assert len(decisions(server, dirty)) == 1, "one download in parts is one entry"


def test_a_validator_is_good_for_just_this_content_policy_and_guard(server: Server, place: Path, dirty: str) -> None:
    (place / "c.ipynb").write_text(json.dumps(notebook(code_cell("1 + 1"))))
    clean = f"{place.name}/c.ipynb"
    modified = fetch(server, clean).headers["Last-Modified"]
    for path in (clean, dirty):
        ours = fetch(server, path).headers["Etag"]
        same = fetch(server, path, if_none_match=f'"other", W/{ours}')
        assert (same.status, same.body) == (304, b"")
        for kept in ('"an old one"', "*", 'W/"x"', ours.strip('"')):
            assert fetch(server, path, if_none_match=kept).status == 200
        assert fetch(server, path, if_modified_since=modified).status == 200
        assert fetch(server, path, if_modified_since="Fri, 01 Jan 2100 00:00:00 GMT").status == 200
        assert fetch(server, path, range="bytes=0-3", if_range=ours).status == 206
        for kept in ('"an old one"', modified, f"W/{ours}"):
            assert fetch(server, path, range="bytes=0-3", if_range=kept).status == 200
        (place / "qguard.toml").write_text('version = 1\n[content]\nopaque = "block"\n')
        changed = fetch(server, path, if_none_match=ours)
        assert changed.status == 200
        assert changed.headers["Etag"] != ours
        (place / "qguard.toml").unlink()
        assert fetch(server, path, if_none_match=ours).status == 304
    (place / "c.ipynb").write_text(json.dumps(notebook(code_cell("1 + 2"))))
    assert fetch(server, clean, if_none_match=ours).status == 200


def test_a_policy_made_stricter_holds_for_the_next_request(server: Server, place: Path, plant: str) -> None:
    path = f"{place.name}/notes.txt"
    (place / "notes.txt").write_text(f"key={plant}\n")
    first = fetch(server, path).ok()
    assert first.body == (place / "notes.txt").read_bytes(), "other files are never rewritten"
    assert first.headers["Cache-Control"] == "no-cache"
    (event,) = decisions(server, path)
    assert event["action"] == "warn"
    (place / "qguard.toml").write_text('version = 1\n[doors]\ndownload = { text = "block" }\n')
    for headers in ({}, {"if_none_match": first.headers["Etag"]}, {"range": "bytes=0-3"}):
        refused = fetch(server, path, **headers)
        assert refused.status == 422
        assert refused.json["code"] == "blocked"
        assert "line 1: aws-access-key-id" in refused.json["message"]
        assert plant not in refused.body.decode()
        assert refused.headers["Cache-Control"] == "no-store"
        assert "Etag" not in refused.headers
    assert fetch(server, path, "HEAD").status == 422
    page = fetch(server, path, accept="text/html,*/*")
    assert page.status == 422
    assert page.headers["Content-Type"].startswith("text/html")
    assert b"aws-access-key-id" in page.body


def test_a_broken_notebook_leaves_only_if_nothing_is_found(server: Server, place: Path, plant: str) -> None:
    (place / "good.ipynb").write_bytes(b'{"cells": [')
    (place / "bad.ipynb").write_text('{"cells": ["key=' + plant)
    (place / "packed.ipynb").write_bytes(gzip.compress(json.dumps(with_secret(plant)).encode()))
    (place / "empty.ipynb").write_bytes(b"")
    assert fetch(server, f"{place.name}/good.ipynb").ok().body == b'{"cells": ['
    assert fetch(server, f"{place.name}/empty.ipynb").ok().body == b""
    for name in ("bad", "packed"):
        reply = fetch(server, f"{place.name}/{name}.ipynb")
        assert reply.status == 422
        assert "Not downloaded" in reply.json["message"]
        assert core(plant) not in reply.body.decode()


def test_a_notebook_is_known_by_its_content_too(server: Server, place: Path, plant: str) -> None:
    text = json.dumps(with_secret(plant), indent=1)
    forms = {
        "utf16.ipynb": ("\ufeff" + text).encode("utf-16-le"),
        "bom.ipynb": text.encode("utf-8-sig"),
        "upper.IPYNB": text.encode(),
        "renamed.txt": text.encode(),
        "no-suffix": text.encode(),
    }
    for name, data in forms.items():
        (place / name).write_bytes(data)
        body = fetch(server, f"{place.name}/{name}").ok().body
        encoding = "utf-16-le" if name.startswith("utf16") else "utf-8"
        assert "[REDACTED:aws-access-key-id:" in body.decode(encoding), name
        assert core(plant) not in body.decode(encoding), name


def test_what_cannot_be_cut_is_sent_and_recorded(server: Server, place: Path, plant: str) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.txt", f"key={plant}\n" * 3)
    files = {"a.zip": packed.getvalue(), "a.ipynb.gz": gzip.compress(json.dumps(with_secret(plant)).encode())}
    for name, data in files.items():
        (place / name).write_bytes(data)
        path = f"{place.name}/{name}"
        assert fetch(server, path).ok().body == data
        (event,) = decisions(server, path)
        assert (event["action"], event["kind"]) == ("warn", "opaque")
        (place / "qguard.toml").write_text('version = 1\n[content]\nopaque = "block"\n')
        assert fetch(server, path).status == 422
        (place / "qguard.toml").unlink()


def test_many_requests_for_one_download_are_one_entry(server: Server, dirty: str) -> None:
    for _ in range(5):
        fetch(server, dirty).ok()
        fetch(server, dirty, range="bytes=5-30")
        fetch(server, dirty, "HEAD").ok()
    assert len(decisions(server, dirty)) == 1


def test_names_lead_nowhere_else(server: Server, place: Path, plant: str) -> None:
    outside = server.base / "outside.txt"
    outside.write_text(f"key={plant}")
    (place / "link.txt").symlink_to(outside)
    (place / ".hidden.txt").write_text(f"key={plant}")
    (place / "sub").mkdir()
    os.mkfifo(place / "pipe")
    for name, statuses in {
        "link.txt": (403,),
        "%2e%2e/%2e%2e/outside.txt": (403, 404),
        "..%2f..%2foutside.txt": (403, 404),
        "../../outside.txt": (403, 404),
        "a%00.ipynb": (404,),
        "%00": (404,),
        ".hidden.txt": (404,),
        "sub": (403,),
        "sub/": (403,),
        "pipe": (403,),
        "no%ffname": (400, 404),
        "x" * 300: (400, 404),
        "%0d%0aX:%20y": (404,),
    }.items():
        reply = server.call("GET", f"files/{place.name}/{name}")
        assert reply.status in statuses, (name, reply.status)
        assert core(plant).encode() not in reply.body
    assert server.call("GET", "view/a%00b").status == 404
    assert server.call("GET", f"files/{place.name}/link.txt", token=None).status in (302, 403)
    outside.unlink()


@pytest.mark.parametrize("kind", ["throw", "recurse", "memory"])
def test_a_failing_scanner_sends_nothing_and_a_known_verdict_is_not_scanned_again(
    server: Server, place: Path, dirty: str, plant: str, kind: str
) -> None:
    (place / "c.ipynb").write_text(json.dumps(notebook(code_cell(secrets.token_hex(4)))))
    settle()
    clean = f"{place.name}/c.ipynb"
    first = fetch(server, clean).ok().body
    server.trouble(kind)
    try:
        for method in ("GET", "HEAD"):
            reply = fetch(server, dirty, method)
            assert reply.status == 503
            assert "Etag" not in reply.headers
        assert json.loads(fetch(server, dirty).body)["code"] == "scan-failed"
        assert core(plant) not in fetch(server, dirty, accept="text/html").body.decode()
        assert fetch(server, clean).ok().body == first
    finally:
        server.trouble(None)
    assert core(plant).encode() not in server.log.read_bytes()
