"""Many files: worker processes, reports in the order of the files, a progress bar on a terminal."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from jupyter_qguard.cli.files import Chosen
from jupyter_qguard.cli.judge import Judge
from jupyter_qguard.cli.report import FileReport
from jupyter_qguard.errors import ConfigError, InputError

WORTH_BYTES = 8 * 2**20
"""Below this many bytes in all, a worker costs more than it brings (start-up against about 100 MB per CPU-second)."""
WORTH_FILES = 8
_CHUNK = 8
_BAR_AFTER = 0.5
"""Seconds; a short run shows no bar and does not pay for importing one."""

_judge: Judge | None = None


def workers(asked: int | None, files: Sequence[Chosen]) -> int:
    """Return how many processes to use: as asked, else one per free CPU where there is enough to do."""
    limit = max(1, len(files) // 2)
    if asked is not None:
        return min(asked, limit)
    if len(files) < WORTH_FILES or sum(item.size for item in files) < WORTH_BYTES:
        return 1
    return min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, 8, limit)


def judge_all(judge: Judge, files: Sequence[Chosen], named: frozenset[str], jobs: int) -> list[FileReport]:
    """Judge every file; the result is in the order of ``files``. ``named`` are labels given on the command line."""
    if jobs <= 1:
        return list(_with_bar((judge.file(item, walked=item.label not in named) for item in files), len(files)))
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    # Forked while there is one thread only, workers share what is already loaded; elsewhere they start afresh.
    fork = sys.platform == "linux"
    if fork:
        _warm(judge)
    context = multiprocessing.get_context("fork" if fork else "spawn")
    pool = ProcessPoolExecutor(
        jobs, mp_context=context, initializer=_start, initargs=(judge if fork else _bare(judge),)
    )
    try:
        work = [(item, item.label not in named) for item in files]
        reports = list(_with_bar(_reports(pool.map(_one, work, chunksize=_CHUNK)), len(files)))
    except BrokenProcessPool:
        raise InputError(
            "A worker process ended unexpectedly, so not everything was judged.", "Try again with -j 1."
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return reports


def _bare(judge: Judge) -> Judge:
    return Judge(
        judge.cwd,
        dict(judge.env),
        judge.policy_file,
        judge.own_key,
        regions=judge.regions,
        baseline_file=judge.baseline_file,
        use_baselines=judge.use_baselines,
    )


def _warm(judge: Judge) -> None:
    """Load the engine and the first root's policy before forking; a bad policy is told once, here."""
    judge.report(b"", "-", "-", judge.cwd)


def _start(judge: Judge) -> None:
    global _judge
    _judge = judge
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent alone answers Ctrl-C


def _one(work: tuple[Chosen, bool]) -> FileReport | tuple[str, str]:
    """Judge one file in a worker. A bad policy comes back as (message, hint): pickling an error would lose the hint."""
    if _judge is None:
        return "A worker was not set up.", "Try -j 1."
    try:
        return _judge.file(work[0], walked=work[1])
    except ConfigError as error:
        return error.message, error.hint


def _reports(results: Iterable[FileReport | tuple[str, str]]) -> Iterator[FileReport]:
    for result in results:
        if isinstance(result, tuple):
            raise ConfigError(*result)
        yield result


def _with_bar(reports: Iterable[FileReport], total: int) -> Iterator[FileReport]:
    """Yield what comes, and draw a bar on stderr if that is a terminal and it takes long."""
    if total < WORTH_FILES or not sys.stderr.isatty():
        yield from reports
        return
    began, bar, done = time.monotonic(), None, 0
    stop: Callable[[], Any] = lambda: None  # noqa: E731
    try:
        for report in reports:
            yield report
            done += 1
            if bar is None and time.monotonic() - began > _BAR_AFTER:
                from rich.console import Console
                from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

                columns = (TextColumn("judging"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
                progress = Progress(*columns, console=Console(stderr=True), transient=True)
                progress.start()
                stop = progress.stop
                bar = progress.add_task("", total=total, completed=done)
            elif bar is not None:
                progress.update(bar, completed=done)
    finally:
        stop()
