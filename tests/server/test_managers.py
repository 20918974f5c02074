"""The writing doors on contents managers that are not jupyter_server's: facades, remote stores, ones without hooks."""

from __future__ import annotations

import base64
import importlib.util
import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.server.harness import Server, code_cell, core, forms, notebook, with_secret

JUPYTER_FS = importlib.util.find_spec("jupyterfs") is not None
needs_jupyter_fs = pytest.mark.skipif(not JUPYTER_FS, reason="jupyter-fs is not installed (the test extra has it)")


@dataclass(frozen=True)
class Kind:
    """One manager. ``store``: where its files are, ``checkpoints``: where those are, both "" for the disk or absent.

    ``dirty``: what making a checkpoint of a file that was dirty before leads to (``clean``: a redacted one,
    ``refused``: none); ``old``: what restoring a dirty checkpoint leads to, ``nothing`` where none are kept.
    """

    config: str
    inside: str = ""
    drive: bool = False
    store: str = ""
    checkpoints: str | None = None
    dirty: str = "refused"
    old: str = "nothing"
    read_as_json: bool = False


FSSPEC = """
import tests.server.other_managers
tests.server.other_managers.register_kept()
c.ServerApp.contents_manager_class = "jupyterfs.metamanager.{manager}"
c.JupyterFs.resources = [dict(name="r", url="{url}", type="fsspec", auth="none")]
"""
DIRECT = """
import sys
sys.path.insert(0, {base!r})
c.ServerApp.contents_manager_class = "direct.Direct"
"""
PLAIN = 'c.ServerApp.contents_manager_class = "tests.server.other_managers.{}"\n'

KINDS: dict[str, Kind] = {
    "jupyter-fs, files": Kind(FSSPEC.format(manager="MetaManager", url="file://{base}/resource"), "resource", True),
    "jupyter-fs, memory": Kind(FSSPEC.format(manager="MetaManager", url="kept://work"), "work", True, "memory"),
    "jupyter-fs, root": Kind(
        FSSPEC.format(manager="MetaManager", url="kept://work"), "root", checkpoints="disk", dirty="clean", old="clean"
    ),
    "jupyter-fs, synchronous": Kind(
        FSSPEC.format(manager="SyncMetaManager", url="kept://work"), "work", True, "memory"
    ),
    "fsspec by itself": Kind(DIRECT, "resource"),
    "no hooks": Kind(PLAIN.format("RowManager"), store="rows", checkpoints="checkpoints", dirty="clean", old="clean"),
    "no hooks, asynchronous": Kind(
        PLAIN.format("AsyncRowManager"), store="rows", checkpoints="checkpoints", old="refused"
    ),
    "no hooks, own checkpoints": Kind(
        PLAIN.format("ClosedManager"), store="rows", checkpoints="checkpoints", old="clean"
    ),
    "facade, rows": Kind(
        PLAIN.format("PrefixManager"), store="rows", checkpoints="checkpoints", dirty="clean", old="clean"
    ),
    "facade, files": Kind(PLAIN.format("PrefixManager"), "root", checkpoints="disk", dirty="clean", old="clean"),
}
DIRECT_MODULE = """
from jupyter_server.files.handlers import FilesHandler
from jupyterfs.manager import FSSpecManager

class Direct(FSSpecManager):
    def __init__(self, parent=None, **kwargs):
        super().__init__("file://{base}/resource", parent=parent)
        self.files_handler_class, self.files_handler_params = FilesHandler, {}
"""


