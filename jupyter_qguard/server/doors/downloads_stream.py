"""Sending: what is known as it is, and a file that is judged window by window while it leaves.

No byte of a secret that policy stops leaves: the end of each window is kept back until the next one has been looked
at. A connection that is cut shows the client less than the promised length, which no client takes for the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace

from jupyter_qguard.guard import Request
from jupyter_qguard.policy.model import Action, Context, Decision, FileKind, Judged
from jupyter_qguard.scan.finding import Unchecked
from jupyter_qguard.scan.stream import HEAD, OVERLAP, StreamScan, Window
from jupyter_qguard.server.doors.downloads_judge import Downloads, State, Verdict, cannot_check, refused_for
from jupyter_qguard.server.doors.downloads_source import Source
from jupyter_qguard.server.refusal import Refusal
from jupyter_qguard.server.worker import OutOfTime

PIECE = 1 << 20
WINDOW = (4 << 20) - OVERLAP
"""Bytes read at a time: to send, and to scan and send. The first window is a piece, so that something is sent soon."""
ROWS = 100
"""Findings of one file that a record names; the rest is a number in its note."""
Send = Callable[[bytes], Awaitable[None]]


class Cut(Exception):
    """Nothing more of this file may leave. ``refusal`` is the answer as long as nothing has left."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


@dataclass(slots=True)
class Tally:
    """What was found in one file so far, each secret once."""

    judged: list[Judged] = field(default_factory=list)
    unchecked: list[tuple[Unchecked, Action]] = field(default_factory=list)
    action: Action = Action.ALLOW
    more: int = 0
    _seen: set[tuple[object, ...]] = field(default_factory=set)

    def add(self, window: Window | None, decision: Decision) -> bool:
        """Add what is new in a decision on one window; return whether anything was."""
        new = False
        for item in decision.judged:
            finding = item.finding if window is None else window.placed(item.finding)
            if finding is None:
                continue
            place = () if finding.fingerprint.strip("0") else (finding.line, finding.column)
            key = (finding.rule.id, finding.fingerprint, *place)
            if key in self._seen:
                continue
            new = True
            self.action = max(self.action, item.action)
            if len(self._seen) < ROWS:
                self._seen.add(key)
                self.judged.append(replace(item, finding=finding))
            else:
                self.more += 1
        for part in decision.unchecked:
            if part not in self.unchecked and len(self.unchecked) < ROWS:
                new = True
                self.unchecked.append(part)
                self.action = max(self.action, part[1])
        return new

    def decision(self, mode: Decision) -> Decision:
        """Return all of it as one decision, in the mode of another."""
        return Decision(self.action, mode.mode, tuple(self.judged), tuple(self.unchecked))


