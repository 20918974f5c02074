"""Requests that are not what they should be, and folders with links, each with a clear answer and nothing written."""

from __future__ import annotations

import errno
import json
import time
from pathlib import Path

import pytest

from jupyter_qguard.server.refusal import disk_error
from tests.server import harness
from tests.server.harness import MANAGERS, OTHERS, Server, aws, code_cell, notebook, with_secret


@pytest.mark.parametrize("value", [[], {}, 5, ["file"]], ids=repr)
@pytest.mark.parametrize("field", ["type", "format", "path", "ext", "copy_from"])
@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH"])
def test_a_field_of_the_wrong_type_is_refused(default_server: Server, method: str, field: str, value: object) -> None:
    secret = aws()
    body = {"type": "notebook", "format": "json", "content": with_secret(secret), field: value}
    reply = default_server.call(method, "api/contents/odd-field" + (".ipynb" if method != "POST" else ""), body)
    assert reply.status == 400
    assert field in reply.json["message"]
    assert not default_server.where(secret)


@pytest.mark.parametrize("raw", [b'"x"', b"5", b"[1]", b"\xff\xfex\0"], ids=["text", "number", "list", "utf-16"])
@pytest.mark.parametrize("call", ["PUT api/contents/odd.ipynb", "POST api/contents/", "POST qguard/api/scan"])
def test_a_body_that_is_no_object_is_refused(default_server: Server, call: str, raw: bytes) -> None:
    method, path = call.split()
    assert default_server.call(method, path, raw=raw).status == 400


@pytest.mark.parametrize(
    ("field", "value"), [("nbformat", 5), ("nbformat", 2), ("nbformat", True), ("nbformat_minor", "5")]
)
def test_a_format_version_that_cannot_be_written_is_refused(default_server: Server, field: str, value: object) -> None:
    reply = default_server.save("odd-version.ipynb", {**notebook(code_cell()), field: value})
    assert reply.status == 400
    assert "format version" in reply.json["message"]
    assert not (default_server.root / "odd-version.ipynb").exists()


def test_a_message_that_came_in_is_not_sent_back(default_server: Server) -> None:
    secret = aws()
    model = {"type": "notebook", "format": "json", "content": notebook(code_cell()), "message": secret}
    reply = default_server.contents("PUT", "message.ipynb", model).ok()
    assert secret.encode() not in reply.body


def test_a_checkpoint_of_nothing_or_of_a_folder_says_so(server: Server) -> None:
    (server.root / "a-folder").mkdir()
    assert server.contents("POST", "not-there.ipynb", suffix="/checkpoints").status == 404
    assert server.contents("POST", "a-folder", suffix="/checkpoints").status == 400


def test_an_upload_to_the_name_of_a_folder_is_refused(server: Server) -> None:
    (server.root / "taken").mkdir()
    server.upload("taken", b"a", chunk=1)
    assert server.upload("taken", b"b", chunk=-1).status == 400
    assert list((server.root / "taken").iterdir()) == []


def test_a_folder_with_a_link_to_its_parent_is_copied_once(server: Server) -> None:
    secret = aws()
    folder = server.root / "looped"
    folder.mkdir()
    (folder / "a.ipynb").write_text(json.dumps(with_secret(secret)))
    (folder / "up").symlink_to("..")
    (folder / "sub").mkdir()
    (folder / "sub" / "self").symlink_to("../sub")
    before = time.monotonic()
    reply = server.call("POST", "api/contents/looped", {"copy_from": "looped"}).ok()
    assert time.monotonic() - before < 10
    copy = server.root / reply.json["path"]
    assert sorted(str(p.relative_to(copy)) for p in copy.rglob("*")) == ["a.ipynb", "sub"]
    assert server.where(secret) == ["root/looped/a.ipynb"]


def test_a_class_from_the_command_line_is_guarded_beside_other_extensions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # extension apps that link later make the server read its configuration again
    monkeypatch.setattr(harness, "OTHERS", tuple(name for name in OTHERS if name != "jupyter_server_terminals"))
    server = Server(tmp_path, f"--ServerApp.contents_manager_class={MANAGERS['async-file']}")
    try:
        secret = aws()
        server.wait().save("a.ipynb", with_secret(secret)).ok()
        assert not server.where(secret)
    finally:
        server.stop()


def test_a_full_disk_is_named_although_the_clean_up_failed_after_it() -> None:
    error = FileNotFoundError(errno.ENOENT, "nothing to remove")
    error.__context__ = OSError(errno.ENOSPC, "full")
    assert disk_error(error).status_code == 507
    assert disk_error(FileNotFoundError(errno.ENOENT, "no folder")).status_code == 404
