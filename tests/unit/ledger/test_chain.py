"""The chain on both stores: whatever is changed, moved or missing is found, and saves go on all the same."""

import json
import os
import secrets
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_qguard import files
from jupyter_qguard.errors import LedgerError
from jupyter_qguard.ledger import Event, Ledger, merkle, stamp
from jupyter_qguard.ledger.chain import Chain, link, origin
from jupyter_qguard.ledger.store import Query
from jupyter_qguard.ledger.verify import Report, verify


def event(n: int, path: str = "a.ipynb", **more: Any) -> Event:
    findings = [{"rule": "r", "action": "redact", "id8": f"{n:08x}", "field": 'metadata.,"path":"x",'}]
    return Event(stamp(1_800_000_000.0 + n), "save", path, "redact", "enforce", "notebook", findings, **more)


@pytest.fixture(params=["sqlite", "jsonl"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def filled(folder: Path, kind: str, n: int = 12) -> Ledger:
    ledger = Ledger(folder, {"QGUARD_LEDGER": kind})
    ledger.append(event(1))
    ledger.append(*(event(k, f'é{k}\udce9"\\.ipynb') for k in range(2, n)))
    ledger.count("save", "allow", 3)
    ledger.append(event(n))
    ledger.close()
    return ledger


def checked(folder: Path, **more: Any) -> Report:
    with Ledger(folder, {}).reading() as reading:
        return verify(reading, **more)


def database(folder: Path) -> sqlite3.Connection:
    """Open the tables as somebody who may write to the file would: the triggers are no obstacle."""
    base = sqlite3.connect(folder / "ledger" / "decisions.sqlite", isolation_level=None)
    base.execute("DROP TRIGGER IF EXISTS events_stay")
    base.execute("DROP TRIGGER IF EXISTS events_remain")
    return base


def edit(folder: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Rewrite the lines of the JSON Lines ledger."""
    path = folder / "ledger" / "decisions.jsonl"
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))


def test_an_untouched_ledger_is_intact(tmp_path: Path, kind: str) -> None:
    filled(tmp_path, kind)
    report = checked(tmp_path)
    assert (report.verdict, report.entries, report.chained_since, report.notes) == ("intact", 12, None, [])
    tree = Ledger(tmp_path, {}).tree()
    assert tree is not None
    assert (tree.size, tree.frontier.root(), origin(tree.genesis)) == (12, report.root, report.origin)


def test_the_hashes_are_those_of_the_record_page(tmp_path: Path, kind: str) -> None:
    ledger = filled(tmp_path, kind)
    found = ledger.numbered(Query(limit=None))[::-1]
    tree = ledger.tree()
    assert tree is not None
    previous, hashes = tree.genesis, []
    for one in found:
        previous = merkle.leaf(previous + one.event.canonical())  # RFC 6962's leaf over the one before and the body
        assert one.hash == previous
        hashes.append(previous)
    assert tree.last == previous
    assert tree.frontier.root() == merkle.root(hashes)
    path = merkle.inclusion_proof(hashes, 6)
    assert merkle.included(hashes[6], 6, 12, path, tree.frontier.root())


def test_two_ledgers_with_the_same_entries_differ(tmp_path: Path, kind: str) -> None:
    reports = []
    for name in ("a", "b"):
        filled(tmp_path / name, kind)
        reports.append(checked(tmp_path / name))
    assert reports[0].root != reports[1].root
    assert reports[0].origin != reports[1].origin


@pytest.mark.parametrize("column", ["seq", "time", "path", "body", "hash"])
@pytest.mark.parametrize("seq", [1, 6, 12])
def test_every_changed_column_is_found(tmp_path: Path, column: str, seq: int) -> None:
    filled(tmp_path, "sqlite")
    base = database(tmp_path)
    found = base.execute(f"SELECT {column} FROM events WHERE seq = ?", (seq,)).fetchone()[0]
    raw = str(found).encode() if column == "seq" else found.encode() if isinstance(found, str) else bytes(found)
    values: list[Any] = [raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :] for at in range(0, len(raw), 7)]
    values = [int(value) for value in (b"99", b"20")] if column == "seq" else values
    values = [value.decode("latin-1") for value in values] if column == "time" else values
    if column != "seq":
        values += [b"", "text", raw + b" ", 7]
    for value in values:
        base.execute(f"UPDATE events SET {column} = ? WHERE seq = ?", (value, seq))
        assert checked(tmp_path).verdict == "tampered", value
        where = value if column == "seq" else seq
        base.execute(f"UPDATE events SET {column} = ? WHERE seq = ?", (found, where))
    assert checked(tmp_path).verdict == "intact"
    base.close()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM events WHERE seq = 1",
        "DELETE FROM events WHERE seq = 6",
        "DELETE FROM events WHERE seq > 9",  # the note of the chain was forgotten
        "DELETE FROM markers WHERE seq = 6",
        "INSERT INTO markers VALUES ('ffffffff', 6)",
        "INSERT INTO markers VALUES ('ffffffff', 99)",
        "INSERT INTO markers VALUES ('ffffffff', 0)",
        "UPDATE markers SET seq = 7 WHERE seq = 6",
        "INSERT INTO events SELECT 13, time, path, body, hash FROM events WHERE seq = 12",
        "INSERT INTO events SELECT 0, time, path, body, hash FROM events WHERE seq = 12",
        "UPDATE events SET hash = NULL",
        "UPDATE events SET hash = NULL WHERE seq = 5",
        "DELETE FROM chain",
        "UPDATE chain SET genesis = randomblob(32)",
        "UPDATE chain SET last = randomblob(32)",
        "UPDATE chain SET peaks = randomblob(64)",
        "UPDATE chain SET size = 3",
        "UPDATE chain SET size = 'x', last = 7",
    ],
)
def test_every_rearrangement_of_the_tables_is_found_and_stops_no_save(tmp_path: Path, statement: str) -> None:
    filled(tmp_path, "sqlite")
    base = database(tmp_path)
    base.execute(statement)
    base.close()
    assert checked(tmp_path).verdict == "tampered"
    Ledger(tmp_path, {}).append(event(50, "after"))
    assert Ledger(tmp_path, {}).decisions("after")
    assert checked(tmp_path).verdict == "tampered"  # going on does not cover it up


def test_swapped_entries_are_found(tmp_path: Path) -> None:
    filled(tmp_path, "sqlite")
    base = database(tmp_path)
    for seq, to in ((5, 99), (6, 5), (99, 6)):
        base.execute("UPDATE events SET seq = ? WHERE seq = ?", (to, seq))
    base.close()
    assert checked(tmp_path).verdict == "tampered"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_in_the_database_changes_nothing_unseen(
    tmp_path_factory: pytest.TempPathFactory, at: float, bit: int
) -> None:
    """A bit may fall into free space; then every event is still what it was."""
    folder = tmp_path_factory.mktemp("flip")
    ledger = filled(folder, "sqlite", 6)
    before = [(one.seq, one.event) for one in ledger.numbered(Query(limit=None))]
    path = folder / "ledger" / "decisions.sqlite"
    data = bytearray(path.read_bytes())
    data[int(at * len(data))] ^= 1 << bit
    path.write_bytes(data)
    try:
        report = checked(folder)
    except LedgerError:
        return  # it says that it cannot read it
    if report.verdict == "intact":
        found = Ledger(folder, {}).numbered(Query(limit=None))
        assert [(one.seq, one.event) for one in found] == before


def test_every_byte_of_an_entry_line_counts(tmp_path: Path) -> None:
    filled(tmp_path, "jsonl", 3)
    path = tmp_path / "ledger" / "decisions.jsonl"
    data = path.read_bytes()
    counter = data.index(b'{"count"')  # counters are no part of the chain, as the page says
    end = data.index(b"\n", counter) + 1
    missed = []
    for at in [*range(counter), *range(end, len(data))]:
        for flip in (1, 32) if at % 3 == 0 or at < 90 else (1,):
            changed = bytearray(data)
            changed[at] ^= flip
            path.write_bytes(changed)
            if checked(tmp_path).verdict == "intact":
                missed.append((at, bytes(changed[max(0, at - 20) : at + 1])))
    assert missed == []


@pytest.mark.parametrize("drop", [0, 1, 5, 11])
def test_missing_lines_are_found(tmp_path: Path, drop: int) -> None:
    filled(tmp_path, "jsonl")
    edit(tmp_path, lambda lines: lines[:drop] + lines[drop + 1 :])
    assert checked(tmp_path).verdict == "tampered"
    Ledger(tmp_path, {}).append(event(50, "after"))
    assert Ledger(tmp_path, {}).decisions("after")
    assert checked(tmp_path).verdict == "tampered"


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]],
        lambda lines: [*lines, lines[-2]],
        lambda lines: [*lines[:3], lines[3], lines[3], *lines[4:]],
        lambda lines: [b'{"event":{},"seq":1}\n', *lines],
        lambda lines: [*lines, b'{"event":{},"seq":13}\n'],
        lambda lines: [lines[0].replace(b"qguard-chain/1", b"qguard-chain/2"), *lines[1:]],
    ],
)
def test_rearranged_lines_are_found(tmp_path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    filled(tmp_path, "jsonl")
    edit(tmp_path, change)
    assert checked(tmp_path).verdict == "tampered"


def test_a_torn_line_is_told_from_a_missing_entry(tmp_path: Path) -> None:
    filled(tmp_path, "jsonl")
    path = tmp_path / "ledger" / "decisions.jsonl"
    whole = path.read_bytes()
    with path.open("ab") as handle:
        handle.write(whole.splitlines()[3][:50])
    report = checked(tmp_path)
    assert report.verdict == "unknown"
    assert "middle of an entry" in report.unknown[0]
    Ledger(tmp_path, {}).append(event(13))
    report = checked(tmp_path)
    assert (report.verdict, report.entries) == ("intact", 13)
    assert "cut short" in report.notes[0]


def test_a_group_that_was_killed_halfway_is_gone_on_from(tmp_path: Path) -> None:
    """The last whole line then says nothing of the tree: the chain is rolled forward from the line that does."""
    ledger = filled(tmp_path, "jsonl")
    ledger.append(event(20), event(21), event(22))
    path = tmp_path / "ledger" / "decisions.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]) + lines[-1][:30])
    Ledger(tmp_path, {}).append(event(23))
    report = checked(tmp_path)
    assert (report.verdict, report.entries) == ("intact", 15)
    path.write_bytes(b"".join(line for line in lines[:4]))  # no line with a tree but the first group's
    Ledger(tmp_path, {}).append(event(24))
    assert checked(tmp_path).verdict == "intact"


def test_no_ledger_and_a_foreign_one_cannot_be_judged(tmp_path: Path, kind: str) -> None:
    report = checked(tmp_path)
    assert (report.verdict, len(report.unknown)) == ("unknown", 1)
    filled(tmp_path / "b", kind)
    if kind == "jsonl":
        edit(tmp_path / "b", lambda lines: [b"some notes of mine\n", b'{"seq": 1}\n'])
        report = checked(tmp_path / "b")
        assert report.verdict == "unknown"
        assert "no ledger" in report.unknown[0]
        return
    path = tmp_path / "b" / "ledger" / "decisions.sqlite"
    path.unlink()
    base = sqlite3.connect(path)
    base.execute("CREATE TABLE mine (x)")
    base.commit()
    base.close()
    with pytest.raises(Exception, match="damaged"):
        checked(tmp_path / "b")
    base = sqlite3.connect(path)
    assert base.execute("SELECT count(*) FROM sqlite_master").fetchone() == (1,)  # nothing was put into it
    base.close()


OLD_TABLES = """
CREATE TABLE events (seq INTEGER PRIMARY KEY, time TEXT NOT NULL, path BLOB NOT NULL, body BLOB NOT NULL);
CREATE INDEX events_by_path ON events (path, seq);
CREATE TABLE markers (id8 TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (id8, seq)) WITHOUT ROWID;
CREATE TABLE counts (day TEXT NOT NULL, door TEXT NOT NULL, action TEXT NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (day, door, action)) WITHOUT ROWID;
CREATE TRIGGER events_stay BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER events_remain BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'append-only'); END;
PRAGMA user_version=1;
"""


def old(folder: Path, kind: str, n: int) -> list[Event]:
    """Write a ledger as the version without a chain did."""
    (folder / "ledger").mkdir(mode=0o700, parents=True)
    events = [event(k) for k in range(1, n + 1)]
    if kind == "jsonl":
        lines = [b'{"event":' + one.canonical() + b',"seq":%d}\n' % k for k, one in enumerate(events, 1)]
        lines.insert(1, b'{"count":["2027-01-15","save","allow",4],"seq":1}\n')
        (folder / "ledger" / "decisions.jsonl").write_bytes(b"".join(lines))
        return events
    base = sqlite3.connect(folder / "ledger" / "decisions.sqlite", isolation_level=None)
    base.executescript(OLD_TABLES)
    base.execute("INSERT INTO counts VALUES ('2027-01-15', 'save', 'allow', 4)")
    for seq, one in enumerate(events, 1):
        base.execute("INSERT INTO events VALUES (?, ?, ?, ?)", (seq, one.time, one.path.encode(), one.canonical()))
        base.executemany("INSERT INTO markers VALUES (?, ?)", [(mark, seq) for mark in one.markers()])
    base.close()
    return events


def test_an_older_ledger_is_chained_in_place_and_says_so(tmp_path: Path, kind: str) -> None:
    events = old(tmp_path, kind, 5)
    ledger = Ledger(tmp_path, {})
    assert ledger.decisions() == events[::-1]  # reading alone changes nothing
    report = checked(tmp_path)
    assert report.verdict == "unknown"
    assert "no chain yet" in report.unknown[0]
    ledger.append(event(6))
    report = checked(tmp_path)
    assert (report.verdict, report.entries, report.chained_since) == ("intact", 7, 6)
    found = ledger.numbered(Query(limit=None))[::-1]
    assert [one.event for one in found[:5]] == events
    assert (found[5].event.door, found[5].event.kind) == ("ledger", "chained")
    assert "the 5 before it" in found[5].event.note
    assert all(one.hash for one in found)
    assert ledger.counts()["2027-01-15", "save", "allow"] == 4
    assert ledger.decisions(marker="00000002") == [events[1]]
    ledger.append(event(7))
    assert checked(tmp_path).entries == 8


def test_two_processes_chain_an_older_ledger_once(tmp_path: Path, kind: str) -> None:
    old(tmp_path, kind, 300)
    code = "import sys,pathlib; from jupyter_qguard.ledger import Ledger, Event, stamp; sys.stdin.read(1);"
    code += (
        "Ledger(pathlib.Path(sys.argv[1]), {}).append(Event(stamp(), 'save', sys.argv[2], 'warn', 'enforce', 'text'))"
    )
    crew = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name], stdin=subprocess.PIPE) for name in "abc"
    ]
    for one in crew:
        assert one.stdin is not None
        one.stdin.write(b"!")
        one.stdin.close()
    for one in crew:
        assert one.wait(60) == 0
    report = checked(tmp_path)
    assert (report.verdict, report.entries, report.chained_since) == ("intact", 304, 301)


KILLED = """
import os, sys, pathlib, threading
from jupyter_qguard.ledger import Event, Ledger, stamp
ledger = Ledger(pathlib.Path(sys.argv[1]), {"QGUARD_LEDGER": sys.argv[2]}, busy_seconds=30)
def work(number):
    for n in range(100_000):
        group = [Event(stamp(), "save", f"{sys.argv[3]}-{number}-{n}-{k}", "warn", "enforce", "text") for k in range(3)]
        ledger.append(*group)
        os.write(1, (group[-1].path + "\\n").encode())
for number in range(3): threading.Thread(target=work, args=(number,)).start()
"""


def test_processes_killed_while_they_append_leave_one_chain(tmp_path: Path, kind: str) -> None:
    promised: set[str] = set()
    for _ in range(2):
        crew = [
            subprocess.Popen(
                [sys.executable, "-c", KILLED, str(tmp_path), kind, secrets.token_hex(3)], stdout=subprocess.PIPE
            )
            for _ in range(2)
        ]
        lines = [one.stdout.readline() for one in crew for _ in range(20) if one.stdout]
        for one in crew:
            one.kill()
        for one in crew:
            assert one.stdout is not None
            lines += one.stdout.readlines()
            one.stdout.close()
            one.wait()
        promised |= {line.decode().strip() for line in lines if line.endswith(b"\n")}
    Ledger(tmp_path, {}).append(event(1, "after"))
    report = checked(tmp_path)
    assert report.verdict == "intact", (report.problems, report.unknown)
    assert promised <= {one.path for one in Ledger(tmp_path, {}).decisions(limit=10_000_000)}


def test_appending_reads_no_more_than_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(tmp_path, {"QGUARD_LEDGER": "jsonl"})
    ledger.append(*(event(n, note="n" * 1000) for n in range(400)))
    read: list[int] = []
    real = os.read

    def watched(descriptor: int, length: int) -> bytes:
        data = real(descriptor, length)
        read.append(len(data))
        return data

    monkeypatch.setattr(os, "read", watched)
    ledger.append(event(401))
    monkeypatch.undo()
    assert (tmp_path / "ledger" / "decisions.jsonl").stat().st_size > 400_000
    assert sum(read) <= 1 << 17
    assert checked(tmp_path).verdict == "intact"


def test_reading_goes_on_while_others_append(tmp_path: Path, kind: str) -> None:
    ledger = filled(tmp_path, kind)
    with Ledger(tmp_path, {}).reading() as reading:
        rows = reading.rows
        next(rows)
        ledger.append(event(60), event(61))
        reading.rows = iter([])
        assert len(list(rows)) == 11  # one moment's state
    assert checked(tmp_path).entries == 14


def test_on_a_network_drive_json_lines_are_chained_under_a_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"30 22 0:40 / {tmp_path.resolve()} rw - nfs4 host:/home rw\n")
    real = Path.read_text

    def read(path: Path, *arguments: Any, **named: Any) -> str:
        return real(mounts if str(path) == "/proc/self/mountinfo" else path, *arguments, **named)

    monkeypatch.setattr(Path, "read_text", read)
    monkeypatch.setattr(sys, "platform", "linux")
    one, two = Ledger(tmp_path / "d", {}, busy_seconds=0.2), Ledger(tmp_path / "d", {}, busy_seconds=0.2)
    for n in range(4):
        (one, two)[n % 2].append(event(n))
    assert sorted(path.name for path in (tmp_path / "d" / "ledger").iterdir()) == [
        "decisions.jsonl",
        "decisions.jsonl.lock",
    ]
    with files.FileLock(tmp_path / "d" / "ledger" / "decisions.jsonl.lock"), pytest.raises(Exception, match="locked"):
        one.append(event(9))
    assert checked(tmp_path / "d").entries == 4


def test_a_chain_is_found_again_from_its_hashes() -> None:
    chain = Chain.new()
    hashes = [chain.extend(json.dumps(n).encode()) for n in range(9)]
    again = Chain.again(hashes)
    assert (again.last, again.frontier.root(), again.size) == (chain.last, chain.frontier.root(), 9)
    assert hashes[1] == link(hashes[0], b"1")
