"""Contents managers that keep no plain files: only the public contents API is there to stand at."""

from __future__ import annotations

import asyncio
import copy
import json
import secrets
import string
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import pytest
from jupyter_server.services.contents.checkpoints import (
    AsyncCheckpoints,
    AsyncGenericCheckpointsMixin,
    Checkpoints,
    GenericCheckpointsMixin,
)
from jupyter_server.services.contents.manager import AsyncContentsManager, ContentsManager
from tornado.web import HTTPError

from jupyter_qguard import settings
from jupyter_qguard.guard import Guard
from jupyter_qguard.server import self_test
from jupyter_qguard.server.doors.contents import Guarded, guard_class
from jupyter_qguard.server.gate import NoRecord, QGuardGate


class _Kept:
    """A keeper that remembers how many values it was given."""

    def __init__(self) -> None:
        self.given = 0

    def keep(self, items) -> tuple[str, ...]:
        self.given += len(items)
        return tuple(item.id8 for item in items)


class Store:
    """Models in a dictionary, the way a database-backed manager keeps them; calls hooks the deprecated way or never."""

    files: dict

    def _get(self, path, content=True):
        path = path.strip("/")
        if path not in self.files:
            raise HTTPError(404)
        model = copy.deepcopy(self.files[path])
        now = datetime.now(UTC)
        model.update(name=path, path=path, writable=True, created=now, last_modified=now, mimetype=None)
        if model["type"] == "notebook":
            model["content"] = nbformat.from_dict(model["content"])
        if not content:
            model.update(content=None, format=None)
        return model

    def _save(self, model, path):
        kept = {key: model.get(key) for key in ("type", "format", "content")}
        self.files[path.strip("/")] = json.loads(json.dumps(kept))
        return self._get(path, content=False)


class SyncCheckpoints(GenericCheckpointsMixin, Checkpoints):
    def create_notebook_checkpoint(self, nb, path):
        self.parent.files["checkpoint:" + path] = {"type": "notebook", "format": "json", "content": dict(nb)}
        return {"id": "c"}

    def create_file_checkpoint(self, content, format, path):
        self.parent.files["checkpoint:" + path] = {"type": "file", "format": format, "content": content}
        return {"id": "c"}

    def get_notebook_checkpoint(self, checkpoint_id, path):
        return {"type": "notebook", "content": copy.deepcopy(self.parent.files["checkpoint:" + path]["content"])}

    get_file_checkpoint = get_notebook_checkpoint

    def list_checkpoints(self, path):
        return []


class OpaqueCheckpoints(AsyncCheckpoints):
    made = 0

    async def create_checkpoint(self, contents_mgr, path):
        OpaqueCheckpoints.made += 1
        return {"id": "c"}

    async def restore_checkpoint(self, contents_mgr, checkpoint_id, path):
        contents_mgr.files[path.strip("/")] = {"type": "file", "format": "text", "content": "restored unseen"}

    async def list_checkpoints(self, path):
        return []


class SyncStore(Store, ContentsManager):
    checkpoints_class = SyncCheckpoints

    def get(self, path, content=True, type=None, format=None, require_hash=False):
        return self._get(path, content)

    def save(self, model, path):
        return self._save(model, path)

    def dir_exists(self, path):
        return path.strip("/") == ""

    def file_exists(self, path):
        return path.strip("/") in self.files

    def is_hidden(self, path):
        return False

    def rename_file(self, old_path, new_path):
        self.files[new_path] = self.files.pop(old_path)

    def copy(self, from_path, to_path=None):
        raise AssertionError("a server-side copy passes nobody")


class AsyncGeneric(AsyncGenericCheckpointsMixin, AsyncCheckpoints):
    async def create_notebook_checkpoint(self, nb, path):
        return SyncCheckpoints.create_notebook_checkpoint(self, nb, path)

    async def get_notebook_checkpoint(self, checkpoint_id, path):
        return SyncCheckpoints.get_notebook_checkpoint(self, checkpoint_id, path)

    async def list_checkpoints(self, path):
        return []


class AsyncStore(Store, AsyncContentsManager):
    checkpoints_class = AsyncGeneric

    async def get(self, path, content=True, type=None, format=None, require_hash=False):
        return self._get(path, content)

    async def save(self, model, path):
        return self._save(model, path)

    async def dir_exists(self, path):
        return path.strip("/") == ""

    async def file_exists(self, path):
        return path.strip("/") in self.files

    async def is_hidden(self, path):
        return False

    async def rename_file(self, old_path, new_path):
        self.files[new_path] = self.files.pop(old_path)


@pytest.fixture
def gate(tmp_path: Path) -> QGuardGate:
    policies = settings.load(None, root=tmp_path, env={}, system_dirs=(), user_dir=tmp_path)
    return QGuardGate(guard=Guard(policies=policies, ledger=NoRecord(), keeper=_Kept(), key=b"k" * 32))


@pytest.fixture(params=[SyncStore, AsyncStore])
def store(request: pytest.FixtureRequest, gate: QGuardGate):
    manager = guard_class(request.param, gate)()
    manager.files = {}
    manager.emit = lambda **_: None
    assert isinstance(manager, Guarded)
    return manager


@pytest.fixture
def plant() -> str:
    return "AKIA" + "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(16))


def do(value):
    if asyncio.iscoroutine(value):
        return asyncio.run(value)
    return value


