"""What may be sent of a file: judged as a whole, or known from before."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from jupyter_qguard.errors import LedgerError
from jupyter_qguard.guard import Request
from jupyter_qguard.messages import SCAN_FAILED_HINT, describe_refusal, describe_unchecked
from jupyter_qguard.policy.model import Action, Decision, FileKind
from jupyter_qguard.server.doors.downloads_source import Identity, Source
from jupyter_qguard.server.gate import QGuardGate
from jupyter_qguard.server.refusal import Refusal
from jupyter_qguard.settings import Policy

VERDICTS = 4096
ALTERED_BYTES = 64 << 20
"""How many verdicts are remembered, and how many bytes of redacted copies in all."""
QUIET_SECONDS = 60.0
"""A download of the same version by the same user within this time is counted, not recorded again: browsers fetch a
film or a PDF in dozens of parts."""
_SMALL = 4 << 20
"""Bytes that are read on the event loop, as jupyter_server does with files of any size."""
_QUICK = 1 << 20
"""Bytes that are digested on the event loop: about a millisecond."""
_JSON_ENDS = 1 << 20
"""Bytes at either end of a large JSON file in which a notebook says what it is (its keys are usually sorted)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is sent: ``altered``, or the file as it is. ``decision`` None: it could not be judged, and passes."""

    etag: str
    size: int
    altered: bytes | None
    decision: Decision | None
    kind: FileKind


@dataclass(frozen=True, slots=True)
class State:
    """Policy and rules at the moment of one request."""

    policy: Policy
    digest: str


class Downloads:
    """Judges what leaves through ``/files``, for one server. Only to be used on the event loop."""

    def __init__(self, gate: QGuardGate, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.gate = gate
        self._clock = clock
        self._known: OrderedDict[tuple[Identity, str, str], Verdict] = OrderedDict()
        self._bytes = 0
        self._recorded: OrderedDict[tuple[str, ...], float] = OrderedDict()

    def state(self, path: str) -> State:
        """Return what holds for a path now."""
        return State(*self.gate.guard.state(path))

    def known(self, source: Source, request: Request, state: State) -> Verdict | None:
        """Return the verdict on exactly this content under exactly this policy and these rules, if there is one."""
        key = (source.identity, request.path, state.digest)
        verdict = self._known.get(key)
        if verdict is not None:
            self._known.move_to_end(key)
        return verdict

    def learn(self, source: Source, request: Request, state: State, verdict: Verdict) -> None:
        """Remember a verdict, if what it is on can be told apart from anything else."""
        if not source.settled or verdict.decision is None or self.gate.guard.state(request.path)[1] != state.digest:
            return
        key = (source.identity, request.path, state.digest)
        if len(verdict.altered or b"") > ALTERED_BYTES:
            return
        self._forget(key)
        self._known[key] = verdict
        self._bytes += len(verdict.altered or b"")
        while len(self._known) > VERDICTS or self._bytes > ALTERED_BYTES:
            self._forget(next(iter(self._known)))

    def _forget(self, key: tuple[Identity, str, str]) -> None:
        old = self._known.pop(key, None)
        if old is not None:
            self._bytes -= len(old.altered or b"")

    async def whole(
        self, source: Source, request: Request, state: State, *, group: str, blocking: bool = False
    ) -> tuple[Verdict, bytes]:
        """Judge all of it; return the verdict and the bytes to send. Raises Refusal, Changed, OSError."""
        if blocking or source.size <= _SMALL:
            data = source.read(0, source.size)
        else:
            data = await asyncio.to_thread(source.read, 0, source.size)
        judgement = await self.gate.judge("bytes", data, request, blocking=blocking)
        altered: bytes | None = judgement.content if judgement.changed else None
        body = data if altered is None else altered
        digest = self.gate.guard.state(request.path)[1]
        # A verdict that fell between two policies gets a validator that nobody will ever match.
        sure = digest == state.digest and judgement.decision is not None
        mark = f"{digest} {altered is not None}" if sure else f"{digest} {time.time_ns()}"
        etag = await _etag_of(mark, body, blocking=blocking)
        verdict = Verdict(etag, len(body), altered, judgement.decision, judgement.kind)
        self.learn(source, request, state, verdict)
        if judgement.decision is not None and _told(judgement.decision):
            self._quiet(_same(verdict, request, group))  # the guard has recorded it
        return verdict, body

    def as_it_is(self, source: Source, state: State, decision: Decision, kind: FileKind) -> Verdict:
        """Return the verdict on a file that was looked at in parts, or is about to be."""
        mark = f"{state.digest} {source.identity} {'' if source.settled else time.time_ns()}"
        return Verdict(_etag(mark, b""), source.size, None, decision, kind)

    async def record(self, verdict: Verdict, request: Request, state: State, *, group: str, note: str = "") -> None:
        """Record one more download under a verdict. Raises Refusal 503 where that is impossible.

        ``group``: whose repeats are counted only.
        """
        decision = verdict.decision
        if decision is None:
            return
        key = _same(verdict, request, group)
        guard = self.gate.guard
        if _told(decision) and self._quiet(key):
            await asyncio.to_thread(guard.ledger.count, request.door, str(decision.action))
            return
        try:
            await asyncio.to_thread(guard.note, request, verdict.kind, decision, state.policy, note=note)
        except LedgerError as error:
            self._recorded.pop(key, None)
            raise Refusal(503, error.message, hint=error.hint, code=error.code) from None

    def _quiet(self, key: tuple[str, ...]) -> bool:
        """Return whether this was recorded a moment ago; from now on it was."""
        now = self._clock()
        while self._recorded and (len(self._recorded) > VERDICTS or next(iter(self._recorded.values())) <= now):
            self._recorded.popitem(last=False)
        if key in self._recorded:
            return True
        self._recorded[key] = now + QUIET_SECONDS
        return False

    def must_be_whole(self, source: Source, name: str) -> bool:
        """Return whether nothing may leave before all of it has been judged: notebooks, and what is small enough.

        A notebook under another name is known by its first and last mebibyte. Raises Changed, OSError.
        """
        if source.size <= self.gate.stream_bytes:
            return True
        if source.size > self.gate.look_bytes:
            return False
        return name.lower().endswith(".ipynb") or _may_be_notebook(source)


def _may_be_notebook(source: Source) -> bool:
    head = source.read(0, min(_JSON_ENDS, source.size))
    start = head[:64].lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n")
    if not start.startswith(b"{"):
        return False
    tail = source.read(max(0, source.size - _JSON_ENDS), min(_JSON_ENDS, source.size))
    return any(b'"nbformat"' in part.replace(b"\0", b"") for part in (head, tail))


def _told(decision: Decision) -> bool:
    """Return whether a decision gets an entry of its own: an exception (baseline, pragma) does, although it allows."""
    return decision.action is not Action.ALLOW or bool(decision.judged)


def _same(verdict: Verdict, request: Request, group: str) -> tuple[str, ...]:
    """Return what makes two records the same: version, reader, and how much was found."""
    judged = verdict.decision.judged if verdict.decision else ()
    return (verdict.etag, request.path, group, str(len(judged)), *sorted({item.finding.rule.id for item in judged}))


def _etag(mark: str, body: bytes) -> str:
    hashed = hashlib.sha256(hashlib.sha256(mark.encode()).digest())
    hashed.update(body)
    return f'"{hashed.hexdigest()[:32]}"'


async def _etag_of(mark: str, body: bytes, *, blocking: bool) -> str:
    """Return a validator over a body, worked out off the event loop where that takes more than a moment."""
    if blocking or len(body) <= _QUICK:
        return _etag(mark, body)
    return await asyncio.to_thread(_etag, mark, body)


def refused_for(decision: Decision) -> Refusal:
    """Return the answer for a file of which nothing more may leave."""
    stopping = [item for item in decision.judged if item.action >= Action.REDACT]
    if stopping:
        message, hint = describe_refusal("download", stopping, problem=None, held=False)
    else:
        message, hint = describe_unchecked("download", decision.unchecked)
    return Refusal(422, message, hint=hint, code="blocked" if stopping else "unchecked")


def cannot_check(status: int = 503) -> Refusal:
    """Return the fixed answer for everything unexpected at this door."""
    message = "jupyter-qguard could not check this file, so nothing of it was sent."
    return Refusal(status, message, hint=SCAN_FAILED_HINT, code="scan-failed")


def moving() -> Refusal:
    """Return the answer for a file that was being written while it was read."""
    return Refusal(503, "This file is being changed right now.", hint="Try again in a moment.", code="changed")