class Stream:
    """One pass over one file that is too large to be judged first, or over a part of it."""

    def __init__(self, downloads: Downloads, source: Source, request: Request, state: State, *, group: str) -> None:
        self._downloads, self._gate = downloads, downloads.gate
        self._source, self._request, self._state, self._group = source, request, state, group
        self.limit(0, source.size)
        self._tally = Tally()
        self._records = self._named = 0
        self._complete = self._closed = self._left = self._missed = False
        self._scan = StreamScan(source.read(0, min(HEAD, source.size)), key=self._gate.guard.key)
        self.decision: Decision
        self.verdict: Verdict

    def limit(self, start: int, end: int) -> None:
        """Send [start, end) only. What is around it is looked at too, for a secret that stands across an edge."""
        self._start, self._end = start, end
        self._begin = max(0, start - OVERLAP * 4) & ~3  # at a whole character of any encoding
        self._stop = min(self._source.size, end + OVERLAP * 4)

    async def open(self) -> Verdict:
        """Decide on what is known before anything is read. Raises Refusal."""
        named = self._request.path.lower().endswith(".ipynb")
        opening = self._scan.opening()
        if named:
            limit = self._gate.look_bytes >> 20
            missed = Unchecked(None, f"is larger than {limit} MiB and judged in parts only", over_budget=True)
            opening.unchecked = (*opening.unchecked, missed)
        self._decide(None, opening, "notebook" if named else self._scan.kind)
        self.verdict = self._downloads.as_it_is(self._source, self._state, self.decision, self._scan.kind)
        await self._after(self.decision.action is not Action.ALLOW)
        return self.verdict

    def _decide(self, window: Window | None, scan: object, kind: FileKind) -> bool:
        context = Context(self._request.door, self._request.path, kind)
        decision = self._gate.guard.decide(scan, context, self._state.policy)  # type: ignore[arg-type]
        new = self._tally.add(window, decision)
        self.decision = self._tally.decision(decision)
        return new

    async def _after(self, new: bool) -> None:
        """Record what is new before it leaves. Raises Cut where it must not leave."""
        if not new:
            return
        decision = self.decision
        stopped = decision.mode == "enforce" and decision.action >= Action.REDACT
        if stopped or not self._records:
            self._records += 1
            note = "judged in parts: what follows had not been looked at yet"
            if stopped:
                note = "cut while it was sent" if self._left else ""
            verdict = replace(self.verdict, decision=decision)
            try:
                await self._record(verdict, note)
            except Refusal as refusal:
                raise Cut(refusal) from None
        if stopped:
            raise Cut(refused_for(decision))

    async def _record(self, verdict: Verdict, note: str) -> None:
        if self._begin:
            note += f"; lines count from byte {self._begin}"
        await self._downloads.record(verdict, self._request, self._state, group=self._group, note=note)

    async def send(self, send: Send) -> None:
        """Send the part, judged on the way. Raises Cut, Changed, OSError, and whatever ``send`` raises."""
        try:
            async with aclosing(self._judged()) as judged:
                async for data in judged:
                    await send(data)
        finally:
            with suppress(Cut):  # the reader has gone, or nothing more leaves anyway
                await self._close()
        if self._complete and not self._missed and self._begin == 0 and self._stop == self._source.size:
            done = self._downloads.as_it_is(self._source, self._state, self.decision, self._scan.kind)
            self._downloads.learn(self._source, self._request, self._state, done)

    async def _close(self) -> None:
        """Count a clean download; name in a second record what was found after the first one. Raises Cut."""
        if self._closed:
            return
        self._closed = True
        found = len(self._tally.judged) + self._tally.more
        verdict = replace(self.verdict, decision=self.decision)
        try:
            if not self._records:
                await self._record(verdict, "")
            elif self._records == 1 and found > self._named:
                more = f"; {self._tally.more} more are not named" if self._tally.more else ""
                await self._record(verdict, f"all that was found{more}")
        except Refusal as refusal:
            raise Cut(refusal) from None

    async def _judged(self) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of the part in order, each when the window after it has been judged."""
        at, sent, kept = self._begin, self._start, b""
        ahead: asyncio.Task[tuple[bytes, Window | None]] | None = None
        try:
            while at < self._stop:
                size = min(PIECE if at == self._begin else WINDOW, self._stop - at)
                data, window = await (ahead or self._look(at, size))
                at += size
                ahead = None
                self._complete = at >= self._stop
                if not self._complete:  # while these bytes are on their way, the next ones are judged
                    ahead = asyncio.create_task(self._look(at, min(WINDOW, self._stop - at)))
                held = 0
                if window is not None:
                    new = self._decide(window, window.scan, self._scan.kind)
                    named = len(self._tally.judged) + self._tally.more
                    if new and not self._records:
                        self._named = named
                    await self._after(new)
                    held = window.held
                middle = at - len(data)
                low = middle - len(kept)
                high = max(low, at - held)
                until = min(high, self._end)
                ready = [kept[max(0, sent - low) : max(0, until - low)]]
                ready.append(data[max(0, sent - middle) : max(0, until - middle)])
                kept = kept[high - low :] + data[max(0, high - middle) :]
                sent += len(ready[0]) + len(ready[1])
                if sent >= self._end:
                    await self._close()  # before the last bytes: who has all of a file is on record
                for piece in filter(None, ready):
                    self._left = True
                    yield piece
                if sent >= self._end:
                    return
        finally:
            if ahead is not None:  # the file must not be closed while a thread reads it
                with suppress(BaseException):
                    await ahead

    async def _look(self, at: int, size: int) -> tuple[bytes, Window | None]:
        """Read and scan the next bytes in a thread. The window is None where policy lets a failed scan pass."""

        def job() -> tuple[bytes, Window | Exception]:
            data = self._source.read(at, size)
            try:
                return data, self._scan.feed(data, last=at + size >= self._stop)
            except Exception as error:  # its text may quote content: only its type is used
                return data, error

        try:
            data, window = await self._gate.leaving.run(job, seconds=self._gate.scan_seconds, blocking=False)
        except OutOfTime:
            raise Cut(cannot_check()) from None
        if isinstance(window, Exception):
            self._gate.log.error("jupyter_qguard: judging a download failed (%s)", type(window).__name__)
            await self._failed()
            return data, None
        return data, window

    async def _failed(self) -> None:
        """Go on without a look if the policy says so, on record. Raises Cut if it does not."""
        self._missed = True
        missed = Unchecked(None, "the scanner failed")
        decision = Decision(Action.WARN, self._state.policy.mode, (), ((missed, Action.WARN),))
        if self._state.policy.on_failure != "warn":
            raise Cut(cannot_check())
        self._tally.add(None, decision)
        await self._record(replace(self.verdict, decision=decision), "unchecked: the scanner failed")


async def pieces(source: Source, start: int, end: int) -> AsyncGenerator[bytes, None]:
    """Yield a part of a file as it is, one piece read ahead. Raises Changed when it is not what it was, OSError."""
    ahead: asyncio.Task[bytes] | None = None
    at = start
    try:
        while at < end:
            size = min(PIECE, end - at)
            data = await (ahead or asyncio.to_thread(source.read, at, size))
            at += size
            ahead = None
            if at < end:
                ahead = asyncio.create_task(asyncio.to_thread(source.read, at, min(PIECE, end - at)))
            yield data
    finally:
        if ahead is not None:
            with suppress(BaseException):
                await ahead
