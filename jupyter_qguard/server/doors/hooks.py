"""Other people's pre-save hooks: they run first, and what they leave behind is judged.

jupyter_server logs a failing hook with its traceback and saves all the same. So does this, but without the
exception's text, which may quote the content, and the guard's judgement comes after every hook.
"""

from __future__ import annotations

import inspect
from typing import Any

from jupyter_server.services.contents.manager import ContentsManager
from tornado.web import HTTPError

from jupyter_qguard.server.doors.passage import current


def hooks_of(manager: Any) -> list[Any]:
    """Return the manager's pre-save hooks in the order in which jupyter_server calls them."""
    single = getattr(manager, "pre_save_hook", None)
    return [*([single] if single is not None else []), *getattr(manager, "_pre_save_hooks", ())]


def run_hooks(manager: Any, model: dict[str, Any], path: str, **more: Any) -> None:
    """Call every hook on ``model`` (they change it in place). An HTTPError of theirs refuses the save."""
    own = getattr(manager.qguard_base, "run_pre_save_hooks", None)
    if own is not None and own is not ContentsManager.run_pre_save_hooks:
        _run_own(manager, own, model, path, more)
        return
    passage = current()
    for hook in hooks_of(manager):
        if passage is not None and hook in passage.hooked:
            continue  # configured for the outer manager too, which has called it
        name = getattr(hook, "__name__", type(hook).__name__)
        try:
            answer = hook(model=model, path=path, contents_manager=manager, **more)
        except HTTPError:
            raise
        except Exception as error:
            manager.log.error("Pre-save hook %s failed on %s (%s)", name, path, type(error).__name__)
            continue
        if inspect.iscoroutine(answer):
            answer.close()  # jupyter_server never awaits one either
            manager.log.error("Pre-save hook %s is a coroutine and was not run on %s", name, path)


def _run_own(manager: Any, own: Any, model: dict[str, Any], path: str, more: dict[str, Any]) -> None:
    """Let a manager that has its own way of running hooks go that way."""
    try:
        own(manager, model=model, path=path, **more)
    except HTTPError:
        raise
    except Exception as error:
        manager.log.error("Pre-save hooks failed on %s (%s)", path, type(error).__name__)
