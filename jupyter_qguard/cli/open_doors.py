"""What this version does not guard, for ``qguard doctor``. docs/bypasses.md has the whole table; a test holds both."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OpenDoor:
    """One way around. ``package``: it exists only where one of these distributions is installed; empty means always."""

    id: str
    way: str
    close: str
    package: tuple[str, ...] = ()


_COLLABORATION = ("jupyter-collaboration", "jupyter-server-ydoc")

OPEN = (
    OpenDoor(
        "read-contents", "reading a file over the API gives it as it lies on disk", "qguard scan . finds old ones"
    ),
    OpenDoor("execute-shell", "jupyter execute, papermill", "qguard scan what they write"),
    OpenDoor("nbconvert-config", "jupyter nbconvert --config with a file of one's own", "qguard export instead"),
    OpenDoor("nbconvert-python", "programs that call nbconvert's exporters themselves", "qguard export instead"),
    OpenDoor("kernel-writes", "files that code in a cell writes", "qguard scan in pre-commit and CI (qguard init)"),
    OpenDoor("terminals", "anything done in a terminal", "the same"),
    OpenDoor("other-programs", "editors, sync clients and other servers in the same folder", "the same"),
    OpenDoor("git-no-verify", "git commit and push with --no-verify", "qguard scan --commits in CI"),
    OpenDoor("ipython-elsewhere", "IPython in a terminal and remote kernels keep each cell's source", "qguard scrub"),
    OpenDoor("trash", "a deleted notebook in the trash", "qguard scrub, or delete_to_trash = False"),
    OpenDoor("archive-download", "folders downloaded as archives", "remove jupyter-archive", ("jupyter-archive",)),
    OpenDoor("archive-extract", "archives unpacked on the server", "qguard scan afterwards", ("jupyter-archive",)),
    OpenDoor("rtc-room", "shared documents before they are saved", "paste no credential into one", _COLLABORATION),
    OpenDoor("rtc-store", "every change in .jupyter_ystore.db", "qguard scrub --delete store", _COLLABORATION),
    OpenDoor("rtc-timeline", "the timeline of a shared document", "the same", _COLLABORATION),
    OpenDoor("output-service", "large outputs beside the notebook", "switch it off", ("jupyter-server-documents",)),
    OpenDoor("language-server", "source sent to language servers", "see where yours runs", ("jupyter-lsp",)),
    OpenDoor("lsp-shadow", "cells in .virtual_documents/", "requires_documents_on_disk = false", ("jupyter-lsp",)),
    OpenDoor("ai-tools", "assistants read cells and may write files", "give them a clean folder", ("jupyter-ai",)),
    OpenDoor("scheduler", "scheduled runs copy notebooks", "qguard scan its folder", ("jupyter-scheduler",)),
    OpenDoor("fsspec", "object stores written directly", "use clean folders with it", ("jupyter-fsspec",)),
)


def here() -> Iterator[OpenDoor]:
    """Yield the open doors that exist in this environment."""
    for door in OPEN:
        if not door.package or any(_installed(name) for name in door.package):
            yield door


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
