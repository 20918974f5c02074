"""The start-up test of doors whose store cannot be looked into: the same doors, on a store in memory.

Never writes into anybody's store. What this shows: the doors of the class that serves are this package's own and
outermost, and doors of that kind hand nothing secret down. What it cannot show: what the store itself does.
"""

# ruff: noqa: ARG002 - the names of arguments are those of the contents API
from __future__ import annotations

import copy
import json
import secrets
import string
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from jupyter_server.services.contents.checkpoints import (
    AsyncCheckpoints,
    AsyncGenericCheckpointsMixin,
    Checkpoints,
    GenericCheckpointsMixin,
)
from jupyter_server.services.contents.manager import AsyncContentsManager, ContentsManager
from tornado.web import HTTPError

from jupyter_qguard.policy.model import Door
from jupyter_qguard.server.doors.contents import DOOR_NAMES, FILE_DOOR_NAMES
from jupyter_qguard.server.doors.model import encode_base64
from jupyter_qguard.server.worker import ready


def replaced(manager: Any) -> str | None:
    """Return the name of a door that something else stands in front of, or None where all are ours."""
    woven = next((kind for kind in type(manager).__mro__ if "qguard_base" in vars(kind)), None)
    for name in sorted(DOOR_NAMES - FILE_DOOR_NAMES):
        first = next((kind for kind in type(manager).__mro__ if name in vars(kind)), None)
        if first is not None and first is not woven:
            return name
    return None


class _Rows:
    """Models by path; ``kept`` are those of checkpoints."""

    rows: dict[str, Any]
    kept: dict[str, Any]

    def _model(self, path: str, content: bool) -> dict[str, Any]:
        path = path.strip("/")
        if path not in self.rows:
            raise HTTPError(404)
        now = datetime.now(UTC)
        model = {"name": path, "path": path, "writable": True, "created": now, "last_modified": now, "mimetype": None}
        model.update(copy.deepcopy(self.rows[path]))
        if not content:
            model.update(content=None, format=None)
        return model

    def _put(self, model: dict[str, Any], path: str) -> dict[str, Any]:
        row = {key: model.get(key) for key in ("type", "format", "content")}
        self.rows[path.strip("/")] = json.loads(json.dumps(row))
        return self._model(path, content=False)

    def _move(self, old_path: str, new_path: str) -> None:
        self.rows[new_path.strip("/")] = self.rows.pop(old_path.strip("/"))


def _store(checkpoints: Any) -> Any:
    return checkpoints.parent


class _Generic(GenericCheckpointsMixin, Checkpoints):
    def create_notebook_checkpoint(self, nb: Any, path: str) -> dict[str, Any]:
        _store(self).kept[path.strip("/")] = json.loads(json.dumps(nb))
        return {"id": "checkpoint"}

    def get_notebook_checkpoint(self, _id: str, path: str) -> dict[str, Any]:
        return {"type": "notebook", "format": "json", "content": copy.deepcopy(_store(self).kept[path.strip("/")])}

    def list_checkpoints(self, _path: str) -> list[Any]:
        return []


class _AsyncGeneric(AsyncGenericCheckpointsMixin, AsyncCheckpoints):
    async def create_notebook_checkpoint(self, nb: Any, path: str) -> dict[str, Any]:
        _store(self).kept[path.strip("/")] = json.loads(json.dumps(nb))
        return {"id": "checkpoint"}

    async def get_notebook_checkpoint(self, _id: str, path: str) -> dict[str, Any]:
        return {"type": "notebook", "format": "json", "content": copy.deepcopy(_store(self).kept[path.strip("/")])}

    async def list_checkpoints(self, _path: str) -> list[Any]:
        return []


