"""Contents managers as other people write them, for servers under test, and a side door to what they keep.

The side door is a server extension of the tests: it puts bytes into a store and lists all that it holds, past the
guard and past the manager, as a database's owner could.
"""

from __future__ import annotations

import base64
import copy
import json
from datetime import UTC, datetime

import nbformat
from jupyter_server.base.handlers import APIHandler
from jupyter_server.services.contents.checkpoints import AsyncCheckpoints, Checkpoints, GenericCheckpointsMixin
from jupyter_server.services.contents.largefilemanager import LargeFileManager
from jupyter_server.services.contents.manager import AsyncContentsManager, ContentsManager
from tornado import web
from traitlets import Any, default

ROWS: dict[str, dict] = {}
"""What the stores in memory keep: a row per path with type, format and content."""
CHECKPOINTS: dict[str, dict] = {}


class RowCheckpoints(GenericCheckpointsMixin, Checkpoints):
    """Checkpoints as rows, in the generic way."""

    def create_notebook_checkpoint(self, nb, path):
        return self._keep(path, {"type": "notebook", "content": json.loads(json.dumps(nb))})

    def create_file_checkpoint(self, content, format, path):
        return self._keep(path, {"type": "file", "format": format, "content": content})

    def _keep(self, path, row):
        CHECKPOINTS[path.strip("/")] = row
        return {"id": "row", "last_modified": datetime.now(UTC)}

    def get_notebook_checkpoint(self, checkpoint_id, path):
        row = copy.deepcopy(CHECKPOINTS[path.strip("/")])
        return {**row, "content": nbformat.from_dict(row["content"])} if row["type"] == "notebook" else row

    get_file_checkpoint = get_notebook_checkpoint

    def list_checkpoints(self, path):
        found = path.strip("/") in CHECKPOINTS
        return [{"id": "row", "last_modified": datetime.now(UTC)}] if found else []

    def rename_checkpoint(self, checkpoint_id, old_path, new_path):
        CHECKPOINTS[new_path.strip("/")] = CHECKPOINTS.pop(old_path.strip("/"))

    def delete_checkpoint(self, checkpoint_id, path):
        CHECKPOINTS.pop(path.strip("/"), None)


class Rows:
    """Reads and writes rows. Calls no hooks, knows no chunks: a second chunk would replace the first."""

    root_dir = ""

    def _dir(self, path):
        path = path.strip("/")
        return path == "" or any(name.startswith(path + "/") or name == path + "/" for name in ROWS)

    def _row(self, path, content=True, type=None, format=None):
        path, now = path.strip("/"), datetime.now(UTC)
        model = {
            "name": path.rsplit("/", 1)[-1],
            "path": path,
            "created": now,
            "last_modified": now,
            "mimetype": None,
            "writable": True,
            "content": None,
            "format": None,
        }
        if path not in ROWS:
            if not self._dir(path):
                raise web.HTTPError(404, f"No such row: {path}")
            start = path + "/" if path else ""
            names = {name[len(start) :].split("/")[0] for name in ROWS if name.startswith(start)} - {""}
            if content:
                entries = [self._row(start + name, content=False) for name in sorted(names)]
                model.update(format="json", content=entries)
            return {**model, "type": "directory"}
        row = copy.deepcopy(ROWS[path])
        model.update(type=row["type"], size=len(json.dumps(row)))
        if content:
            kept = row["content"]
            model.update(content=kept, format=row.get("format") or ("json" if row["type"] == "notebook" else "text"))
            if row["type"] == "notebook":
                model["content"] = nbformat.from_dict(kept)
        return model

    def _write(self, model, path):
        path = path.strip("/")
        if model["type"] == "directory":
            ROWS[path + "/"] = {"type": "directory", "content": None}
            return self._row(path, content=False)
        kept = {name: model.get(name) for name in ("type", "format", "content")}
        if path.endswith(".ipynb") and kept["type"] == "file":  # what a browser sends as a file
            text = kept["content"]
            if kept["format"] == "base64":
                text = base64.decodebytes(text.encode()).decode()
            kept = {"type": "notebook", "format": "json", "content": json.loads(text)}
        ROWS[path] = json.loads(json.dumps(kept))
        return self._row(path, content=False)

    def _move(self, old, new):
        row = ROWS.pop(old.strip("/"))
        if new.endswith(".ipynb") and row["type"] == "file":
            row = {"type": "notebook", "format": "json", "content": json.loads(row["content"])}
        ROWS[new.strip("/")] = row


