"""What all doors of one server share: the guard, the threads it works in, limits, and which doors hold."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from jupyter_server.base.call_context import CallContext
from traitlets import Float, Instance, Int
from traitlets.config import LoggingConfigurable

from jupyter_qguard import __version__
from jupyter_qguard.errors import LedgerError
from jupyter_qguard.guard import Guard, Judgement, Request, failed
from jupyter_qguard.ledger.event import Event, stamp
from jupyter_qguard.pausing import Pausing
from jupyter_qguard.policy.model import Action, Door
from jupyter_qguard.server.refusal import Refusal, not_judged, refused
from jupyter_qguard.server.worker import OutOfTime, Worker

T = TypeVar("T")
Form = Literal["notebook", "text", "bytes"]
_RECORD_SECONDS = 15.0
"""Wall-clock limit for recording that a scan ran out of time; longer than the ledger itself ever waits."""
WRITING_DOORS: tuple[Door, ...] = ("save", "upload", "copy", "rename", "checkpoint", "restore")
"""The doors through which content reaches the disk."""
LEAVING_DOORS: tuple[Door, ...] = ("download", "export")
"""The doors through which content leaves the server."""
DOORS: tuple[Door, ...] = (*WRITING_DOORS, *LEAVING_DOORS)
"""The doors that this version stands at; `GET qguard/api/health` reports each."""


class QGuardGate(LoggingConfigurable):
    """One per server. Judges off the event loop and turns a no into an HTTP error."""

    scan_seconds = Float(
        30.0,
        config=True,
        help="Wall-clock limit in seconds for judging one file. When it is up the request is refused (503).",
    )
    lanes = Int(4, config=True, help="How many files are judged at once; more requests wait.")
    export_seconds = Float(
        300.0,
        config=True,
        help="Wall-clock limit in seconds for what an exporter does with one notebook (a PDF may take minutes).",
    )
    export_lanes = Int(2, config=True, help="How many exporters work at once; more requests wait.")
    upload_idle_seconds = Float(
        600.0, config=True, help="An upload in chunks that gets no chunk for so many seconds is dropped."
    )
    upload_bytes = Int(
        8 * 2**30, config=True, help="Most bytes that all unfinished chunked uploads may hold on disk together."
    )
    look_bytes = Int(
        256 * 2**20,
        config=True,
        help="Larger files that are not named .ipynb pass without a look; that is recorded and told.",
    )
    stream_bytes = Int(
        16 * 2**20,
        config=True,
        help="Larger files that are no notebooks are judged in parts while they are downloaded.",
    )
    first_look_seconds = Float(
        10.0,
        config=True,
        help="Seconds after the start when notebooks already on disk are looked into and told of in the log; 0: never.",
    )
    guard = Instance(Guard)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.worker = Worker(lanes=self.lanes)
        self.leaving = Worker(lanes=max(1, self.lanes // 2))  # downloads must not keep saves waiting
        # Of their own: exporters that take minutes must not keep saves waiting.
        self.exporters = Worker(lanes=self.export_lanes, max_lost=8)
        self.doors: dict[str, bool] = dict.fromkeys(DOORS, False)
        self.problems: list[str] = []
        self.private: Path | None = None
        self.swapped = True
        self.guarded_class: type | None = None
        self.classes: dict[type, type] = {}
        """The guarded class made for each kind of manager and checkpoint store that is part of another one."""
        self.scans = Bucket(burst=20, per_second=2.0)

    async def off_loop(self, job: Callable[[], T], *, blocking: bool) -> T:
        """Run a job in a thread of ours; 503 when it does not come back in time."""
        try:
            return await self.worker.run(job, seconds=self.scan_seconds, blocking=blocking)
        except OutOfTime:
            raise not_judged() from None

    async def judge(self, form: Form, content: Any, request: Request, *, blocking: bool) -> Judgement:
        """Return the guard's judgement, or raise :class:`Refusal` (422; 503 when it failed or ran out of time)."""
        check: Callable[[Any, Request], Judgement] = {
            "notebook": self.guard.check_notebook,
            "text": self.guard.check_text,
            "bytes": self.guard.check_bytes,
        }[form]  # type: ignore[assignment]
        return await self._judged(check, content, request, blocking=blocking)

    async def judge_rendered(self, content: str | bytes, name: str, request: Request) -> Judgement:
        """Return the judgement on what an exporter made (``Guard.check_rendered``), or raise :class:`Refusal`."""
        return await self._judged(
            lambda made, asked: self.guard.check_rendered(made, name, asked), content, request, blocking=False
        )

    async def _judged(
        self, check: Callable[[Any, Request], Judgement], content: Any, request: Request, *, blocking: bool
    ) -> Judgement:
        def job() -> Judgement:
            self.end_pause()
            return check(content, request)

        worker = self.leaving if request.door in LEAVING_DOORS else self.worker
        try:
            judgement = await worker.run(job, seconds=self.scan_seconds, blocking=blocking)
        except OutOfTime:
            self.log.error("jupyter_qguard: judging at door %s ran out of time", request.door)
            judgement = await self._out_of_time(content, request, blocking=blocking)
        except Exception as error:
            # The guard never raises for content; whatever this is, its text may quote some.
            self.log.error("jupyter_qguard: judging at door %s failed (%s); refused", request.door, _kind(error))
            judgement = failed(content)
        if judgement.refused:
            raise refused(judgement)
        return judgement

    async def judge_file(self, file: Path, request: Request, *, blocking: bool) -> Judgement:
        """Return the judgement on a file; ``content`` is None for one too large to look into. Raises OSError."""
        if self.too_large(request.path, file.stat().st_size):
            return self.too_large_to_look(request)
        data = await self.off_loop(file.read_bytes, blocking=blocking)
        return await self.judge("bytes", data, request, blocking=blocking)

    def too_large(self, path: str, size: int) -> bool:
        """Return whether a file passes without a look. Notebooks never do."""
        return size > self.look_bytes and not path.endswith(".ipynb")

    def too_large_to_look(self, request: Request) -> Judgement:
        """Record and return that a file passes without a look because of its size."""
        reason = f"Not checked: larger than {self.look_bytes >> 20} MiB."
        judgement = self.warn(request.door, request.path, reason)
        return replace(judgement, unchecked=[{"field": None, "reason": reason}])

    async def _out_of_time(self, content: Any, request: Request, *, blocking: bool) -> Judgement:
        """Ask the guard what follows; off the event loop, because it may write to the record."""
        try:
            return await self.worker.run(
                lambda: self.guard.out_of_time(content, request), seconds=_RECORD_SECONDS, blocking=blocking
            )
        except OutOfTime:
            return failed(content)

    def request(self, door: Door, path: str, *, sole_copy: bool) -> Request:
        """Return a request in the name of the user whose HTTP request is being answered, if there is one."""
        return Request(door=door, path=path.strip("/"), sole_copy=sole_copy, who=current_user())

    def end_pause(self) -> None:
        """Record that a pause is over, once, if one is. Never raises; writes to the record, so off the event loop."""
        if self.private is not None and getattr(self.guard.policies, "pause_over", None) is not None:
            Pausing(self.guard.policies, self.guard.ledger, self.private).end_if_over()

    @property
    def notices(self) -> list[str]:
        """What a person should know although nothing is broken, one sentence each: a pause, for one."""
        return list(getattr(self.guard.policies, "notices", ()))

    def status(self) -> str:
        """Return ``guarding``, ``observing``, ``degraded`` or ``off`` (contract §6)."""
        if not self.swapped or self.mode == "off":
            return "off"
        if self.all_problems or not all(self.doors.values()):
            return "degraded"
        return "observing" if self.mode == "observe" else "guarding"

    @property
    def mode(self) -> str:
        """The mode in force for the root: ``enforce``, ``observe`` or ``off``."""
        return str(getattr(self.guard.policies, "mode", "enforce"))

    @property
    def all_problems(self) -> list[str]:
        """What makes the guard degraded, one sentence each."""
        heads = getattr(self.guard.ledger, "head_problems", tuple)
        return [*self.problems, *getattr(self.guard.policies, "problems", ()), *heads()]

    def record_bypass(self) -> None:
        """Put into the record that this server runs without the guard. Raises LedgerError where that is impossible."""
        self._record("save", "", "allow", "off", "a server was started with the guard off")

    def warn(self, door: Door, path: str, message: str) -> Judgement:
        """Record and return a warning about what passes without a look. Raises 503 if it cannot be recorded."""
        try:
            self._record(door, path, "warn", self.mode, message)
        except LedgerError as error:
            if getattr(self.guard.policies, "on_failure", "refuse") != "warn":
                raise Refusal(503, error.message, hint=error.hint, code=error.code) from None
        return Judgement(Action.WARN, "enforce" if self.mode == "enforce" else "observe", None, message=message)

    def _record(self, door: Door, path: str, action: str, mode: str, note: str) -> None:
        event = Event(
            time=stamp(),
            door=door,
            path=path,
            action=action,
            mode=mode,
            kind="opaque",
            policy_digest=str(getattr(self.guard.policies, "digest", "")),
            version=__version__,
            who=current_user(),
            note=note,
        )
        self.guard.ledger.append(event)

    def preview(self) -> Guard:
        """Return a guard that records nothing, keeps nothing and has no key: for looking, never for writing."""
        return Guard(policies=self.guard.policies, ledger=NoRecord(), keeper=None, key=None)

    def close(self, reason: str) -> None:
        """Remember a problem, once."""
        if reason not in self.problems:
            self.problems.append(reason)


