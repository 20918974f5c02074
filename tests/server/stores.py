"""Contents managers for servers under test: one that keeps no plain files, as far as anybody can tell."""

from __future__ import annotations

import base64
import json
import os
from datetime import UTC, datetime
from pathlib import Path

from jupyter_server.services.contents.checkpoints import AsyncCheckpoints
from jupyter_server.services.contents.manager import AsyncContentsManager
from tornado.web import HTTPError


class NoCheckpoints(AsyncCheckpoints):
    async def list_checkpoints(self, path):
        return []


class ReadOnlyStore(AsyncContentsManager):
    """Hands out models of what a test has put into ``~/store``; a notebook as a model, if it can be read as one."""

    checkpoints_class = NoCheckpoints

    async def get(self, path, content=True, type=None, format=None, require_hash=False):
        file = Path(os.environ["HOME"]) / "store" / path.strip("/")
        if not file.is_file():
            raise HTTPError(404, f"there is no {path}")
        data = file.read_bytes()
        now = datetime.now(UTC)
        model = {"name": file.name, "path": path, "type": "file", "writable": True, "created": now}
        model.update(last_modified=now, mimetype=None, format=None, content=None)
        if content and file.name.startswith("model"):
            model.update(type="notebook", format="json", content=json.loads(data))
        elif content:
            try:
                model.update(format="text", content=data.decode())
            except UnicodeError:
                model.update(format="base64", content=base64.encodebytes(data).decode())
        return model

    async def save(self, model, path):
        raise HTTPError(403, "read-only")

    async def dir_exists(self, path):
        return path.strip("/") == ""

    async def file_exists(self, path=""):
        return (Path(os.environ["HOME"]) / "store" / path.strip("/")).is_file()

    async def is_hidden(self, path):
        return path.strip("/").startswith(".")