class RowManager(Rows, ContentsManager):
    """A synchronous store in the manner of pgcontents."""

    checkpoints_class = RowCheckpoints

    def get(self, path, content=True, type=None, format=None, require_hash=False):
        return self._row(path, content, type, format)

    def save(self, model, path=""):
        return self._write(model, path)

    def delete_file(self, path):
        ROWS.pop(path.strip("/"), None)

    def rename_file(self, old_path, new_path):
        self._move(old_path, new_path)

    def dir_exists(self, path):
        return self._dir(path)

    def file_exists(self, path=""):
        return path.strip("/") in ROWS

    def is_hidden(self, path):
        return False


class AsyncRowCheckpoints(AsyncCheckpoints):
    """An own way of keeping checkpoints, which nothing can look into."""

    async def create_checkpoint(self, contents_mgr, path):
        CHECKPOINTS[path.strip("/")] = copy.deepcopy(ROWS[path.strip("/")])
        return {"id": "row", "last_modified": datetime.now(UTC)}

    async def restore_checkpoint(self, contents_mgr, checkpoint_id, path):
        ROWS[path.strip("/")] = copy.deepcopy(CHECKPOINTS[path.strip("/")])

    async def list_checkpoints(self, path):
        found = path.strip("/") in CHECKPOINTS
        return [{"id": "row", "last_modified": datetime.now(UTC)}] if found else []

    async def rename_all_checkpoints(self, old_path, new_path):
        if old_path.strip("/") in CHECKPOINTS:
            CHECKPOINTS[new_path.strip("/")] = CHECKPOINTS.pop(old_path.strip("/"))

    async def delete_all_checkpoints(self, path):
        CHECKPOINTS.pop(path.strip("/"), None)


class AsyncRowManager(Rows, AsyncContentsManager):
    """The same, asynchronous, with checkpoints of its own kind."""

    checkpoints_class = AsyncRowCheckpoints

    async def get(self, path, content=True, type=None, format=None, require_hash=False):
        return self._row(path, content, type, format)

    async def save(self, model, path=""):
        return self._write(model, path)

    async def delete_file(self, path):
        ROWS.pop(path.strip("/"), None)

    async def rename_file(self, old_path, new_path):
        self._move(old_path, new_path)

    async def dir_exists(self, path):
        return self._dir(path)

    async def file_exists(self, path=""):
        return path.strip("/") in ROWS

    async def is_hidden(self, path):
        return False


