"""Threads with a hard limit."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from jupyter_qguard.server.worker import OutOfTime, Worker, finish, ready


def run(worker: Worker, job, *, blocking: bool, seconds: float = 5.0):
    way = worker.run(job, seconds=seconds, blocking=blocking)
    return finish(way) if blocking else asyncio.run(way)


@pytest.mark.parametrize("blocking", [True, False])
def test_results_and_errors_come_back(blocking: bool) -> None:
    worker = Worker()
    assert run(worker, lambda: threading.current_thread().daemon, blocking=blocking) is True

    def fails() -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        run(worker, fails, blocking=blocking)


@pytest.mark.parametrize("blocking", [True, False])
def test_a_job_that_hangs_is_given_up_and_its_lane_comes_back(blocking: bool) -> None:
    worker, release = Worker(lanes=1, max_lost=2), threading.Event()
    for _ in range(2):
        begin = time.monotonic()
        with pytest.raises(OutOfTime):
            run(worker, release.wait, blocking=blocking, seconds=0.05)
        assert time.monotonic() - begin < 2
    assert run(worker, lambda: 1, blocking=blocking) == 1
    with pytest.raises(OutOfTime):
        run(worker, release.wait, blocking=blocking, seconds=0.05)
    with pytest.raises(OutOfTime):  # too many are lost: closed, not open
        run(worker, lambda: 1, blocking=blocking, seconds=0.05)
    release.set()
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            assert run(worker, lambda: 1, blocking=blocking, seconds=0.2) == 1
            break
        except OutOfTime:
            continue
    else:
        pytest.fail("the lanes did not come back when the lost jobs ended")


def test_the_event_loop_runs_on_while_a_job_works() -> None:
    async def both() -> list[str]:
        order: list[str] = []
        job = asyncio.ensure_future(Worker().run(lambda: time.sleep(0.2), seconds=5, blocking=False))
        await asyncio.sleep(0.01)
        order.append("loop")
        await job
        order.append("job")
        return order

    assert asyncio.run(both()) == ["loop", "job"]


def test_no_more_jobs_at_once_than_lanes() -> None:
    worker, most, now, lock = Worker(lanes=3), 0, 0, threading.Lock()

    def job() -> None:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.02)
        with lock:
            now -= 1

    async def many() -> None:
        await asyncio.gather(*(worker.run(job, seconds=5, blocking=False) for _ in range(20)))

    asyncio.run(many())
    assert 1 <= most <= 3


def test_finish_refuses_what_would_wait() -> None:
    async def waits() -> None:
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError):
        finish(waits())

    async def works() -> int:
        return await ready(3) + await ready(_four())

    async def _four() -> int:
        return 4

    assert finish(works()) == 7
