"""Run a job off the event loop, in a daemon thread, with a hard wall-clock limit.

Daemon threads, because a job that hangs must stop neither the answer to a save nor the server's shutdown.
A thread cannot be killed: one that ran out of time is written off, and what it returns later is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_NAP = 0.005
"""Seconds between two looks for a free lane."""


class OutOfTime(Exception):
    """A job did not finish within its wall-clock limit, or found no free lane within it."""


class Stopped(Exception):
    """A job raised what would end the whole server (KeyboardInterrupt, SystemExit): its text is the kind."""


class Worker:
    """Runs jobs in at most ``lanes`` threads at once.

    A job that overruns gives its lane back, so that one hung scan does not close the doors for everyone;
    while ``max_lost`` such threads live, lanes stay taken and further jobs are refused (fail closed).
    """

    def __init__(self, *, lanes: int = 4, max_lost: int = 32) -> None:
        self._lanes = threading.Semaphore(lanes)
        self._lost = 0
        self._max_lost = max_lost
        self._lock = threading.Lock()

    async def run(self, job: Callable[[], T], *, seconds: float, blocking: bool) -> T:
        """Return the job's result or raise what it raised; :class:`OutOfTime` after ``seconds`` of wall clock,
        :class:`Stopped` for what is no Exception.

        ``blocking``: wait in the calling thread instead of yielding to the event loop (synchronous managers).
        """
        end = time.monotonic() + seconds
        while not self._lanes.acquire(blocking=False):
            if time.monotonic() >= end:
                raise OutOfTime
            if blocking:
                time.sleep(_NAP)
            else:
                await asyncio.sleep(_NAP)
        task = _Task(job, self)
        left = max(0.0, end - time.monotonic())
        if blocking:
            task.start(None)
            task.finished.wait(left)
        else:
            loop = asyncio.get_running_loop()
            future: asyncio.Future[None] = loop.create_future()

            def settle() -> None:
                if not future.done():
                    future.set_result(None)

            def wake() -> None:
                with contextlib.suppress(RuntimeError):  # the loop may be gone at shutdown
                    loop.call_soon_threadsafe(settle)

            task.start(wake)
            await asyncio.wait([future], timeout=left)
        if not task.finished.is_set():
            self._write_off(task)
            raise OutOfTime
        return task.result()

    def _write_off(self, task: _Task[Any]) -> None:
        with self._lock:
            if task.holds_lane and not task.lost and self._lost < self._max_lost:
                task.lost = True
                self._lost += 1
                task.holds_lane = False
                self._lanes.release()

    def _ended(self, task: _Task[Any]) -> None:
        with self._lock:
            if task.lost:
                self._lost -= 1
            if task.holds_lane:
                task.holds_lane = False
                self._lanes.release()


class _Task(Generic[T]):
    """One job in one daemon thread."""

    def __init__(self, job: Callable[[], T], worker: Worker) -> None:
        self._job = job
        self._worker = worker
        self._value: T
        self._error: BaseException | None = None
        self.finished = threading.Event()
        self.holds_lane = True
        self.lost = False

    def start(self, wake: Callable[[], None] | None) -> None:
        self._wake = wake
        try:
            threading.Thread(target=self._run, name="qguard", daemon=True).start()
        except BaseException:  # no thread to be had: the lane must not be lost with it
            self._worker._ended(self)
            raise

    def _run(self) -> None:
        try:
            self._value = self._job()
        except BaseException as error:
            self._error = error
        finally:
            self._worker._ended(self)
            self.finished.set()
            if self._wake is not None:
                self._wake()

    def result(self) -> T:
        if isinstance(self._error, Exception):
            raise self._error
        if self._error is not None:  # raised here it would stop the event loop, and every door with it
            raise Stopped(type(self._error).__name__) from None
        return self._value


async def ready(value: Any) -> Any:
    """Return ``value``, awaited if it can be: the doors are written once for both kinds of managers."""
    return await value if inspect.isawaitable(value) else value


def finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never really waits, as the doors of a synchronous manager."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    raise RuntimeError("a synchronous contents manager waited for the event loop")