class PrefixManager(ContentsManager):
    """A facade in the manner of pgcontents' HybridContentsManager: ``rows/…`` is a store of rows, the rest is files."""

    inner = Any()

    @default("inner")
    def _inner_default(self):
        return {"rows": RowManager(parent=self), "": LargeFileManager(parent=self, root_dir=self.parent.root_dir)}

    def _pick(self, path):
        first, _, rest = path.strip("/").partition("/")
        return ("rows", rest) if first == "rows" else ("", path)

    def get(self, path, content=True, type=None, format=None, require_hash=False):
        name, rest = self._pick(path)
        model = self.inner[name].get(rest, content=content, type=type, format=format)
        if name:
            model["path"] = f"{name}/{rest}"
        return model

    def save(self, model, path=""):
        name, rest = self._pick(path)
        return {**self.inner[name].save(model, rest), "path": path.strip("/")}

    def rename(self, old_path, new_path):
        (old, old_rest), (new, new_rest) = self._pick(old_path), self._pick(new_path)
        if old != new:
            raise web.HTTPError(400, "Not between stores")
        self.inner[old].rename(old_rest, new_rest)

    def delete(self, path):
        name, rest = self._pick(path)
        self.inner[name].delete(rest)

    def _asked(self, what, path):
        name, rest = self._pick(path)
        return getattr(self.inner[name], what)(rest)

    def dir_exists(self, path):
        return self._asked("dir_exists", path)

    def file_exists(self, path=""):
        return self._asked("file_exists", path)

    def is_hidden(self, path):
        return self._asked("is_hidden", path)

    def create_checkpoint(self, path):
        return self._asked("create_checkpoint", path)

    def list_checkpoints(self, path):
        return self._asked("list_checkpoints", path)

    def restore_checkpoint(self, checkpoint_id, path):
        name, rest = self._pick(path)
        return self.inner[name].restore_checkpoint(checkpoint_id, rest)


class ClosedManager(RowManager):
    """Keeps its checkpoints itself, where nobody finds them: a facade over something out of reach."""

    def create_checkpoint(self, path):
        CHECKPOINTS[path.strip("/")] = copy.deepcopy(ROWS[path.strip("/")])
        return {"id": "row", "last_modified": datetime.now(UTC)}

    def restore_checkpoint(self, checkpoint_id, path):
        ROWS[path.strip("/")] = copy.deepcopy(CHECKPOINTS[path.strip("/")])


def register_kept() -> None:
    """Give fsspec a file system in memory under ``kept://``.

    jupyter-fs cannot use fsspec's own: it takes ``created`` for a number of seconds, and there it is a datetime.
    """
    import fsspec
    from fsspec.implementations.memory import MemoryFileSystem

    class Kept(MemoryFileSystem):
        protocol = ("kept",)

        @classmethod
        def _strip_protocol(cls, path):
            return super()._strip_protocol(str(path).replace("kept://", "memory://", 1))

        def info(self, path, **kwargs):
            return _seconds(super().info(path, **kwargs))

        def ls(self, path, detail=True, **kwargs):
            found = super().ls(path, detail=detail, **kwargs)
            return [_seconds(entry) for entry in found] if detail else found

    fsspec.register_implementation("kept", Kept, clobber=True)


def _seconds(entry):
    created = entry.get("created")
    return {**entry, "created": created.timestamp()} if isinstance(created, datetime) else entry


def _memory():
    import fsspec

    return fsspec.filesystem("memory")


class SideDoor(APIHandler):
    """``PUT sidedoor?store=S&path=P`` puts bytes; ``GET sidedoor?store=S`` lists them. S: memory, rows, checkpoints."""

    @web.authenticated
    def get(self):
        store = self.get_query_argument("store")
        if store == "memory":
            found = {path: base64.b64encode(_memory().cat(path)).decode() for path in _memory().find("/")}
        else:
            rows = ROWS if store == "rows" else CHECKPOINTS
            found = {path: base64.b64encode(json.dumps(row).encode()).decode() for path, row in rows.items()}
        self.finish(json.dumps(found))

    @web.authenticated
    def put(self):
        store, path = self.get_query_argument("store"), self.get_query_argument("path")
        if store == "memory":
            _memory().pipe(path, self.request.body)
        else:
            rows = ROWS if store == "rows" else CHECKPOINTS
            row = {"type": "file", "format": "text", "content": self.request.body.decode()}
            if path.endswith(".ipynb"):
                row = {"type": "notebook", "format": "json", "content": json.loads(self.request.body)}
            rows[path.strip("/")] = row
        self.finish("{}")


def _jupyter_server_extension_points():
    return [{"module": "tests.server.other_managers"}]


def _load_jupyter_server_extension(app):
    app.web_app.add_handlers(".*$", [(app.base_url + "sidedoor", SideDoor)])
