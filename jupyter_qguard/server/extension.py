"""Jupyter Server's way in: swap the contents manager when linked, prove and watch it when loaded.

jupyter_server goes on without an extension whose link or load raises; only SystemExit stops it. So every failure
here becomes one, with a sentence that says how to start once without the guard.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from traitlets import TraitError

from jupyter_qguard import __version__
from jupyter_qguard.errors import QGuardError

_gates: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
"""The gate of each server application in this process, made at link and taken up at load."""


@contextmanager
def _or_exit() -> Iterator[None]:
    try:
        yield
    except QGuardError as error:
        raise SystemExit(_refusal(error.sentence())) from None
    except Exception as error:
        # No notebook has been touched yet; still only those texts that cannot hold anything but names and paths.
        why = f": {error}" if isinstance(error, (ImportError, OSError, TraitError)) else ""
        raise SystemExit(_refusal(f"it could not be set up ({type(error).__name__}{why}).")) from error


def _refusal(reason: str) -> str:
    return (
        f"jupyter-qguard {__version__} refuses to start an unguarded server: {reason} "
        "To start once without it, set QGUARD_MODE=off for that run; the bypass is recorded, and works only where "
        "the administrator's policy allows it."
    )


def _link_jupyter_server_extension(app: Any) -> None:
    """Put the guarded class in place of the configured contents manager, before the server makes one."""
    with _or_exit():
        from jupyter_qguard import guard, paths
        from jupyter_qguard.server import log_filter
        from jupyter_qguard.server.doors.contents import Guarded, guard_class
        from jupyter_qguard.server.gate import QGuardGate

        env = dict(os.environ)
        gate = QGuardGate(parent=app, guard=guard.build(Path(app.root_dir), env))
        gate.private = paths.data_dir(env)
        _gates[app] = gate
        if gate.mode == "off":
            gate.swapped = False
            gate.record_bypass()
            app.log.warning("jupyter-qguard %s is OFF: this server saves secrets as they are.", __version__)
            return
        log_filter.install(app.log)
        if not issubclass(app.contents_manager_class, Guarded):
            gate.guarded_class = guard_class(app.contents_manager_class, gate)
            app.contents_manager_class = gate.guarded_class
            _configure(app, gate.guarded_class)


def _configure(app: Any, guarded: type) -> None:
    """Put the guarded class where the configuration names another one.

    JupyterLab and every other extension app that links later calls ``update_config``, which sets each configured
    trait of the server anew: a class named on the command line or in a file would come back unguarded.
    """
    for owner in type(app).__mro__:
        section = app.config.get(owner.__name__)
        if section is not None and "contents_manager_class" in section:
            section["contents_manager_class"] = guarded


def _load_jupyter_server_extension(app: Any) -> None:
    """Check that the swap held, prove the doors with planted secrets, and open the routes."""
    with _or_exit():
        from jupyter_qguard.server import error_bodies, log_filter, refusal, self_test
        from jupyter_qguard.server.api import add_routes
        from jupyter_qguard.server.doors import exports

        gate = _gates.get(app)
        if gate is None:
            raise QGuardError("it was loaded without being linked first.")
        add_routes(app, gate)
        if not gate.swapped:
            return
        _check_swapped(app, gate)
        _follow_root(app, gate)
        refusal.install_error_shape()
        error_bodies.install(app.web_app)
        log_filter.install(app.log)
        self_test.prove(app.contents_manager, gate)
        _guard_downloads(app, gate)
        exports.install(app, gate)
        _meet_kernels(gate)
        if gate.guard.key is None:
            gate.close(
                "The folder for kept values and the record cannot be written: a save that would take a secret out is "
                "refused. Free the disk or set QGUARD_DATA_DIR to a folder of yours."
            )
        for problem in gate.all_problems:
            app.log.warning("jupyter-qguard: %s", problem)
        app.log.info("jupyter-qguard %s: %s", __version__, gate.status())


async def _start_jupyter_server_extension(app: Any) -> None:
    """Look once more when every extension is loaded: one that sorts after this one may have swapped back."""
    gate = _gates.get(app)
    if gate is None or not gate.swapped:
        return
    from jupyter_qguard.server import log_filter
    from jupyter_qguard.server.doors import downloads, exports

    log_filter.install(app.log)
    try:
        _check_swapped(app, gate)
        downloads.check_routes(app)
        exports.check_routes(app)
    except QGuardError as error:
        app.log.critical(_refusal(error.sentence()))
        app.stop(from_signal=True)
        return
    from jupyter_qguard.server.on_disk import look_later

    look_later(app.contents_manager, gate)


def _guard_downloads(app: Any, gate: Any) -> None:
    """Answer downloads, and see that the live router agrees."""
    from jupyter_qguard.server.doors import downloads

    downloads.install(app, gate)
    downloads.check_routes(app)


def _meet_kernels(gate: Any) -> None:
    """Stand at the start of every kernel. A failure leaves kernels as they are, and is a problem that is shown."""
    try:
        from jupyter_qguard.server.history import HistoryContributor
        from jupyter_qguard.server.kernels import contribute

        contribute(HistoryContributor(gate), gate)
    except Exception as error:  # no notebook is at stake here: the doors hold without it
        gate.close(f"Kernels start without the guard: their history keeps what is typed ({type(error).__name__}).")


def _check_swapped(app: Any, gate: Any) -> None:
    """Raise QGuardError unless the live objects are the guarded ones."""
    from jupyter_qguard.server.doors.checkpoints import GuardedCheckpoints
    from jupyter_qguard.server.doors.contents import DOOR_NAMES, Guarded

    manager = app.contents_manager
    if not isinstance(manager, Guarded) or manager.qguard_gate is not gate:
        raise QGuardError(
            "another extension has replaced the contents manager.", "`jupyter server extension list` shows them."
        )
    checkpoints = getattr(manager, "checkpoints", None)
    if checkpoints is not None and not isinstance(checkpoints, GuardedCheckpoints):
        raise QGuardError("the checkpoints object was configured as an instance, which cannot be guarded.")
    shadowed = sorted(name for name in DOOR_NAMES if name in vars(manager))
    if shadowed:
        raise QGuardError(f"another extension has replaced the contents manager's {shadowed[0]}.")
    if type(manager) is not gate.guarded_class and gate.guarded_class is not None:
        gate.close("Another extension has put its own contents manager around the guarded one.")


def _follow_root(app: Any, gate: Any) -> None:
    """Read project policies below the folder that the contents manager serves, where that is not the server's."""
    from jupyter_qguard import guard

    root = getattr(app.contents_manager, "root_dir", None)
    if root and app.contents_manager.qguard_files and Path(root).resolve() != Path(app.root_dir).resolve():
        gate.guard = guard.build(Path(root), dict(os.environ))
