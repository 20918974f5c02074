"""The start-up canary: a random secret is sent through every writing door before the server listens.

A second instance of the very class that serves, rooted in a scratch folder, with the default policy: it proves the
machinery (doors, scanner, redaction), not what the local policy asks for. Nothing of it is recorded or kept.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import shutil
import string
import tempfile
import threading
from collections.abc import Awaitable, Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from jupyter_server.services.contents.filecheckpoints import FileCheckpoints
from nbformat.sign import MemorySignatureStore, NotebookNotary
from tornado.web import HTTPError

from jupyter_qguard import settings
from jupyter_qguard.errors import QGuardError
from jupyter_qguard.guard import Guard
from jupyter_qguard.policy.model import Door
from jupyter_qguard.scan.stream import OVERLAP, StreamScan
from jupyter_qguard.server.doors.contents import guard_class
from jupyter_qguard.server.doors.downloads_judge import Downloads
from jupyter_qguard.server.doors.downloads_source import DiskFile
from jupyter_qguard.server.doors.exports_proof import exported
from jupyter_qguard.server.doors.inner import adopt, inner_managers
from jupyter_qguard.server.doors.model import encode_base64
from jupyter_qguard.server.gate import DOORS, LEAVING_DOORS, WRITING_DOORS, NoRecord, QGuardGate
from jupyter_qguard.server.stand_in import AsyncStandIn, Rehearsal, StandIn, replaced
from jupyter_qguard.server.worker import finish, ready

_SECONDS = 20.0
"""Wall-clock limit of one judgement in the test."""
_CHECKPOINT_DOORS: tuple[Door, ...] = ("checkpoint", "restore")


def prove(manager: Any, gate: QGuardGate) -> None:
    """Send secrets through every door of a scratch instance and set ``gate.doors``.

    Raises QGuardError where a door lets one through; with ``on_failure = "warn"`` that is a problem instead. A
    manager without plain files is rehearsed on a store in memory, and its own store is reported as unproven.
    """
    test = _all if manager.qguard_files else _rehearse
    scratch = Path(tempfile.mkdtemp(prefix="qguard-canary-"))
    try:
        failure = _in_thread(lambda: test(manager, scratch, gate))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if failure is None:
        return
    if getattr(gate.guard.policies, "on_failure", "refuse") == "warn":
        gate.close(failure)
        return
    raise QGuardError(failure, "`qguard doctor` shows more.")


def _in_thread(job: Callable[[], str | None]) -> str | None:
    """Run the test in a thread with an event loop of its own: the server's may be running already, or not yet."""
    result: list[str | None] = []
    thread = threading.Thread(target=lambda: result.append(job()), name="qguard-canary", daemon=True)
    thread.start()
    thread.join(_SECONDS * len(DOORS))
    return result[0] if result else "the start-up test did not come to an end."


def _all(manager: Any, scratch: Path, gate: QGuardGate) -> str | None:
    return _run(manager, scratch, gate, DOORS)


def _rehearse(manager: Any, scratch: Path, gate: QGuardGate) -> str | None:
    """Prove what can be proven without writing into the manager's own store."""
    foreign = replaced(manager)
    if foreign is not None:
        return f"something stands in front of the contents manager's {foreign}."
    blind = _CHECKPOINT_DOORS if manager.qguard_own_checkpoints else ()
    kinds: set[type] = set()
    adopt(manager)
    for inner in inner_managers(manager):
        blind = ()  # a facade: checkpoints are made below it, by managers that are guarded themselves
        if getattr(inner, "qguard_files", False) and type(inner) not in kinds:
            kinds.add(type(inner))
            failure = _run(inner, scratch / f"inner{len(kinds)}", gate, WRITING_DOORS)
            if failure is not None:
                return failure
    failure = _run(manager, scratch, gate, LEAVING_DOORS)
    if failure is None:
        double = guard_class(StandIn if manager.qguard_blocking else AsyncStandIn, gate)()
        _quiet(double, scratch, _own_gate(scratch))
        doors = [door for door in WRITING_DOORS if door not in blind]
        failure = _try_doors(double, Rehearsal(double), doors, gate)
    if failure is None:
        beside = f", and {' and '.join(blind)} not at all" if blind else ""
        gate.close(
            f"The doors of {manager.qguard_base.__name__} are guarded. They were tried on a store in memory{beside}; "
            "on its own store they are unproven, because the start-up test never writes there."
        )
    return failure


