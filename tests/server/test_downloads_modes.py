"""Downloads under other policies, other contents managers, and with other extensions in the way."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.server.harness import REPOSITORY, Server, aws, code_cell, core, notebook, with_secret
from tests.server.test_downloads import decisions, fetch


def configured(tmp_path: Path, policy: str, *arguments: str, **more) -> Server:
    config = tmp_path / "home" / "config"
    config.mkdir(parents=True)
    (config / "qguard.toml").write_text(f"version = 1\n{policy}\n")
    return Server(tmp_path, *arguments, **more)


def plant_in(folder: Path, secret: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.ipynb").write_text(json.dumps(with_secret(secret)))
    (folder / "notes.txt").write_text(f"key={secret}\n")
    (folder / "broken.ipynb").write_text(f'{{"key": "{secret}')
    (folder / "large.bin").write_bytes(b"\x01" * (20 << 20) + f" key={secret} ".encode() + b"\x01" * 99)


ALL = ("a.ipynb", "notes.txt", "broken.ipynb", "large.bin")


def test_observing_sends_as_it_is_and_records(tmp_path: Path, plant: str) -> None:
    server = configured(tmp_path, 'mode = "observe"\n[content]\ntext = "block"\nopaque = "block"').wait()
    try:
        plant_in(server.root, plant)
        tags = {}
        for name in ALL:
            reply = fetch(server, name).ok()
            assert reply.body == (server.root / name).read_bytes()
            tags[name] = reply.headers["Etag"]
            event = decisions(server, name)[0]
            assert event["mode"] == "observe"
            assert event["action"] == ("redact" if name == "a.ipynb" else "block")
        (tmp_path / "home" / "config" / "qguard.toml").write_text("version = 1\n")
        assert fetch(server, "a.ipynb", if_none_match=tags["a.ipynb"]).status == 200, "seen unaltered, altered now"
        assert core(plant).encode() not in fetch(server, "a.ipynb").body
    finally:
        server.stop()


def test_switched_off_meanwhile_is_as_upstream_and_recorded_once(tmp_path: Path, plant: str) -> None:
    server = Server(tmp_path)
    policy = tmp_path / "home" / "config" / "qguard.toml"
    try:
        server.wait()
        plant_in(server.root, plant)
        clean = fetch(server, "a.ipynb").headers["Etag"]
        policy.parent.mkdir(parents=True, exist_ok=True)
        policy.write_text('version = 1\nmode = "off"\n')
        for name in ALL:
            reply = fetch(server, name, if_none_match=clean).ok()
            assert reply.body == (server.root / name).read_bytes()
            assert "Etag" not in reply.headers
            assert fetch(server, name, "HEAD").ok().headers["Content-Length"] == str(len(reply.body))
            assert fetch(server, name, range="bytes=1-5").body == reply.body[1:6]
        since = reply.headers["Last-Modified"]
        assert fetch(server, "a.ipynb", if_modified_since=since).status == 304
        policy.unlink()
        assert core(plant).encode() not in fetch(server, "a.ipynb", if_modified_since=since).ok().body
    finally:
        server.stop()


def test_started_off_it_is_upstream(tmp_path: Path, plant: str) -> None:
    server = Server(tmp_path, env={"QGUARD_MODE": "off"}).wait()
    try:
        plant_in(server.root, plant)
        assert fetch(server, "a.ipynb").ok().body == (server.root / "a.ipynb").read_bytes()
    finally:
        server.stop()


def test_failing_scanner_and_hanging_scanner_under_both_settings(tmp_path: Path, plant: str) -> None:
    """``on_failure`` decides: refused before the first byte, or sent as it is with an entry in the record."""
    server = configured(tmp_path, 'on_failure = "warn"', "--QGuardGate.scan_seconds=2.0").wait()
    policy = tmp_path / "home" / "config" / "qguard.toml"
    try:
        plant_in(server.root, plant)
        for kind in ("throw", "hang"):
            server.trouble(kind)
            policy.write_text('version = 1\non_failure = "warn"\n')
            reply = fetch(server, "a.ipynb").ok()
            assert reply.body == (server.root / "a.ipynb").read_bytes()
            assert "Etag" not in reply.headers, "nothing vouches for this"
            assert "unchecked" in decisions(server, "a.ipynb")[0]["note"]
            if kind == "throw":
                assert fetch(server, "large.bin").ok().body == (server.root / "large.bin").read_bytes()
                assert "scanner failed" in decisions(server, "large.bin")[0]["note"]
            policy.write_text('version = 1\non_failure = "refuse"\n')
            for name in ALL:
                reply = fetch(server, name)
                assert reply.status == 503, name
                assert reply.json["code"] == "scan-failed"
                assert core(plant).encode() not in reply.body
        server.trouble(None)
        time.sleep(0.2)
        assert b"[REDACTED:" in fetch(server, "a.ipynb").ok().body, "no verdict was learned from a failure"
    finally:
        server.stop()
    assert core(plant).encode() not in server.log.read_bytes()


def test_what_cannot_be_recorded_is_not_sent(tmp_path: Path, plant: str) -> None:
    server = Server(tmp_path).wait()
    try:
        plant_in(server.root, plant)
        (server.root / "clean.ipynb").write_text(json.dumps(notebook(code_cell("1"))))
        data = tmp_path / "home" / "qguard" / "ledger"
        fetch(server, "notes.txt").ok()
        for file in data.iterdir():
            file.unlink()
        data.rmdir()
        data.write_text("no folder any more")
        reply = fetch(server, "a.ipynb")
        assert reply.status in (422, 503)
        assert core(plant).encode() not in reply.body
        with pytest.raises(http.client.IncompleteRead) as cut:
            fetch(server, "large.bin")
        assert core(plant)[:4].encode() not in cut.value.partial
        assert fetch(server, "clean.ipynb").status == 200
    finally:
        server.stop()


def test_a_manager_that_keeps_no_plain_files(tmp_path: Path, plant: str) -> None:
    store = tmp_path / "home" / "store"
    plant_in(store, plant)
    (store / "model.ipynb").write_text(json.dumps(with_secret(plant)))
    (store / "clean.ipynb").write_text(json.dumps(notebook(code_cell("1 + 1")), indent=1))
    (store / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\x00\xff")
    (store / ".hidden").write_text("x")
    server = Server(tmp_path, "--ServerApp.contents_manager_class=tests.server.stores.ReadOnlyStore").wait()
    try:
        health = server.call("GET", "qguard/api/health").json
        assert health["doors"]["download"] is True, "this door is proven without files too"
        for name in ("a.ipynb", "model.ipynb"):
            reply = fetch(server, name).ok()
            assert b"[REDACTED:" in reply.body
            assert core(plant).encode() not in reply.body
            assert reply.headers["Content-Type"] == "application/x-ipynb+json"
            head = fetch(server, name, "HEAD").ok()
            assert head.headers["Content-Length"] == str(len(reply.body))
            assert fetch(server, name, range="bytes=3-9").body == reply.body[3:10]
            assert fetch(server, name, if_none_match=reply.headers["Etag"]).status == 304
        for name in ("notes.txt", "clean.ipynb", "picture.png", "large.bin"):
            reply = fetch(server, name).ok()
            assert reply.body == (store / name).read_bytes()
            attached = server.call("GET", f"files/{name}?download=1")
            assert attached.headers["Content-Disposition"].endswith(name)
        assert fetch(server, "picture.png").headers["Content-Type"] == "image/png"
        assert fetch(server, "broken.ipynb").status == 422
        for name in ("nope", ".hidden", "a%00b"):
            assert server.call("GET", f"files/{name}").status == 404
        assert server.call("GET", "view/notes.txt").status == 200
        assert server.call("GET", "files/a.ipynb", token=None).status in (302, 403)
    finally:
        server.stop()


def test_the_guards_own_folder_is_not_served(tmp_path: Path, plant: str) -> None:
    private = tmp_path / "root" / "data" / "qguard"
    server = Server(tmp_path, env={"QGUARD_DATA_DIR": str(private)}).wait()
    try:
        plant_in(server.root, plant)
        fetch(server, "a.ipynb").ok()
        files = [file for file in private.rglob("*") if file.is_file()]
        assert files
        for file in files:
            assert server.call("GET", f"files/{file.relative_to(server.root)}").status == 404
        (server.root / "link").symlink_to(files[0])
        assert fetch(server, "link").status == 404
    finally:
        server.stop()


def test_below_a_base_url(tmp_path: Path, plant: str) -> None:
    server = Server(tmp_path, "--ServerApp.base_url=/user/some.one/")
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                if server.call("GET", "user/some.one/api/status").status == 200:
                    break
            except OSError:
                time.sleep(0.1)
        plant_in(server.root, plant)
        reply = server.call("GET", "user/some.one/files/a.ipynb").ok()
        assert core(plant).encode() not in reply.body
        assert b"/user/some.one/files/a.ipynb" in server.call("GET", "user/some.one/view/a.ipynb").body
    finally:
        server.stop()


_SITE = (
    "from jupyter_server.serverapp import ServerApp as S\n"
    "from jupyter_server.base.handlers import AuthenticatedFileHandler as H\n"
    "from tornado.routing import AnyMatches, Rule\n"
    "from tornado.web import _ApplicationRouter as R\n"
    "load = S.load_server_extensions\n"
    "def after(app):\n"
    "    {before}\n"
    "    w = app.web_app\n"
    "    {how}\n"
    "    {then}\n"
    "S.load_server_extensions = after\n"
)
_ROUTES = "[(r'/(?:files|view)/(.*)', H, {'path': app.root_dir})]"


def _site(folder: Path, **parts: str) -> dict[str, str]:
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_SITE.format(**parts))
    return {"PYTHONPATH": f"{folder}:{REPOSITORY}"}


def test_an_extension_that_answers_earlier_is_overruled(tmp_path: Path, plant: str) -> None:
    how = f"w.add_handlers('.*$', {_ROUTES})"
    server = Server(tmp_path, env=_site(tmp_path / "site", before="pass", how=how, then="load(app)")).wait()
    try:
        plant_in(server.root, plant)
        assert core(plant).encode() not in fetch(server, "a.ipynb").ok().body
    finally:
        server.stop()


def test_an_extension_that_puts_itself_in_front_stops_the_server(tmp_path: Path) -> None:
    how = f"w.default_router.rules.insert(0, Rule(AnyMatches(), R(w, {_ROUTES})))"
    server = Server(tmp_path, env=_site(tmp_path / "site", before="load(app)", how=how, then="pass"))
    _, log = server.ended()
    assert "refuses to start" in log
    assert "another extension answers /" in log


@pytest.mark.parametrize("what", ["lets through", "throws"])
def test_a_door_that_does_not_hold_stops_the_server(tmp_path: Path, what: str) -> None:
    code = {
        "lets through": (
            "import jupyter_qguard.server.doors.downloads_judge as m\n"
            "async def leaky(self, source, request, state, **_):\n"
            "    return None, source.read(0, source.size)\n"
            "m.Downloads.whole = leaky\n"
        ),
        "throws": (
            "import jupyter_qguard.server.doors.downloads as m\ndef no(*a): raise ValueError('x')\nm.install = no\n"
        ),
    }[what]
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(code)
    code, log = Server(tmp_path, env={"PYTHONPATH": f"{tmp_path / 'site'}:{REPOSITORY}"}).ended()
    assert code != 0
    assert "refuses to start" in log


def test_a_files_handler_of_ones_own_keeps_its_ways(tmp_path: Path, plant: str) -> None:
    """A handler that an administrator configures still decides about paths and headers, not about content."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "ownfiles.py").write_text(
        "from jupyter_server.base.handlers import AuthenticatedFileHandler as H\n"
        "class Own(H):\n"
        "    def set_extra_headers(self, path): self.set_header('X-Own', 'yes')\n"
        "    def get(self, path, **k): raise AssertionError('never asked')\n"
    )
    server = Server(
        tmp_path,
        "--ContentsManager.files_handler_class=ownfiles.Own",
        env={"PYTHONPATH": f"{tmp_path / 'site'}:{REPOSITORY}"},
    ).wait()
    try:
        plant_in(server.root, plant)
        reply = fetch(server, "a.ipynb").ok()
        assert reply.headers["X-Own"] == "yes"
        assert core(plant).encode() not in reply.body
        other = aws()
        (server.root / "b.txt").write_text(f"key={other}")
        assert fetch(server, "b.txt").ok().headers["X-Own"] == "yes"
    finally:
        server.stop()


def test_a_baseline_changed_between_two_downloads_counts(default_server: Server, folder: str, plant: str) -> None:
    """What was excepted is recorded once and no longer excepted when its entry has gone."""
    server, place = default_server, default_server.root / folder
    plant_in(place, plant)
    time.sleep(0.12)
    first = fetch(server, f"{folder}/a.ipynb").ok()
    assert b"[REDACTED:" in first.body
    env = {**server.env, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "jupyter_qguard", "baseline", "create", "a.ipynb"]
    command += ["--reason", "teaching", "--owner", "lab@lab.example", "--expires", "2099-01-01"]
    done = subprocess.run(command, cwd=place, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    excepted = fetch(server, f"{folder}/a.ipynb", if_none_match=first.headers["Etag"]).ok()
    assert excepted.headers["Etag"] != first.headers["Etag"]
    assert excepted.body == (place / "a.ipynb").read_bytes()
    for file in place.glob("*aseline*"):
        file.unlink()
    assert fetch(server, f"{folder}/a.ipynb").ok().body == first.body