class Bucket:
    """A rate limit: ``burst`` at once, ``per_second`` in the long run, for the whole server.

    Not per user: without a cookie, jupyter_server gives a token's user a new random name at each request.
    """

    def __init__(self, *, burst: int, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst, self._rate, self._clock = float(burst), per_second, clock
        self._left, self._then = self._burst, clock()

    def take(self) -> bool:
        """Return whether one more is allowed now."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._then) * self._rate)
        self._then = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class NoRecord:
    """A ledger for what is not a decision: previews and the start-up test."""

    def append(self, event: Event) -> None:
        """Forget the event."""

    def count(self, door: str, action: str, n: int = 1) -> None:
        """Forget the count."""


def current_user() -> str:
    """Return the name of the user behind the current HTTP request, or an empty text outside of one."""
    handler = CallContext.get(CallContext.JUPYTER_HANDLER)
    user = getattr(handler, "current_user", None)
    return str(getattr(user, "username", "") or "")


def reply_of(judgement: Judgement) -> dict[str, Any] | None:
    """Return the ``qguard`` entry for a contents reply, or None where there is nothing to tell (contract §6)."""
    if judgement.action is Action.ALLOW and not judgement.findings and not judgement.message:
        return None
    return {
        "action": str(judgement.action),
        "mode": judgement.mode,
        "findings": judgement.findings,
        "unchecked": judgement.unchecked,
        "kept": bool(judgement.kept),
        "message": judgement.message,
    }


def _kind(error: BaseException) -> str:
    """Return the type's name only: an exception's text may quote content."""
    return type(error).__name__
