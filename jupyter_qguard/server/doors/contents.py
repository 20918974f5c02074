"""The guarded contents manager: a class made at run time around whatever manager the server was to use."""

from __future__ import annotations

import inspect
from typing import Any

from jupyter_server.services.contents.fileio import AsyncFileManagerMixin, FileManagerMixin
from jupyter_server.services.contents.filemanager import AsyncFileContentsManager, FileContentsManager
from jupyter_server.services.contents.manager import AsyncContentsManager, ContentsManager
from traitlets import default

from jupyter_qguard.server.doors import copies, disk, reading, rename, save, versions
from jupyter_qguard.server.doors.checkpoints import guard_checkpoints
from jupyter_qguard.server.doors.hooks import run_hooks
from jupyter_qguard.server.doors.passage import current
from jupyter_qguard.server.doors.upload import Uploads
from jupyter_qguard.server.doors.weave import Door, weave
from jupyter_qguard.server.gate import QGuardGate
from jupyter_qguard.server.refusal import bad_request, disk_error

_DOORS: dict[str, Door] = {
    "save": save.save,
    "get": reading.get,
    "delete": reading.delete,
    "update": rename.update,
    "rename": rename.rename,
    "rename_file": rename.rename_file,
    "copy": copies.copy,
    "create_checkpoint": versions.create_checkpoint,
    "restore_checkpoint": versions.restore_checkpoint,
}
_FILE_DOORS: dict[str, Door] = {
    "_copy_dir": copies.copy_folder,
    "_save_notebook": disk.save_notebook,
    "_save_file": disk.save_file,
    "_save_large_file": disk.save_large_file,
}


FILE_DOOR_NAMES = frozenset(_FILE_DOORS)
"""Doors that only managers of plain files have."""
DOOR_NAMES = frozenset(_DOORS) | FILE_DOOR_NAMES
"""Methods that nothing but this package may replace on a guarded manager."""


class Guarded:
    """Marks the guarded classes and holds what their doors share; :func:`guard_class` weaves the doors in.

    ``qguard_files``: the manager keeps plain files under ``root_dir``. ``qguard_blocking``: it is synchronous.
    ``qguard_own_checkpoints``: it makes and restores checkpoints in a way of its own.
    """

    qguard_gate: QGuardGate
    qguard_files: bool = False
    qguard_plain_bytes: bool = False
    qguard_blocking: bool = False
    qguard_own_checkpoints: bool = False
    qguard_base: type

    @property
    def qguard_uploads(self) -> Uploads:
        """The chunked uploads in progress at this manager."""
        uploads: Uploads | None = self.__dict__.get("_qguard_uploads")
        if uploads is None:
            uploads = Uploads(quota=self.qguard_gate.upload_bytes, idle=self.qguard_gate.upload_idle_seconds)
            self.__dict__["_qguard_uploads"] = uploads
        return uploads

    def is_hidden(self, path: Any) -> Any:
        """Say whether a path is hidden. What is no path is the request's fault; jupyter_server would answer 500."""
        if not isinstance(path, str):
            raise bad_request("A path must be a text.")
        try:
            hidden = super().is_hidden(path)  # type: ignore[misc]  # the manager's, awaitable or not
        except OSError as error:
            raise disk_error(error) from None
        return _hidden(hidden) if inspect.isawaitable(hidden) else hidden

    def run_pre_save_hooks(self, model: Any, path: str, **more: Any) -> None:
        """Run other people's hooks, unless the save door has done so already (then they would run twice)."""
        passage = current()
        if passage is None or passage.judged is None:
            run_hooks(self, model, path, **more)

    run_pre_save_hook = run_pre_save_hooks

    def validate_notebook_model(self, model: dict[str, Any], validation_error: Any = None) -> dict[str, Any]:
        """Validate as ever, with a message that names the place and quotes nothing of the notebook."""
        return reading.validate(super(), model, validation_error)


async def _hidden(hidden: Any) -> Any:
    try:
        return await hidden
    except OSError as error:
        raise disk_error(error) from None


def guard_class(base: type, gate: QGuardGate) -> type:
    """Return a subclass of the contents manager ``base`` that judges all that is written through it.

    Works for any manager: only methods of the public contents API are needed. For managers of plain files the byte
    layer below the hooks is guarded too.
    """
    is_async = inspect.iscoroutinefunction(base.save)  # type: ignore[attr-defined]
    files = _keeps_files(base)
    namespace: dict[str, Any] = {
        "qguard_gate": gate,
        "qguard_files": files,
        "qguard_plain_bytes": files and _writes_plain_bytes(base),
        "qguard_blocking": not is_async,
        "qguard_base": base,
        "qguard_own_checkpoints": not _stock(base, "restore_checkpoint", _STOCK),
    }
    if issubclass(base, ContentsManager):
        namespace["_qguard_default_checkpoints"] = default("checkpoints")(_guarded_checkpoints)
    doors = {**_DOORS, **(_FILE_DOORS if files else {})}
    return weave(base, Guarded, doors, namespace, is_async=is_async)


_STOCK = (ContentsManager, AsyncContentsManager)
_PLAIN = (FileManagerMixin, AsyncFileManagerMixin)
_FILES = (FileContentsManager, AsyncFileContentsManager)


def _stock(base: Any, name: str, classes: tuple[Any, ...]) -> bool:
    """Return whether a method of ``base`` is jupyter_server's own, from one of ``classes``."""
    return getattr(base, name, None) in [getattr(known, name, None) for known in classes]


def _keeps_files(base: type) -> bool:
    """Return whether a manager keeps plain files: a file manager that has not replaced all that touches the disk.

    jupyter-fs' FSSpecManager, say, is a file manager by name and keeps its files in any file system of fsspec.
    """
    if not issubclass(base, FileContentsManager):
        return False
    return any(_stock(base, name, _PLAIN) for name in ("_read_file", "_save_file", "_save_notebook")) or any(
        _stock(base, name, _FILES) for name in ("file_exists", "dir_exists")
    )


def _writes_plain_bytes(base: Any) -> bool:
    """Return whether files are written by jupyter_server's own code, so that bytes may be written in its place."""
    return _stock(base, "_save_file", _PLAIN)


def _guarded_checkpoints(manager: Any) -> Any:
    """Default of the ``checkpoints`` trait: the configured class, guarded."""
    return guard_checkpoints(manager.checkpoints_class, manager.qguard_gate)(**manager.checkpoints_kwargs)