def _run(manager: Any, scratch: Path, gate: QGuardGate, doors: Sequence[Door]) -> str | None:
    (scratch / "root").mkdir(parents=True)
    own = _own_gate(scratch)
    double = None
    if "save" in doors:
        try:
            double = _double(manager, scratch, own)
        except Exception as error:
            return f"the start-up test could not make a second contents manager ({type(error).__name__})."
    test = _Canary(double, own, scratch)
    store = getattr(double, "checkpoints", None)
    blind = () if double is None or isinstance(store, FileCheckpoints) else _CHECKPOINT_DOORS
    if double is not None and blind:
        gate.close(
            f"The doors {' and '.join(blind)} are guarded but unproven: {double.checkpoints_class.__name__} keeps no "
            "plain files, so the start-up test cannot look at what was written."
        )
    return _try_doors(manager, test, [door for door in doors if door not in blind], gate)


def _try_doors(manager: Any, test: _Canary | Rehearsal, doors: Sequence[Door], gate: QGuardGate) -> str | None:
    for door in doors:
        try:
            way = test.run(door)
            blocking = door in WRITING_DOORS and manager.qguard_blocking
            held = finish(way) if blocking else asyncio.run(way)
        except Exception as error:
            return f"the start-up test failed at the {door} door ({type(error).__name__})."
        if not held:
            return f"the start-up test could not show that nothing secret gets through the {door} door."
        gate.doors[door] = True
    return None


def _own_gate(scratch: Path) -> QGuardGate:
    """Return a gate with the default policy that records and keeps nothing."""
    policies = settings.load(None, root=scratch / "root", env={}, system_dirs=(), user_dir=scratch)
    guard = Guard(policies=policies, ledger=NoRecord(), keeper=None, key=secrets.token_bytes(32))
    log = logging.getLogger("jupyter_qguard.canary")
    log.propagate = False
    log.disabled = True
    return QGuardGate(guard=guard, scan_seconds=_SECONDS, log=log)


def _double(manager: Any, scratch: Path, gate: QGuardGate) -> Any:
    """Return a second instance of the guarded class with the default policy, no hooks, no events, no trust database."""
    root = scratch / "root"
    config = deepcopy(manager.config)
    for section in config.values():
        for name in ("pre_save_hook", "post_save_hook", "root_dir", "preferred_dir"):
            if hasattr(section, "pop"):
                section.pop(name, None)
    double = type(manager)(config=config, log=gate.log, root_dir=str(root))
    _quiet(double, scratch, gate)
    if isinstance(double.checkpoints, FileCheckpoints):
        # A folder that is configured for checkpoints may be anywhere: the test must neither miss it nor write there.
        double.checkpoints.root_dir = str(root)
        double.checkpoints.checkpoint_dir = ".ipynb_checkpoints"
    return double


def _quiet(double: Any, scratch: Path, gate: QGuardGate) -> None:
    """Let a double judge by a gate of its own, tell nobody, and sign in memory."""
    double.qguard_gate = gate
    double.emit = lambda **_: None
    double.notary = NotebookNotary(  # type: ignore[no-untyped-call]
        store_factory=MemorySignatureStore, secret=secrets.token_bytes(32), data_dir=str(scratch)
    )