def dirty(plant: str) -> dict:
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(f'k = "{plant}"')])
    return json.loads(json.dumps(nb))


def clean_everywhere(store, plant: str) -> bool:
    return plant not in json.dumps(store.files)


def test_save_in_every_form(store, plant: str) -> None:
    reply = do(store.save({"type": "notebook", "format": "json", "content": dirty(plant)}, "/a.ipynb"))
    assert reply["qguard"]["action"] == "redact"
    assert reply["qguard"]["kept"] is True
    do(store.save({"type": "file", "format": "text", "content": json.dumps(dirty(plant))}, "b.ipynb"))
    assert clean_everywhere(store, plant)
    assert set(store.files) == {"a.ipynb", "b.ipynb"}


def test_the_caller_s_model_is_left_alone_and_keeps_its_type(store, plant: str) -> None:
    nb = nbformat.from_dict(dirty(plant))
    before = copy.deepcopy(nb)
    seen = []
    store.register_pre_save_hook(lambda model, **_: seen.append(type(model["content"])))
    do(store.save({"type": "notebook", "format": "json", "content": nb}, "a.ipynb"))
    assert nb == before
    assert seen == [nbformat.NotebookNode]


def test_chunks_are_collected_for_managers_that_know_none(store, plant: str) -> None:
    text = json.dumps(dirty(plant))
    half = text.index(plant) + 6
    for chunk, part in ((1, text[:half]), (-1, text[half:])):
        do(store.save({"type": "file", "format": "text", "chunk": chunk, "content": part}, "a.ipynb"))
    assert clean_everywhere(store, plant)
    assert store.files["a.ipynb"]["format"] == "base64"


def test_copy_reads_and_saves(store, plant: str) -> None:
    store.files["a.ipynb"] = {"type": "notebook", "format": "json", "content": dirty(plant)}
    reply = do(store.copy("a.ipynb", ""))
    assert reply["qguard"]["action"] == "redact"
    assert reply["qguard"]["kept"] is False
    del store.files["a.ipynb"]
    assert len(store.files) == 1
    assert clean_everywhere(store, plant)


def test_rename_to_a_notebook_redacts_before_it_moves(store, plant: str) -> None:
    store.files["a.txt"] = {"type": "file", "format": "text", "content": json.dumps(dirty(plant))}
    reply = do(store.update({"path": "a.ipynb"}, "a.txt"))
    assert reply["qguard"]["action"] == "redact"
    assert set(store.files) == {"a.ipynb"}
    assert clean_everywhere(store, plant)
    store.files["b.txt"] = {"type": "file", "format": "text", "content": json.dumps(dirty(plant))}
    do(store.rename_file("b.txt", "b.ipynb"))
    assert clean_everywhere(store, plant)


def test_checkpoints_of_models(store, plant: str) -> None:
    store.files["a.ipynb"] = {"type": "notebook", "format": "json", "content": dirty(plant)}
    do(store.create_checkpoint("a.ipynb"))
    assert plant not in json.dumps(store.files["checkpoint:a.ipynb"])
    store.files["checkpoint:a.ipynb"]["content"] = dirty(plant)
    do(store.restore_checkpoint("c", "a.ipynb"))
    assert plant not in json.dumps(store.files["a.ipynb"])


def test_a_checkpoint_store_without_a_view_takes_clean_files_only(gate: QGuardGate, plant: str) -> None:
    base = type("Other", (AsyncStore,), {"checkpoints_class": OpaqueCheckpoints})
    manager = guard_class(base, gate)()
    manager.files = {
        "a.ipynb": {"type": "notebook", "format": "json", "content": dirty(plant)},
        "b.ipynb": {"type": "notebook", "format": "json", "content": dirty("nothing")},
    }
    with pytest.raises(HTTPError) as refused:
        do(manager.create_checkpoint("a.ipynb"))
    assert refused.value.status_code == 422
    assert OpaqueCheckpoints.made == 0
    do(manager.create_checkpoint("b.ipynb"))
    assert OpaqueCheckpoints.made == 1


def test_a_checkpoint_store_without_a_view_restores_nothing(gate: QGuardGate) -> None:
    manager = guard_class(type("Other", (AsyncStore,), {"checkpoints_class": OpaqueCheckpoints}), gate)()
    manager.files = {"a.txt": {"type": "file", "format": "text", "content": "mine"}}
    with pytest.raises(HTTPError) as refused:
        do(manager.restore_checkpoint("c", "a.txt"))
    assert refused.value.status_code == 422
    assert manager.files["a.txt"]["content"] == "mine"


def test_such_a_manager_is_unproven_not_refused(store, gate: QGuardGate) -> None:
    self_test.prove(store, gate)
    assert gate.status() == "degraded"
    assert any("unproven" in problem for problem in gate.problems)


def test_whatever_a_manager_raises_is_not_quoted(gate: QGuardGate, plant: str) -> None:
    class Chatty(AsyncStore):
        async def save(self, model, path):
            raise KeyError(json.dumps(model["content"]))

    manager = guard_class(Chatty, gate)()
    manager.files = {}
    for content in (dirty(plant), dirty("nothing")):
        with pytest.raises(HTTPError) as raised:
            do(manager.save({"type": "notebook", "format": "json", "content": content}, "a.ipynb"))
        assert raised.value.status_code == 503
        assert 'nothing"' not in str(raised.value)
        assert "cells" not in str(raised.value)
