"""One way through a door: what is being done, and what the deeper layers may take as already judged."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import IO, Any, TypeVar

from tornado.web import HTTPError

from jupyter_qguard.guard import Judgement
from jupyter_qguard.policy.model import Door
from jupyter_qguard.server.gate import reply_of
from jupyter_qguard.server.refusal import Refusal, clean_error, disk_error, done_but, not_judged

T = TypeVar("T")


@dataclass
class Passage:
    """State of one request on its way to the disk.

    ``judged``: the model as it was judged; the byte layer lets through just that. ``raw``: the same content as
    bytes or an open file, where that is at hand. ``written``: the byte layer has finished. ``said``: judgements so far.
    ``hooked``: other people's hooks that have run. ``looked``: a guarded checkpoint store has done its part.
    """

    door: Door
    path: str
    sole_copy: bool
    judged: dict[str, Any] | None = None
    raw: bytes | IO[bytes] | None = None
    written: bool = False
    said: list[Judgement] = field(default_factory=list)
    hooked: list[Any] = field(default_factory=list)
    looked: bool = False

    def just_written(self, path: str) -> bool:
        """Return whether this very passage has put judged content at ``path``."""
        return self.written and self.path == path.strip("/")


_passage: ContextVar[Passage | None] = ContextVar("qguard_passage", default=None)


def current() -> Passage | None:
    """Return the passage that the running code is part of, if any."""
    return _passage.get()


@contextmanager
def passing(passage: Passage) -> Iterator[Passage]:
    """Make ``passage`` the current one for the enclosed code and all that it calls."""
    outer = _passage.get()
    token = _passage.set(passage)
    try:
        yield passage
    finally:
        _passage.reset(token)
        if outer is not None:
            outer.looked = outer.looked or passage.looked


async def through(log: Any, door: str, way: Coroutine[Any, Any, T]) -> T:
    """Await a door; whatever unexpected comes out becomes a refusal with fixed text.

    The one outer ``try`` of every door. jupyter_server treats an HTTPError as an answer and anything else as a
    reason to log a traceback or, in hooks, to save all the same; so nothing else leaves here.
    """
    try:
        return await way
    except Refusal:
        raise
    except HTTPError as error:
        raise clean_error(error) from None
    except Exception as error:
        if isinstance(error, OSError) and (answer := disk_error(error)).status_code != 500:
            raise answer from None
        log.error("jupyter_qguard: the %s door failed (%s); nothing was let through", door, type(error).__name__)
        raise not_judged() from None


@contextmanager
def after_the_write(passage: Passage) -> Iterator[None]:
    """Make an error that comes when the file is already on disk say so, instead of that nothing was written."""
    try:
        yield
    except Refusal:
        raise
    except Exception as error:
        if passage.written and (not isinstance(error, HTTPError) or error.status_code == 500):
            raise done_but() from None
        raise


def attach(model: Any, said: list[Judgement]) -> Any:
    """Put the strictest of the judgements beside a reply's model, and return the model."""
    if isinstance(model, dict) and said and "qguard" not in model:
        told = reply_of(max(said, key=lambda judgement: (judgement.changed, judgement.action)))
        if told is not None:
            model["qguard"] = told
    return model