class _Canary:
    """One secret, and a way through each door. Every way returns whether the disk is clean afterwards."""

    def __init__(self, manager: Any, gate: QGuardGate, scratch: Path) -> None:
        self._manager = manager
        self._gate = gate
        self._root = scratch / "root"
        alphabet = string.ascii_uppercase + "234567"
        self._secrets = (
            "AKIA" + "".join(secrets.choice(alphabet) for _ in range(16)),
            "DEV-" + secrets.token_hex(20),
        )

    async def run(self, door: Door) -> bool:
        """Go through one door in a folder of its own; True when no byte of a secret is left in it."""
        folder = self._root / door
        folder.mkdir()
        ways: dict[Door, Callable[[Path], Awaitable[None]]] = {
            "save": self._save,
            "upload": self._upload,
            "copy": self._copy,
            "rename": self._rename,
            "checkpoint": self._checkpoint,
            "restore": self._restore,
            "download": self._download,
            "export": self._export,
        }
        await ways[door](folder)
        written = [file.read_bytes() for file in folder.rglob("*") if file.is_file()]
        return bool(written) and not any(secret.encode() in data for data in written for secret in self._secrets)

    def _notebook(self) -> dict[str, Any]:
        source = [f'key = "{self._secrets[0]}"\n', f'token = "{self._secrets[1]}"']
        output = {"output_type": "stream", "name": "stdout", "text": [self._secrets[1]]}
        cell = {
            "cell_type": "code",
            "id": "canary",
            "metadata": {},
            "execution_count": 1,
            "source": source,
            "outputs": [output],
        }
        return {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}

    def _plant(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(self._notebook()), encoding="utf-8")

    async def _save(self, folder: Path) -> None:
        model = {"type": "notebook", "format": "json", "content": self._notebook()}
        await ready(self._manager.save(model, f"{folder.name}/a.ipynb"))

    async def _upload(self, folder: Path) -> None:
        data = json.dumps(self._notebook()).encode()
        half = data.index(self._secrets[0].encode()) + 8  # the secret lies across both chunks
        for chunk, part in ((1, data[:half]), (-1, data[half:])):
            model = {"type": "file", "format": "base64", "chunk": chunk, "content": encode_base64(part)}
            await ready(self._manager.save(model, f"{folder.name}/a.ipynb"))
        text = f"key={self._secrets[0]}\n".encode()
        model = {"type": "file", "format": "base64", "content": encode_base64(text)}
        try:
            await ready(self._manager.save(model, f"{folder.name}/a.txt"))
        except HTTPError as refusal:
            if refusal.status_code != 422:
                raise

    async def _copy(self, folder: Path) -> None:
        self._plant(folder / "from" / "a.ipynb")
        await ready(self._manager.copy(f"{folder.name}/from/a.ipynb", folder.name))
        await ready(self._manager._copy_dir(f"{folder.name}/from", folder.name, "to", f"{folder.name}/to"))
        (folder / "from" / "a.ipynb").unlink()

    async def _rename(self, folder: Path) -> None:
        self._plant(folder / "a.txt")
        await ready(self._manager.rename(f"{folder.name}/a.txt", f"{folder.name}/a.ipynb"))

    async def _checkpoint(self, folder: Path) -> None:
        self._plant(folder / "a.ipynb")
        await ready(self._manager.create_checkpoint(f"{folder.name}/a.ipynb"))
        (folder / "a.ipynb").unlink()

    async def _restore(self, folder: Path) -> None:
        path = f"{folder.name}/a.ipynb"
        clean = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}  # stores of models read it as one
        (folder / "a.ipynb").write_text(json.dumps(clean), encoding="utf-8")
        await ready(self._manager.create_checkpoint(path))
        saved = next(file for file in self._root.rglob("a-checkpoint*") if file.is_file())
        self._plant(saved)
        await ready(self._manager.restore_checkpoint("checkpoint", path))
        saved.unlink()

    async def _export(self, folder: Path) -> None:
        """Leave in the folder what the door would send of a notebook to which an exporter adds a secret."""
        sent = exported(self._gate.guard, self._notebook(), self._secrets[0])
        (folder / "sent").write_bytes(sent)

    async def _download(self, folder: Path) -> None:
        """Leave in the folder what the door would send of a notebook, and of a large file judged in parts."""
        asked, sent = folder / "a.ipynb", folder / "sent"
        self._plant(asked)
        request = self._gate.request("download", f"{folder.name}/a.ipynb", sole_copy=False)
        downloads = Downloads(self._gate)
        source = DiskFile(str(asked))
        try:
            _, body = await downloads.whole(source, request, downloads.state(request.path), group="")
        finally:
            source.close()
        asked.unlink()
        sent.write_bytes(body)
        head = b"\x01" * (OVERLAP * 2)
        data = head + self._secrets[0].encode() + head
        half = len(head) + 8  # the secret lies across both windows
        stream = StreamScan(data)
        first, second = stream.feed(data[:half], last=False), stream.feed(data[half:], last=True)
        if first.held < 8 or not second.scan.findings:
            sent.write_bytes(data)
