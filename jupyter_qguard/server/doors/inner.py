"""Managers inside a manager: a facade hands each path to one of several, and those write the files.

The outermost manager's doors judge what comes in. What the inner ones do by themselves (checkpoints of files, hooks
of their own that run after the judgement) is out of its sight, so each inner manager becomes a guarded one too. That
is done to the live objects, because a facade makes its own, some of them while the server runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jupyter_server.services.contents.manager import ContentsManager
from traitlets import HasTraits

from jupyter_qguard.server.doors.checkpoints import GuardedCheckpoints, guard_checkpoints


def inner_managers(manager: Any) -> Iterator[Any]:
    """Yield the managers that ``manager`` holds in attributes, lists or dictionaries, at any depth, each once."""
    seen = {id(manager)}
    waiting = [manager]
    while waiting:
        for value in _held(waiting.pop()):
            if isinstance(value, ContentsManager) and id(value) not in seen:
                seen.add(id(value))
                waiting.append(value)
                yield value


def _held(manager: Any) -> Iterator[Any]:
    places = [vars(manager)]
    if isinstance(manager, HasTraits):
        places.append(manager._trait_values)
    for place in places:
        for value in list(place.values()):
            if isinstance(value, dict):
                yield from list(value.values())
            elif isinstance(value, (list, tuple, set)):
                yield from list(value)
            else:
                yield value


def adopt(manager: Any) -> None:
    """Make every inner manager a guarded one, with its checkpoints. One that cannot be is told of as a problem."""
    if manager.qguard_files:
        return  # keeps its files itself
    for inner in inner_managers(manager):
        try:
            _adopt(manager, inner)
        except TypeError:
            manager.qguard_gate.close(
                f"{type(inner).__name__}, which is part of {manager.qguard_base.__name__}, cannot be guarded by "
                "itself: its checkpoints and hooks are not looked into."
            )


def _adopt(manager: Any, inner: Any) -> None:
    from jupyter_qguard.server.doors.contents import Guarded, guard_class

    gate = manager.qguard_gate
    made: dict[type, type] = gate.classes
    kind = type(inner)
    if not isinstance(inner, Guarded):
        if kind not in made:
            made[kind] = guard_class(kind, gate)
        inner.__class__ = made[kind]
    checkpoints = inner._trait_values.get("checkpoints")
    if checkpoints is not None and not isinstance(checkpoints, GuardedCheckpoints):
        kind = type(checkpoints)
        if kind not in made:
            made[kind] = guard_checkpoints(kind, gate)
        checkpoints.__class__ = made[kind]