class StandIn(_Rows, ContentsManager):
    """A synchronous store in memory."""

    checkpoints_class = _Generic

    def get(
        self, path: Any, content: Any = True, type: Any = None, format: Any = None, require_hash: Any = False
    ) -> Any:
        return self._model(path, content)

    def save(self, model: dict[str, Any], path: str = "") -> dict[str, Any]:
        return self._put(model, path)

    def rename_file(self, old_path: str, new_path: str) -> None:
        self._move(old_path, new_path)

    def dir_exists(self, path: str) -> bool:
        return path.strip("/") == ""

    def file_exists(self, path: str = "") -> bool:
        return path.strip("/") in self.rows

    def is_hidden(self, _path: str) -> bool:
        return False


class AsyncStandIn(_Rows, AsyncContentsManager):
    """An asynchronous store in memory."""

    checkpoints_class = _AsyncGeneric

    async def get(
        self, path: Any, content: Any = True, type: Any = None, format: Any = None, require_hash: Any = False
    ) -> Any:
        return self._model(path, content)

    async def save(self, model: dict[str, Any], path: str = "") -> dict[str, Any]:
        return self._put(model, path)

    async def rename_file(self, old_path: str, new_path: str) -> None:
        self._move(old_path, new_path)

    async def dir_exists(self, path: str) -> bool:
        return path.strip("/") == ""

    async def file_exists(self, path: str = "") -> bool:
        return path.strip("/") in self.rows

    async def is_hidden(self, _path: str) -> bool:
        return False


class Rehearsal:
    """One secret, and a way through each door of a guarded stand-in."""

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self._secret = "AKIA" + "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(16))
        manager.rows, manager.kept = {}, {}

    async def run(self, door: Door) -> bool:
        """Go through one door of an empty store; True when something was written and no secret is in it."""
        self._manager.rows.clear()
        self._manager.kept.clear()
        ways: dict[Door, Callable[[], Awaitable[None]]] = {
            "save": self._save,
            "upload": self._upload,
            "copy": self._copy,
            "rename": self._rename,
            "checkpoint": self._checkpoint,
            "restore": self._restore,
        }
        await ways[door]()
        written = json.dumps([self._manager.rows, self._manager.kept])
        return "[REDACTED:" in written and self._secret not in written

    def _notebook(self) -> dict[str, Any]:
        cell = {
            "cell_type": "code",
            "id": "canary",
            "metadata": {},
            "execution_count": 1,
            "source": f'key = "{self._secret}"',
            "outputs": [{"output_type": "stream", "name": "stdout", "text": [self._secret]}],
        }
        return {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}

    def _plant(self, path: str, *, text: bool = False) -> None:
        row = {"type": "notebook", "format": "json", "content": self._notebook()}
        if text:
            row = {"type": "file", "format": "text", "content": json.dumps(self._notebook())}
        self._manager.rows[path] = row

    async def _save(self) -> None:
        await ready(self._manager.save({"type": "notebook", "format": "json", "content": self._notebook()}, "a.ipynb"))

    async def _upload(self) -> None:
        data = json.dumps(self._notebook()).encode()
        half = data.index(self._secret.encode()) + 8
        for chunk, part in ((1, data[:half]), (-1, data[half:])):
            model = {"type": "file", "format": "base64", "chunk": chunk, "content": encode_base64(part)}
            await ready(self._manager.save(model, "a.ipynb"))
        row = self._manager.rows["a.ipynb"]
        if row["format"] == "base64":  # look into what was handed down
            from jupyter_qguard.server.doors.model import decode_base64

            row.update(format="text", content=decode_base64(row["content"]).decode())

    async def _copy(self) -> None:
        self._plant("a.ipynb")
        await ready(self._manager.copy("a.ipynb", ""))
        del self._manager.rows["a.ipynb"]

    async def _rename(self) -> None:
        self._plant("a.txt", text=True)
        await ready(self._manager.rename("a.txt", "a.ipynb"))

    async def _checkpoint(self) -> None:
        self._plant("a.ipynb")
        await ready(self._manager.create_checkpoint("a.ipynb"))
        del self._manager.rows["a.ipynb"]

    async def _restore(self) -> None:
        self._plant("a.ipynb")
        self._manager.kept["a.ipynb"] = self._notebook()
        await ready(self._manager.restore_checkpoint("checkpoint", "a.ipynb"))
        self._manager.kept.clear()