class Store:
    """A server with one of the managers, and the way past it to what is kept."""

    def __init__(self, name: str, base: Path) -> None:
        self.kind = kind = KINDS[name]
        (base / "resource").mkdir()
        config = base / "managers_config.py"
        config.write_text(kind.config.replace("{base}", str(base)).replace("{base!r}", repr(str(base))))
        (base / "direct.py").write_text(DIRECT_MODULE.replace("{base}", str(base)))
        others = ("tests.server.other_managers", *(("jupyterfs.extension",) if "jupyterfs." in kind.config else ()))
        self.server = Server(base, f"--config={config}", "--QGuardGate.scan_seconds=45", others=others).wait()
        self.prefix = ""
        if kind.drive:
            (resource,) = self.server.call("GET", "jupyterfs/resources").json
            assert resource["init"], resource
            self.prefix = f"{resource['drive']}:"
        elif name == "facade, rows":
            self.prefix = "rows/"

    def at(self, path: str) -> str:
        """Return a path as the server's clients name it."""
        return self.prefix + path

    def folder(self) -> str:
        """Make a new folder through the server."""
        name = f"t{secrets.token_hex(4)}"
        self.server.contents("PUT", self.at(name), {"type": "directory"}).ok()
        return name

    def plant(self, path: str, data: bytes, store: str | None = None) -> None:
        """Put a file into the store, past server and guard."""
        store = self.kind.store if store is None else store
        if store:
            path = f"/{self.kind.inside}/{path}" if store == "memory" else path
            self.server.call("PUT", f"sidedoor?store={store}&path={quote(path)}", raw=data).ok()
        else:
            (self.server.base / self.kind.inside / path).write_bytes(data)

    def kept(self) -> dict[str, bytes]:
        """Return what the stores out of the disk's sight hold."""
        found: dict[str, bytes] = {}
        for store in ("memory", "rows", "checkpoints"):
            for path, data in self.server.call("GET", f"sidedoor?store={store}").json.items():
                found[f"{store}:{path.strip('/')}"] = base64.b64decode(data)
        return found

    def read(self, path: str) -> str:
        """Return a file as its store holds it."""
        if not self.kind.store:
            return (self.server.base / self.kind.inside / path).read_text()
        inside = f"{self.kind.inside}/" if self.kind.inside else ""
        return self.kept()[f"{self.kind.store}:{inside}{path}"].decode()

    def holders(self, value: str) -> list[str]:
        """Return everything that holds a value: files of the server, log included, and rows."""
        needles = forms(core(value))
        inside = [path for path, data in self.kept().items() if any(needle in data for needle in needles)]
        return [*self.server.where(value), *inside]


@pytest.fixture(scope="module")
def _stores() -> Iterator[dict[str, Store]]:
    started: dict[str, Store] = {}
    yield started
    for store in started.values():
        store.server.stop()


@pytest.fixture(params=[pytest.param(n, marks=needs_jupyter_fs if "fs" in n else ()) for n in KINDS])
def store(request: pytest.FixtureRequest, _stores: dict[str, Store], tmp_path_factory) -> Store:
    name = request.param
    if name not in _stores:
        _stores[name] = Store(name, tmp_path_factory.mktemp("manager"))
    return _stores[name]


def dirty(plant: str) -> bytes:
    return json.dumps(with_secret(plant)).encode()


def test_rows_1_and_2_save(store: Store, plant: str) -> None:
    path = f"{store.folder()}/a.ipynb"
    for _ in range(2):
        told = store.server.save(store.at(path), with_secret(plant)).ok().json["qguard"]
        assert told["action"] == "redact"
        assert told["kept"] is True
        assert {finding["field"] for finding in told["findings"]} == {"source", "outputs[0].text"}
        assert "[REDACTED:aws-access-key-id:" in store.read(path)
    assert store.holders(plant) == []


def test_row_3_new_untitled(store: Store) -> None:
    reply = store.server.contents("POST", store.at(store.folder()), {"type": "notebook"}).ok()
    assert "qguard" not in reply.json
    assert store.server.contents("POST", store.at(store.folder()), {"type": "file", "ext": ".txt"}).ok()


def test_row_4_copy_of_a_file(store: Store, plant: str) -> None:
    folder = store.folder()
    store.plant(f"{folder}/a.ipynb", dirty(plant))
    reply = store.server.contents("POST", store.at(folder), {"copy_from": store.at(f"{folder}/a.ipynb")}).ok()
    assert reply.json["qguard"]["action"] == "redact"
    assert reply.json["qguard"]["kept"] is False
    assert len(store.holders(plant)) == 1, "only the original, which is left alone"
    store.server.contents("DELETE", store.at(f"{folder}/a.ipynb"))
    assert [path for path in store.holders(plant) if "Trash" not in path] == []


def test_row_5_copy_of_a_folder_is_refused_cleanly(store: Store, plant: str) -> None:
    folder = store.folder()
    store.plant(f"{folder}/a.ipynb", dirty(plant))
    before = store.holders(plant)
    reply = store.server.contents("POST", store.at("").rstrip("/"), {"copy_from": store.at(folder)})
    assert reply.status == 400, reply.body
    assert plant not in reply.body.decode()
    assert store.holders(plant) == before


def test_row_6_rename_of_text_to_notebook(store: Store, plant: str) -> None:
    folder = store.folder()
    store.plant(f"{folder}/a.txt", dirty(plant))
    to = {"path": store.at(f"{folder}/a.ipynb")}
    reply = store.server.contents("PATCH", store.at(f"{folder}/a.txt"), to).ok()
    assert reply.json["qguard"]["action"] == "redact"
    assert reply.json["qguard"]["kept"] is True
    assert "[REDACTED:" in store.read(f"{folder}/a.ipynb")
    assert store.holders(plant) == []


