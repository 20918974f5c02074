"""Files that are judged while they are sent: nothing of a stopped secret leaves, nothing is mixed, nothing twice."""

from __future__ import annotations

import http.client
import json
import os
import random
import secrets
import socket
import time
from contextlib import closing
from pathlib import Path

import pytest

from jupyter_qguard.scan.stream import OVERLAP
from jupyter_qguard.server.doors.downloads_stream import PIECE, WINDOW
from tests.server.harness import TOKEN, Server, code_cell, core, notebook, with_secret
from tests.server.test_downloads import decisions, fetch, settle

MIB = 1 << 20
SIZE = 24 * MIB
LATE = PIECE + 3 * WINDOW


def noise(size: int) -> bytearray:
    """Bytes that are no text and hold no newline-free run that looks like anything."""
    return bytearray(random.Random(5).randbytes(size))


def text(size: int) -> bytearray:
    line = "Zeile \u00fc mit nichts, 12.5, qubit\n".encode()
    return bytearray((line * (size // len(line) + 1))[:size])


KINDS = {"bytes": noise, "text": text}


@pytest.fixture(params=list(KINDS))
def body(request: pytest.FixtureRequest) -> bytearray:
    return KINDS[request.param](SIZE)


def put(body: bytearray, at: int, secret: str) -> None:
    planted = f"\nkey = {secret}\n".encode()
    body[at : at + len(planted)] = planted


def blocked(place: Path) -> None:
    (place / "qguard.toml").write_text('version = 1\n[content]\ntext = "block"\nopaque = "block"\n')


def raw_get(server: Server, path: str, pause: float = 0.0, then=None) -> tuple[bytes, bool]:
    """Return what came of a body, and whether it came to its end. ``then`` runs when the first bytes are here."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        connection.request("GET", f"/files/{path}", headers={"Authorization": f"token {TOKEN}"})
        answer = connection.getresponse()
        if answer.status == 422:
            raise Refused
        assert answer.status == 200
        got = answer.read(1000)
        if then is not None:
            then()
        time.sleep(pause)
        try:
            got += answer.read()
            whole = True
        except (http.client.IncompleteRead, ConnectionError) as error:
            got += getattr(error, "partial", b"")
            whole = False
        return got, whole and len(got) == int(answer.headers["Content-Length"])


# around every place where one window ends and another begins, and where bytes are held back
EDGES = [PIECE, PIECE - OVERLAP, PIECE + WINDOW, PIECE + WINDOW - OVERLAP, SIZE - 40]


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("shift", [-18, -7])
def test_a_secret_across_two_windows_is_found(
    default_server: Server, tmp_path: Path, plant: str, folder: str, body: bytearray, edge: int, shift: int
) -> None:
    server, place = default_server, default_server.root / folder
    place.mkdir()
    put(body, min(edge + shift, SIZE - 40), plant)
    (place / "a.bin").write_bytes(body)
    settle()
    path = f"{folder}/a.bin"
    assert fetch(server, path).ok().body == body
    (event,) = decisions(server, path)
    assert event["action"] == "warn"
    (finding,) = event["findings"]
    assert finding["rule"] == "aws-access-key-id"
    assert finding["line"] == body[: body.index(plant.encode())].count(b"\n") + 1
    assert finding["column"] == 7
    blocked(place)
    reply = _parts(server, path)
    assert core(plant)[:6].encode() not in reply
    assert body.startswith(reply)
    (place / "a.bin").unlink()


def _parts(server: Server, path: str) -> bytes:
    """Return what arrives of a file that policy stops: a refusal, or a transfer that does not come to its end."""
    try:
        got, whole = raw_get(server, path)
    except Refused:
        return b""
    assert not whole
    return got


class Refused(Exception):
    """The answer was no."""


def test_a_late_finding_cuts_the_connection_and_is_recorded(
    server: Server, place: Path, plant: str, body: bytearray
) -> None:
    put(body, LATE, plant)
    blocked(place)
    (place / "a.bin").write_bytes(body)
    path = f"{place.name}/a.bin"
    for _ in range(2):
        got, whole = raw_get(server, path)
        assert not whole
        assert LATE - 2 * WINDOW < len(got) <= LATE + 1
        assert body.startswith(got)
    events = decisions(server, path)
    assert {event["action"] for event in events} == {"block"}
    assert "cut" in events[0]["note"]
    assert server.call("GET", "api/status").status == 200
    assert fetch(server, path, "HEAD").status == 200, "nothing is known of it before it is sent"


def test_an_early_finding_is_a_refusal(default_server: Server, folder: str, plant: str, body: bytearray) -> None:
    server, place = default_server, default_server.root / folder
    place.mkdir()
    put(body, 5000, plant)
    blocked(place)
    (place / "a.bin").write_bytes(body)
    reply = fetch(server, f"{place.name}/a.bin")
    assert reply.status == 422
    assert reply.json["code"] == "blocked"


def test_a_part_is_judged_with_what_stands_around_it(
    default_server: Server, folder: str, plant: str, body: bytearray
) -> None:
    server, place = default_server, default_server.root / folder
    place.mkdir()
    put(body, LATE, plant)
    blocked(place)
    (place / "a.bin").write_bytes(body)
    path = f"{place.name}/a.bin"
    at = body.index(plant.encode())
    for first, last in ((at + 8, at + 9), (at - 500, at + 3), (at + 19, at + 4000)):
        assert fetch(server, path, range=f"bytes={first}-{last}").status == 422
    far = fetch(server, path, range=f"bytes={at + MIB}-{at + MIB + 999}")
    assert (far.status, far.body) == (206, body[at + MIB : at + MIB + 1000])
    assert fetch(server, path, range=f"bytes={SIZE}-").status == 416


def test_the_second_download_is_not_scanned(server: Server, place: Path, plant: str, body: bytearray) -> None:
    put(body, LATE, plant)
    put(body, LATE + 2 * WINDOW, plant[:-4] + "AAAA")
    (place / "a.bin").write_bytes(body)
    settle()
    path = f"{place.name}/a.bin"
    first = fetch(server, path).ok()
    assert [len(event["findings"]) for event in decisions(server, path)] == [2, 1], "found later: a second entry"
    server.trouble("throw")
    try:
        assert fetch(server, path).ok().body == body
        part = fetch(server, path, range="bytes=-100")
        assert (part.status, part.body) == (206, body[-100:])
        assert fetch(server, path, if_none_match=first.headers["Etag"]).status == 304
        os.utime(place / "a.bin", (1, 1))
        assert fetch(server, path).status == 503, "touched: it is looked at again"
    finally:
        server.trouble(None)
    assert len(decisions(server, path)) == 2
    blocked(place)
    assert not raw_get(server, path)[1], "known under another policy is not known"


def test_a_file_that_changes_while_it_is_sent_is_cut(default_server: Server, folder: str) -> None:
    server, place = default_server, default_server.root / folder
    place.mkdir()
    path, size = f"{place.name}/a.bin", 64 * MIB
    file = place / "a.bin"

    def overwrite() -> None:
        with file.open("r+b") as handle:
            handle.seek(size - 5)
            handle.write(b"other")

    changes = {
        "written": overwrite,
        "longer": lambda: os.truncate(file, size + 1),
        "shorter": lambda: os.truncate(file, size // 2),
    }
    for change in changes.values():
        for known in (False, True):
            file.write_bytes(b"\x01" * size)
            settle()
            if known:
                assert raw_get(server, path)[1]
            got, whole = raw_get(server, path, 0.05, change)
            assert not whole
            assert b"other" not in got
            file.unlink()


def test_replaced_by_another_file_is_sent_as_it_was(default_server: Server, folder: str) -> None:
    """Programs that write beside and rename (as the guard does) do not disturb a download."""
    server, place = default_server, default_server.root / folder
    place.mkdir()
    file = place / "a.bin"
    file.write_bytes(b"\x01" * (64 * MIB))
    (place / "b.bin").write_bytes(b"\x02" * (64 * MIB))
    settle()
    got, whole = raw_get(server, f"{place.name}/a.bin", 0.05, lambda: (place / "b.bin").rename(file))
    assert not whole or got == b"\x01" * (64 * MIB), "cut, for its times say that something happened, or whole"
    assert b"\x02" not in got


def test_who_goes_away_stops_the_work(default_server: Server, folder: str) -> None:
    server, place = default_server, default_server.root / folder
    place.mkdir()
    (place / "a.bin").write_bytes(noise(MIB) * 120)
    before = server.log.stat().st_size
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            request = f"GET /files/{place.name}/a.bin HTTP/1.1\r\nHost: x\r\nAuthorization: token {TOKEN}\r\n\r\n"
            connection.sendall(request.encode())
            connection.recv(100)
    assert fetch(server, f"{place.name}/a.bin", range="bytes=0-9").status == 206
    server.save(f"{place.name}/n.ipynb", notebook(code_cell("1"))).ok()
    assert b"Traceback" not in server.log.read_bytes()[before:]


def test_a_scanner_that_fails_half_way_cuts(default_server: Server, folder: str) -> None:
    server, place = default_server, default_server.root / folder
    place.mkdir()
    (place / "a.bin").write_bytes(noise(MIB) * 120)
    try:
        got, whole = raw_get(server, f"{place.name}/a.bin", 0.05, lambda: server.trouble("throw"))
    finally:
        server.trouble(None)
    assert not whole
    assert len(got) < 120 * MIB


def test_compressed_and_large_is_said_to_be_unchecked(default_server: Server, folder: str, plant: str) -> None:
    server, place = default_server, default_server.root / folder
    place.mkdir()
    (place / "a.zip").write_bytes(b"PK\x03\x04" + noise(SIZE))
    path = f"{place.name}/a.zip"
    fetch(server, path).ok()
    (event,) = decisions(server, path)
    assert (event["action"], event["findings"]) == ("warn", [])
    assert "zip file too large" in event["unchecked"][0]["reason"]
    blocked(place)
    reply = fetch(server, path)
    assert reply.status == 422
    assert reply.json["code"] == "unchecked"


def test_a_large_notebook_is_judged_whole_under_any_name(server: Server, place: Path, plant: str) -> None:
    book = with_secret(plant)
    book["cells"] = [code_cell("x = 1\n" * 5000) for _ in range(600)] + book["cells"]
    data = json.dumps(book)
    assert len(data) > 16 * MIB
    for name in ("a.ipynb", "a.json"):
        (place / name).write_text(data)
        reply = fetch(server, f"{place.name}/{name}").ok()
        assert core(plant).encode() not in reply.body
        assert b"[REDACTED:" in reply.body
        (place / name).unlink()


def test_utf_16_is_read_as_text(default_server: Server, folder: str, plant: str) -> None:
    server, place = default_server, default_server.root / folder
    place.mkdir()
    body = ("\ufeff" + "nothing to see here\n" * (SIZE // 40)).encode("utf-16-le")
    planted = f"\nkey = {plant}\n".encode("utf-16-le")
    body = body[: 2 * PIECE - 20] + planted + body[2 * PIECE :]
    (place / "a.txt").write_bytes(body)
    path = f"{place.name}/a.txt"
    assert fetch(server, path).ok().body == body
    (event,) = decisions(server, path)
    assert event["kind"] == "text"
    assert event["findings"][0]["rule"] == "aws-access-key-id"


def test_several_large_downloads_do_not_keep_a_save_waiting(default_server: Server, folder: str) -> None:
    server, place = default_server, default_server.root / folder
    place.mkdir()
    connections = []
    for number in range(6):
        (place / f"{number}.bin").write_bytes(noise(MIB) * 60)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("GET", f"/files/{folder}/{number}.bin", headers={"Authorization": f"token {TOKEN}"})
        connections.append(connection)
    token = secrets.token_hex(4)
    server.save(f"{folder}/n.ipynb", notebook(code_cell(token))).ok()
    for connection in connections:
        assert len(connection.getresponse().read()) == 60 * MIB
        connection.close()
