"""The record: decisions per second with chain and flush, entries checked per second, what a signed head costs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from jupyter_qguard import record
from jupyter_qguard.ledger import Event, Ledger, stamp
from jupyter_qguard.ledger.verify import verify

THREADS, EACH = 16, 400
ENTRIES = 100_000
Row = Callable[..., None]


def event(n: int) -> Event:
    """Return a decision as a save with one finding leaves it."""
    finding = {"rule": "ibm-cloud-api-key", "action": "redact", "cell_index": 3, "cell_id": "ab12cd34"}
    place = {"field": "source", "line": 2, "column": 14, "id8": f"{n % 5000:08x}", "cut": True}
    return Event(
        stamp(), "save", f"work/{n % 1000}.ipynb", "redact", "enforce", "notebook", [finding | place],
        policy_digest="0" * 64, version="0.1.0", who="somebody",
    )  # fmt: skip


def bench_ledger(scratch: Path, row: Row) -> None:
    """Note the record's figures, for both kinds of store."""
    for kind in ("sqlite", "jsonl"):
        _append(scratch / f"append-{kind}", kind, row)
        _verify(scratch / f"verify-{kind}", kind, row)
    _head(scratch / "head", row)


def _append(folder: Path, kind: str, row: Row) -> None:
    env = {"QGUARD_LEDGER": kind, "QGUARD_DATA_DIR": str(folder), "QGUARD_KEEP": "file"}
    ledger = record.opened(env, None)  # with heads, as a server has it
    ledger.append(event(0))

    def work() -> None:
        for n in range(EACH):
            ledger.append(event(n))

    best = 0.0
    for _ in range(3):
        crew = [threading.Thread(target=work) for _ in range(THREADS)]
        begin = time.perf_counter()
        for one in crew:
            one.start()
        for one in crew:
            one.join()
        best = max(best, THREADS * EACH / (time.perf_counter() - begin))
    ledger.close()
    row(f"record, {THREADS} threads one decision each, {kind}", f"{best:,.0f} per s", ">= 5,000", good=best >= 5000)


def _verify(folder: Path, kind: str, row: Row) -> None:
    ledger = Ledger(folder, {"QGUARD_LEDGER": kind})
    for at in range(0, ENTRIES, 1000):
        ledger.append(*(event(n) for n in range(at, at + 1000)))
    best = 0.0
    for _ in range(3):
        begin = time.process_time()  # one thread, no waiting: CPU seconds, since the machine may be shared
        with ledger.reading() as reading:
            report = verify(reading)
        best = max(best, report.entries / (time.process_time() - begin))
        if report.verdict != "intact":
            raise SystemExit(f"the bench's own record is {report.verdict}")
    row(f"record, verify {ENTRIES:,} entries, {kind}", f"{best:,.0f} per CPU-s", ">= 100,000", good=best >= 100_000)


def _head(folder: Path, row: Row) -> None:
    ledger = record.opened({"QGUARD_DATA_DIR": str(folder), "QGUARD_KEEP": "file"}, None)
    ledger.append(*(event(n) for n in range(1000)))
    heads = ledger.heads
    if heads is None:
        raise SystemExit("a ledger opened for a server has heads")
    heads.make(ledger)  # makes the key
    times = []
    for _ in range(10):
        begin = time.perf_counter()
        heads.make(ledger)
        times.append(time.perf_counter() - begin)
    value = sorted(times)[5] * 1e3
    row("record, one signed head (not in a save's path)", f"{value:.1f} ms", "<= 50 ms", good=value <= 50)
    ledger.close()