def test_row_6_rename_of_a_broken_notebook_and_of_a_folder(store: Store, plant: str) -> None:
    if store.kind.store == "rows":
        pytest.skip("a store of rows holds no broken notebooks and no folders that could move")
    folder = store.folder()
    store.plant(f"{folder}/a.ipynb", f"key = '{plant}'".encode())
    to = {"path": store.at(f"{folder}/b.ipynb")}
    reply = store.server.contents("PATCH", store.at(f"{folder}/a.ipynb"), to)
    assert reply.status in (200, 422)
    assert plant not in reply.body.decode()
    assert plant not in store.server.log.read_text()
    store.server.contents("DELETE", store.at(f"{folder}/{'a' if reply.status == 422 else 'b'}.ipynb")).ok()
    reply = store.server.contents("PATCH", store.at(folder), {"path": store.at(folder + "x")}).ok()
    assert reply.json["qguard"]["action"] == "warn"
    assert [path for path in store.holders(plant) if "Trash" not in path] == []


def test_row_7_base64(store: Store, plant: str) -> None:
    folder = store.folder()
    reply = store.server.upload(store.at(f"{folder}/a.txt"), f"key={plant}\n".encode())
    assert reply.status == 422
    encoded = base64.encodebytes(dirty(plant)).decode().replace("\n", "\n !")
    body = {"type": "file", "format": "base64", "content": encoded}
    assert store.server.contents("PUT", store.at(f"{folder}/a.ipynb"), body).ok().json["qguard"]["action"] == "redact"
    assert "[REDACTED:" in store.read(f"{folder}/a.ipynb")
    assert store.holders(plant) == []


def test_row_8_notebook_sent_as_text_with_escapes(store: Store, plant: str) -> None:
    path = f"{store.folder()}/a.ipynb"
    text = dirty(plant).decode().replace(plant, "".join(f"\\u{ord(c):04x}" for c in plant))
    body = {"type": "file", "format": "text", "content": text}
    assert store.server.contents("PUT", store.at(path), body).ok().json["qguard"]["action"] == "redact"
    assert "[REDACTED:" in store.read(path)
    assert store.holders(plant) == []


def test_row_9_upload_in_chunks_is_one_save(store: Store, plant: str) -> None:
    folder, data = store.folder(), dirty(plant)
    cut = data.index(plant.encode()) + 7
    path = store.at(f"{folder}/a.ipynb")
    store.server.upload(path, data[:cut], chunk=1).ok()
    assert store.server.contents("GET", path).status in (400, 404), "nothing is to be seen before the last chunk"
    assert store.holders(plant) == []
    assert store.server.upload(path, data[cut:], chunk=-1).ok().json["qguard"]["action"] == "redact"
    content = store.server.contents("GET", path).ok().json["content"]
    assert "[REDACTED:" in json.dumps(content)
    assert len(content["cells"]) == 1, "the whole file, not the last of its parts"
    assert store.holders(plant) == []
    for chunk in (-1, 2):
        assert store.server.upload(store.at(f"{folder}/b.ipynb"), data, chunk=chunk).status == 409
    assert store.holders(plant) == []


def test_rows_10_and_11_the_same_findings_have_the_same_text(store: Store, plant: str) -> None:
    folder, messages = store.folder(), set()
    for name in ("a", "a", "b"):
        reply = store.server.save(store.at(f"{folder}/{name}.ipynb"), with_secret(plant)).ok()
        messages.add(reply.json["qguard"]["message"])
        store.server.contents("POST", store.at(f"{folder}/{name}.ipynb"), suffix="/checkpoints").ok()
    assert len(messages) == 1
    assert store.holders(plant) == []


def test_row_12_checkpoint_of_a_file_that_was_dirty_before(store: Store, plant: str) -> None:
    path = f"{store.folder()}/a.ipynb"
    store.plant(path, dirty(plant))
    reply = store.server.contents("POST", store.at(path), suffix="/checkpoints")
    assert reply.status == {"clean": 201, "refused": 422}[store.kind.dirty]
    assert len(store.holders(plant)) == 1, "the file itself, which is left alone"
    store.server.save(store.at(path), with_secret(plant)).ok()
    store.server.contents("POST", store.at(path), suffix="/checkpoints").ok()
    assert store.holders(plant) == []


