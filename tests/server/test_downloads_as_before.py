"""Clean files: a guarded and an unguarded server, side by side, answer alike but for validators."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.server.harness import Server, code_cell, notebook

FILES = {
    "a.ipynb": json.dumps(notebook(code_cell("1 + 1", id="c"))).encode(),
    "A.IPYNB": json.dumps(notebook(code_cell("1 + 1", id="c"))).encode(),
    "plain.txt": b"one\r\ntwo\n" * 50,
    "page.html": b"<html><script>1</script></html>",
    "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8,
    "data.csv.gz": b"\x1f\x8b broken",
    "archive.tar.bz2": b"BZh9 broken",
    "noname": b"\x00\x01\x02" * 100,
    "empty.txt": b"",
    "sp ace \u00fcml 100% #1.txt": b"x",
    "quote'\".txt": b"x",
    "large.bin": bytes(range(1, 256)) * (17 << 12),
    "large.txt": ("g\u00fcnstige Zeile\n" * (1 << 20)).encode(),
    "sub/deep.json": b"{}",
    "bad-utf8.txt": b"abc\xff\xfe\xfdabc" * 9,
}
RANGES = (
    None,
    "bytes=0-",
    "bytes=0-0",
    "bytes=5-",
    "bytes=-5",
    "bytes=-0",
    "bytes=-999999999",
    "bytes=0-999999999",
    "bytes=999999999-",
    "bytes=5-2",
    "bytes=",
    "bytes=-",
    "bytes=1-2,4-5",
    "bytes=a-b",
    "lines=1-2",
    "bytes = 1 - 2",
)
IGNORED = {"Date", "Etag", "Set-Cookie", "Server"}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    servers = []
    for name, guarded in (("with", True), ("without", False)):
        server = Server(tmp_path_factory.mktemp(name), extension=guarded)
        for file, data in FILES.items():
            path = server.root / file
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
            os.utime(path, (1_700_000_000, 1_700_000_000))
        (server.root / ".hidden").write_bytes(b"x")
        servers.append(server)
    for server in servers:
        server.wait()
    yield servers[0], servers[1]
    for server in servers:
        server.stop()


def alike(pair: tuple[Server, Server], method: str, path: str, **headers: str) -> None:
    guarded, plain = (server.call(method, path, headers=headers) for server in pair)
    assert guarded.status == plain.status
    ours, theirs = ({k: v for k, v in reply.headers.items() if k not in IGNORED} for reply in (guarded, plain))
    if guarded.status >= 400 and guarded.status != 416:
        if path.startswith("files"):
            assert ours.pop("Cache-Control") == "no-store"
        for these in (ours, theirs):
            these.pop("Content-Length", None)
    else:
        assert guarded.body == plain.body
    assert ours == theirs


@pytest.mark.parametrize("name", list(FILES), ids=range(len(FILES)))
def test_a_clean_file_arrives_as_without_the_guard(pair: tuple[Server, Server], name: str) -> None:
    for method in ("GET", "HEAD"):
        for asked in RANGES:
            alike(pair, method, f"files/{quote(name)}", **({"Range": asked} if asked else {}))
        alike(pair, method, f"files/{quote(name)}?download=1")
        alike(pair, method, f"files/{quote(name)}/")
        alike(pair, method, f"files//{quote(name)}")
    alike(pair, "GET", f"view/{quote(name)}")
    again = pair[0].call("GET", f"files/{quote(name)}")
    assert again.body == FILES[name], "also from a verdict that is known by now"


@pytest.mark.parametrize(
    "path", ["nope", ".hidden", "sub", "sub/", "", "../x", "%2e%2e/x", "..%2fx", "sub%2fdeep.json", "sub/./deep.json"]
)
def test_errors_are_as_without_the_guard(pair: tuple[Server, Server], path: str) -> None:
    for method in ("GET", "HEAD"):
        alike(pair, method, f"files/{path}")
    alike(pair, "GET", f"view/{path}")


def test_others_than_get_and_head_are_as_without_the_guard(pair: tuple[Server, Server]) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        guarded, plain = (server.call(method, "files/plain.txt") for server in pair)
        assert guarded.status == plain.status


def test_nobody_gets_in_who_did_not_before(pair: tuple[Server, Server]) -> None:
    for method in ("GET", "HEAD"):
        for path in ("files/plain.txt", "files/a.ipynb", "files/nope", "view/plain.txt"):
            guarded, plain = (server.call(method, path, token=None) for server in pair)
            assert guarded.status == plain.status
            assert guarded.headers.get("Location") == plain.headers.get("Location")
            assert FILES["plain.txt"] not in guarded.body


def test_another_site_gets_nothing(pair: tuple[Server, Server]) -> None:
    """A page of another origin that asks with the browser's cookie has no XSRF token."""
    headers = {"Referer": "http://evil.example/", "Cookie": "username-x=1"}
    guarded, plain = (server.call("GET", "files/plain.txt", token=None, headers=headers) for server in pair)
    assert guarded.status == plain.status >= 300


def test_what_a_browser_has_is_confirmed_by_our_validator_alone(pair: tuple[Server, Server], tmp_path: Path) -> None:
    guarded, plain = pair
    for name in ("plain.txt", "a.ipynb", "large.bin"):
        reply = guarded.call("GET", f"files/{name}")
        asked = {"If-Modified-Since": reply.headers["Last-Modified"]}
        assert plain.call("GET", f"files/{name}", headers=asked).status == 304
        assert guarded.call("GET", f"files/{name}", headers=asked).status == 200
        asked["If-None-Match"] = reply.headers["Etag"]
        for method in ("GET", "HEAD"):
            same = guarded.call(method, f"files/{name}", headers=asked)
            assert (same.status, same.body, same.headers["Etag"]) == (304, b"", reply.headers["Etag"])
