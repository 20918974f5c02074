"""Nothing secret in the log or in an error answer, whoever writes them. A real server at DEBUG level."""

from __future__ import annotations

import json
import logging
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from jupyter_qguard.server import clean_text, log_filter
from jupyter_qguard.server.error_bodies import clean_reason
from tests.server.harness import Server, aws, core
from tests.server.leaky import KINDS


class Leaky:
    """A server with the leaky extension, and the secret that it leaks."""

    def __init__(self, base: Path) -> None:
        self.plant, self.file = aws(), base / "plant.txt"
        self.file.write_text(self.plant)
        self.server = Server(
            base,
            "--Application.log_level=DEBUG",
            "--ServerApp.allow_unauthenticated_access=True",
            others=("tests.server.leaky",),
            env={"QGUARD_TEST_LEAK": str(self.file)},
        ).wait()

    def log(self) -> str:
        return self.server.log.read_text()


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Leaky]:
    started = Leaky(tmp_path_factory.mktemp("leaky"))
    yield started
    started.server.stop()


def test_whatever_an_extension_logs(leaky: Leaky) -> None:
    leaky.server.call("GET", "leaky/log").ok()
    log = leaky.log()
    assert log.count("marker of the end") == 9, "every logger was heard"
    assert log.count("in the message [REDACTED:aws-access-key-id:") == 9
    assert log.count("ValueError: cannot use [REDACTED:aws-access-key-id:") >= 9
    assert core(leaky.plant) not in log
    assert core(leaky.plant)[:10] not in log
    assert "more characters are left out" in log
    assert log.count(log_filter.UNCHECKED) == 9, "a message that cannot be put together is left out"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("handler", ["api", "page", "bare"])
def test_whatever_an_extension_answers_with(leaky: Leaky, handler: str, kind: str) -> None:
    reply = leaky.server.call("GET", f"leaky/{handler}/{kind}")
    assert reply.status in (400, 409, 500)
    assert core(leaky.plant)[:8] not in reply.body.decode() + str(reply.headers) + reply.reason
    assert "&#" not in reply.body.decode() or "&#39;" in reply.body.decode()
    if "Content-Length" in reply.headers:
        assert int(reply.headers["Content-Length"]) == len(reply.body)
    if handler == "api" and kind in ("message", "raised"):
        assert set(reply.json) >= {"message", "reason"}
    if kind == "message" and handler != "bare":  # tornado itself sends the status words alone
        assert b"cannot use [REDACTED:aws-access-key-id:" in reply.body
    assert core(leaky.plant) not in leaky.log()


def test_other_answers_are_not_touched(leaky: Leaky) -> None:
    assert leaky.server.call("GET", "leaky/bare/clean").body == b"<p>I'm a teapot: 100 %</p>"
    assert leaky.plant in leaky.server.call("GET", "leaky/bare/fine").ok().body.decode(), "no error, not our business"
    (leaky.server.root / "clean.txt").write_text("nothing to hide")
    tag = leaky.server.call("GET", "files/clean.txt").ok().headers["Etag"]
    again = leaky.server.call("GET", "files/clean.txt", headers={"If-None-Match": tag})
    assert again.status == 304
    assert again.body == b""


def test_paths_and_queries_with_a_secret(leaky: Leaky, plant: str) -> None:
    encoded = "".join(f"%{ord(letter):02x}" for letter in plant)
    replies = [
        leaky.server.call("GET", f"api/contents/{plant}.ipynb"),
        leaky.server.call("GET", f"api/contents/{encoded}.ipynb"),
        leaky.server.call("GET", f"files/no/{plant}"),
        leaky.server.call("GET", f"nothing/here?q={plant}&r={quote('a ' + plant)}"),
        leaky.server.call("GET", f"api/contents?type={plant}"),
        leaky.server.call("PATCH", f"api/contents/{plant}", {"path": f"x/{plant}/y"}),
        leaky.server.call("GET", f"api/sessions/{plant}"),
        leaky.server.call("POST", f"api/kernels/{plant}/interrupt"),
    ]
    for reply in replies:
        assert reply.status >= 400
        assert plant not in reply.body.decode()
    log = leaky.log()
    assert plant not in log
    assert encoded not in log
    assert "GET /api/contents/[REDACTED:aws-access-key-id:00000000]" in log