def test_row_14_restore_of_an_old_checkpoint(store: Store, plant: str) -> None:
    folder = store.folder()
    path = f"{folder}/a.ipynb"
    store.server.save(store.at(path), notebook(code_cell("1"))).ok()
    made = store.server.contents("POST", store.at(path), suffix="/checkpoints").ok().json["id"]
    restore: Callable = lambda: store.server.contents("POST", store.at(path), suffix=f"/checkpoints/{made}")  # noqa: E731
    if store.kind.checkpoints == "disk":
        old = store.server.base / store.kind.inside / folder / ".ipynb_checkpoints" / "a-checkpoint.ipynb"
        old.write_bytes(dirty(plant))
    elif store.kind.checkpoints:
        store.plant(path, dirty(plant), store.kind.checkpoints)
    reply = restore()
    assert reply.status == (204 if store.kind.old == "clean" else 422)
    assert ("[REDACTED:" in store.read(path)) is (store.kind.old == "clean")
    assert len(store.holders(plant)) == (0 if store.kind.checkpoints is None else 1), "the old checkpoint stays"
    store.server.contents("DELETE", store.at(path)).ok()


def test_rows_15_and_16_nothing_stays_behind_and_reading_is_as_ever(store: Store, plant: str) -> None:
    path = f"{store.folder()}/a.ipynb"
    store.plant(path, dirty(plant))
    assert plant in store.server.contents("GET", store.at(path)).ok().body.decode(), "what was there is shown"
    store.server.save(store.at(path), with_secret(plant)).ok()
    model = store.server.contents("GET", store.at(path)).ok().json
    assert model["type"] == "notebook"
    assert "[REDACTED:" in model["content"]["cells"][0]["source"]
    assert store.holders(plant) == []


def test_row_23_trust_keeps_nothing(store: Store, plant: str) -> None:
    path = f"{store.folder()}/a.ipynb"
    store.server.save(store.at(path), with_secret(plant)).ok()
    store.server.contents("POST", store.at(path), suffix="/trust").ok()
    assert store.holders(plant) == []


def test_row_46_an_unreadable_notebook_is_quoted_nowhere(store: Store, plant: str) -> None:
    if store.kind.store == "rows":
        pytest.skip("a store of rows holds no broken notebooks")
    path = f"{store.folder()}/a.ipynb"
    store.plant(path, f"IBM_TOKEN={plant}\n".encode())
    reply = store.server.contents("GET", store.at(path))
    assert reply.status == 400
    assert plant[:12] not in reply.body.decode()
    assert plant[:12] not in str(reply.headers)
    assert plant[:12] not in store.server.log.read_text()
    store.server.contents("DELETE", store.at(path)).ok()


def test_row_48_a_validation_message_echoes_nothing(store: Store, plant: str) -> None:
    broken = code_cell("1", [{"output_type": "stream", "name": "stdout", "text": [{"no": f"text {plant}"}]}])
    reply = store.server.save(store.at(f"{store.folder()}/a.ipynb"), notebook(broken))
    assert reply.status in (200, 201)
    assert plant not in reply.body.decode()
    assert store.holders(plant) == []


def test_health_says_what_is_proven(store: Store) -> None:
    health = store.server.call("GET", "qguard/api/health").json
    writing = {"save", "upload", "copy", "rename"}
    assert all(health["doors"][door] for door in writing)
    assert health["status"] == "degraded"
    assert any("unproven" in problem for problem in health["problems"])


def test_row_17_download(store: Store, plant: str) -> None:
    path = f"{store.folder()}/a.ipynb"
    store.plant(path, dirty(plant))
    for address in (f"files/{quote(store.at(path))}", f"files/{quote(store.at(path))}?download=1"):
        reply = store.server.call("GET", address)
        assert reply.status == 200, reply.body
        assert b"[REDACTED:" in reply.body
        assert plant.encode() not in reply.body
    store.server.contents("DELETE", store.at(path)).ok()


def test_rows_18_to_21_exports(store: Store, plant: str) -> None:
    path = f"{store.folder()}/a.ipynb"
    store.plant(path, dirty(plant))
    got = store.server.call("GET", f"nbconvert/html/{quote(store.at(path))}")
    body = {"type": "notebook", "format": "json", "content": with_secret(plant)}
    sent = store.server.call("POST", "nbconvert/script", body)
    for reply in (got, sent):
        assert reply.status == 200, reply.body[:500]
        assert b"REDACTED" in reply.body
        assert plant.encode() not in reply.body
    store.server.contents("DELETE", store.at(path)).ok()
