"""Make a guarded subclass at run time: doors written once as coroutines, put over a class's own methods.

A door is ``async def door(instance, up, *arguments)``, where ``up`` is the class's own method. For an asynchronous
class it becomes a coroutine method; for a synchronous one it is driven to its end in place, which works because
nothing in it waits for the event loop then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jupyter_qguard.server.worker import finish

Door = Callable[..., Any]


def weave(base: type, marker: type, doors: Mapping[str, Door], namespace: Mapping[str, Any], *, is_async: bool) -> type:
    """Return ``type(marker, base)`` with each door in place of the method of its name, where ``base`` has it."""
    own: list[type] = []
    body: dict[str, Any] = {"__module__": marker.__module__, "__doc__": base.__doc__, **namespace}
    for name, door in doors.items():
        if hasattr(base, name):
            body[name] = _method(name, door, own, is_async=is_async)
    made: type = type(base)(f"QGuarded{base.__name__}", (marker, base), body)
    own.append(made)
    return made


def _method(name: str, door: Door, own: list[type], *, is_async: bool) -> Callable[..., Any]:
    method: Callable[..., Any]
    if is_async:

        async def wait(self: Any, *arguments: Any, **named: Any) -> Any:
            return await door(self, getattr(super(own[0], self), name), *arguments, **named)

        method = wait
    else:

        def call(self: Any, *arguments: Any, **named: Any) -> Any:
            return finish(door(self, getattr(super(own[0], self), name), *arguments, **named))

        method = call
    method.__name__ = name
    method.__doc__ = door.__doc__
    return method