def test_bodies_that_are_no_json(leaky: Leaky, plant: str) -> None:
    for method, path in (("PUT", "api/contents/a.ipynb"), ("POST", "api/sessions"), ("PATCH", "api/contents/a")):
        reply = leaky.server.call(method, path, raw=f'{{"broken": "{plant}'.encode())
        assert reply.status == 400
        assert plant not in reply.body.decode()
    (leaky.server.root / "broken.ipynb").write_text(f"TOKEN={plant}")
    assert leaky.server.contents("GET", "broken.ipynb").status == 400
    assert leaky.server.call("GET", "nbconvert/html/broken.ipynb").status >= 400
    (leaky.server.root / "broken.ipynb").unlink()
    assert core(plant)[:10] not in leaky.log()


def test_what_people_need_of_a_log_is_left(leaky: Leaky) -> None:
    log = leaky.log()
    assert "Jupyter Server" in log
    assert f"http://127.0.0.1:{leaky.server.port}/" in log
    assert "200 GET /api/status" in log


def test_the_address_that_a_server_shows_at_its_start_keeps_its_token() -> None:
    url = f"http://127.0.0.1:8888/lab?token={secrets.token_hex(24)}"
    assert clean_text.clean(url) is url


def record(message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("x", logging.INFO, "f", 1, message, arguments, None)


def test_a_clean_record_is_left_as_it_is() -> None:
    one = record("%s of %d", "3", 4)
    assert log_filter.SecretFilter().filter(one)
    assert (one.msg, one.args, one.levelno) == ("%s of %d", ("3", 4), logging.INFO)


def test_a_scanner_that_fails_lets_no_message_out(monkeypatch: pytest.MonkeyPatch, plant: str) -> None:
    def broken(text: str) -> str:
        raise RuntimeError(f"choked on {text}")

    monkeypatch.setattr(log_filter, "clean", broken)
    one = record("key %s", plant)
    one.stack_info, one.given = plant, plant
    assert log_filter.SecretFilter().filter(one)
    assert logging.Formatter("%(message)s %(given)s").format(one) == f"{log_filter.UNCHECKED} None"


def test_a_scanner_that_logs_does_not_go_round(monkeypatch: pytest.MonkeyPatch, plant: str) -> None:
    log = logging.getLogger("test.logs.round")
    log.propagate = False
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda one: lines.append(one.getMessage())  # type: ignore[method-assign]
    handler.addFilter(log_filter.SecretFilter())
    log.addHandler(handler)
    usual = clean_text.clean

    def talkative(text: str) -> str:
        log.error("looking into %s", text)
        return usual(text)

    monkeypatch.setattr(log_filter, "clean", talkative)
    log.error("key %s", plant)
    assert lines[0] == log_filter.UNCHECKED
    assert "[REDACTED:" in lines[-1]
    assert plant not in "".join(lines)


def test_many_threads_at_once() -> None:
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda one: lines.append(one.getMessage())  # type: ignore[method-assign]
    handler.addFilter(log_filter.SecretFilter())
    log = logging.Logger("test.logs.threads")
    log.addHandler(handler)
    plants = [aws() for _ in range(8)]

    def work(plant: str) -> None:
        for _ in range(50):
            log.error("key %s", plant)

    threads = [threading.Thread(target=work, args=(plant,)) for plant in plants]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines) == 400
    assert set(lines) == {"key [REDACTED:aws-access-key-id:00000000]"}


def test_status_words_that_cannot_be_checked(monkeypatch: pytest.MonkeyPatch, plant: str) -> None:
    assert clean_reason(404, None) is None
    assert clean_reason(404, "No such row") == "No such row"
    assert clean_reason(404, f"No {plant}") == "Not Found"
    monkeypatch.setattr("jupyter_qguard.server.error_bodies.clean", json.loads)
    assert clean_reason(404, "No such row") == "Not Found"


@pytest.mark.parametrize("shape", ["{}", "'{}'", "a={}&b", "[{}]", "x\\n{}", "x\\x1b[0m{}", "é {}", "%c3%a9{}%20"])
def test_text_around_a_secret_stays(plant: str, shape: str) -> None:
    done = clean_text.clean(shape.format(plant))
    assert plant not in done
    assert done.startswith(shape.split("{}")[0].replace("%c3%a9", "")[:1])


def test_a_long_text_is_cut_where_no_secret_is_halved(plant: str) -> None:
    for at in range(clean_text.LONGEST - 30, clean_text.LONGEST + 5, 3):
        done = clean_text.clean("x" * at + " " + plant)
        assert core(plant)[:6] not in done
        assert ("more characters are left out" in done) is (at + 1 + len(plant) > clean_text.LONGEST)
