"""The routes under ``qguard/api``."""

from __future__ import annotations

import inspect
import json
import time
from pathlib import Path

from jupyter_qguard import __version__
from jupyter_qguard.server import api
from tests.server.harness import Server, with_secret


def test_health(server: Server) -> None:
    health = server.call("GET", "qguard/api/health").json
    assert health["status"] == "guarding"
    assert health["version"] == __version__
    assert health["problems"] == []
    assert all(health["doors"].values())
    assert {"save", "upload", "copy", "rename", "checkpoint", "restore"} <= set(health["doors"])


def test_every_route_and_method_has_both_decorators() -> None:
    methods = 0
    for _, handler in api.ROUTES:
        assert handler.auth_resource == "qguard"
        for name in ("get", "post", "put", "patch", "delete"):
            if name not in vars(handler):
                continue
            methods += 1
            source = inspect.getsource(inspect.unwrap(vars(handler)[name]))
            lines = [line.strip() for line in source.splitlines() if line.strip().startswith("@")]
            assert lines[:2] == ["@web.authenticated", "@authorized"], (handler, name)
    assert methods >= len(api.ROUTES)
    routed = {handler for _, handler in api.ROUTES}
    known = {
        value
        for value in vars(api).values()
        if isinstance(value, type) and issubclass(value, api.QGuardHandler) and value is not api.QGuardHandler
    }
    assert known == routed


def test_every_route_refuses_strangers(default_server: Server) -> None:
    for name, handler in api.ROUTES:
        method = "POST" if "post" in vars(handler) else "GET"
        reply = default_server.call(method, f"qguard/api/{name}", {} if method == "POST" else None, token=None)
        assert reply.status in (302, 403), name


def test_decisions_tell_place_and_rule_and_no_secret(server: Server, place: Path, plant: str) -> None:
    path = f"{place.name}/a.ipynb"
    server.save(path, with_secret(plant)).ok()
    reply = server.call("GET", f"qguard/api/decisions?path={path}").ok()
    decision = reply.json["decisions"][0]
    assert decision["door"] == "save"
    assert decision["action"] == "redact"
    assert {finding["rule"] for finding in decision["findings"]} == {"aws-access-key-id"}
    assert plant not in reply.body.decode()
    assert server.call("GET", f"qguard/api/decisions?path={place.name}/other.ipynb").json["decisions"] == []


def test_decisions_follow_the_server_s_rules_for_paths(default_server: Server) -> None:
    assert default_server.call("GET", "qguard/api/decisions").status == 400
    assert default_server.call("GET", "qguard/api/decisions?path=.hidden/a.ipynb").status in (200, 404)
    (default_server.root / ".secretive").mkdir(exist_ok=True)
    assert default_server.call("GET", "qguard/api/decisions?path=.secretive/a.ipynb").status == 404
    assert default_server.call("GET", "qguard/api/decisions?path=../../etc/passwd").status == 404


def test_policy_tells_where_values_come_from(default_server: Server) -> None:
    policy = default_server.call("GET", "qguard/api/policy").json
    rows = {row["setting"]: row for row in policy["settings"]}
    assert policy["mode"] == "enforce"
    assert rows["content.source"]["value"] == "redact"
    assert rows["content.source"]["source"] == "default"


def test_scan_finds_without_fingerprints_and_records_nothing(default_server: Server, folder: str, plant: str) -> None:
    body = {"type": "notebook", "path": f"{folder}.ipynb", "content": with_secret(plant)}
    reply = default_server.call("POST", "qguard/api/scan", body).ok()
    assert reply.json["verdict"] == "redact"
    assert len(reply.json["findings"]) == 2
    assert "fingerprint" not in json.dumps(reply.json)
    text = default_server.call("POST", "qguard/api/scan", {"type": "text", "content": f"key={plant}"}).ok()
    assert text.json["findings"][0]["rule"] == "aws-access-key-id"
    assert default_server.call("GET", f"qguard/api/decisions?path={folder}.ipynb").json["decisions"] == []
    assert default_server.where(plant) == []


def test_scan_refuses_bad_bodies_in_the_one_error_shape(default_server: Server) -> None:
    for body in ([], {}, {"type": "text"}, {"type": "notebook", "content": "x"}, {"type": "text", "content": {}}):
        reply = default_server.call("POST", "qguard/api/scan", body)
        assert reply.status == 400
        assert {"message", "hint", "code"} <= set(reply.json)
    big = default_server.call("POST", "qguard/api/scan", {"type": "text", "content": "x" * (11 * 2**20)})
    assert big.status == 413
    assert default_server.call("GET", "qguard/api/nothing").status == 404


def test_scan_is_rate_limited(default_server: Server) -> None:
    body = {"type": "text", "content": "x"}
    statuses = [default_server.call("POST", "qguard/api/scan", body).status for _ in range(60)]
    assert 429 in statuses
    time.sleep(1.2)
    assert default_server.call("POST", "qguard/api/scan", body).status == 200


def test_a_post_without_a_token_needs_the_xsrf_cookie(tmp_path: Path) -> None:
    """Without any login configured the cookie is all there is, and a foreign page must not be able to post."""
    server = Server(tmp_path, token="").wait()
    try:
        body = {"type": "text", "content": "x"}
        assert server.call("GET", "qguard/api/health", token=None).status == 200
        assert server.call("POST", "qguard/api/scan", body, token=None).status == 403
    finally:
        server.stop()
