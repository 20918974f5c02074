"""The ledger over both of its stores: durable, shared, bounded, honest about failure."""

import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from jupyter_qguard import files
from jupyter_qguard.errors import ConfigError, LedgerError
from jupyter_qguard.ledger import Event, Ledger, stamp
from jupyter_qguard.ledger.sqlite_store import SqliteStore
from jupyter_qguard.ledger.store import Query, shared

posix_only = pytest.mark.skipif(os.name == "nt", reason="POSIX only")


def event(path: str = "a.ipynb", at: float = 1_800_000_000.0, id8: str = "3f9a0b1c", **more: Any) -> Event:
    findings = [{"rule": "r", "action": "redact", "id8": id8}]
    return Event(stamp(at), "save", path, "redact", "enforce", "notebook", findings, **more)


@pytest.fixture(params=["sqlite", "jsonl"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ledger(tmp_path: Path, kind: str) -> Ledger:
    return Ledger(tmp_path, {"QGUARD_LEDGER": kind}, busy_seconds=2)


def test_what_was_appended_is_found_newest_first(ledger: Ledger) -> None:
    assert ledger.decisions() == []
    one, two = event("a.ipynb", 1.0, "0000000a"), event("b/\udce9.ipynb", 2.0, "0000000b")
    three = event("a.ipynb", 3.0, "0000000b")
    ledger.append(one)
    ledger.append(two, three)
    assert ledger.decisions() == [three, two, one]
    assert ledger.decisions(limit=1) == [three]
    assert ledger.decisions("a.ipynb") == [three, one]
    assert ledger.decisions("b/\udce9.ipynb") == [two]
    assert ledger.decisions(marker="0000000b") == [three, two]
    assert ledger.decisions("a.ipynb", "0000000b") == [three]
    assert ledger.decisions(since=stamp(2.0)) == [three, two]
    assert ledger.decisions(until=stamp(2.0)) == [one]
    assert ledger.decisions("none") == ledger.decisions(marker="ffffffff") == []
    assert [seq for seq, *_ in ledger.numbered(Query())] == [3, 2, 1]


def test_another_process_sees_it_at_once(ledger: Ledger, tmp_path: Path, kind: str) -> None:
    ledger.append(event())
    code = "import sys,pathlib; from jupyter_qguard.ledger import Ledger; l=Ledger(pathlib.Path(sys.argv[1]));"
    code += "print(len(l.decisions())); l.append(*l.decisions())"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"  # and it chose the same store, though only this process was told which
    assert len(ledger.decisions()) == 2


@posix_only
def test_files_are_private(ledger: Ledger, tmp_path: Path) -> None:
    ledger.append(event())
    folder = tmp_path / "ledger"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(entry.stat().st_mode) for entry in folder.iterdir()} == {0o600}


WRITER = """
import os, sys, pathlib, threading
from jupyter_qguard.ledger import Event, Ledger, stamp
folder, kind, name, threads, each = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3], 4, 25
ledger = Ledger(folder, {"QGUARD_LEDGER": kind}, busy_seconds=30)
def work(number):
    for n in range(each):
        ledger.append(Event(stamp(), "save", f"{name}-{number}-{n}", "warn", "enforce", "text"))
        ledger.count("save", "allow")
sys.stdin.read(1)
crew = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
[one.start() for one in crew]; [one.join() for one in crew]
"""


def test_processes_and_threads_append_each_event_once(ledger: Ledger, tmp_path: Path, kind: str) -> None:
    crew = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), kind, name], stdin=subprocess.PIPE)
        for name in ("p", "q")
    ]
    for one in crew:
        one.communicate(b"!", timeout=100)
        assert one.returncode == 0
    found = ledger.numbered(Query(limit=1000))
    assert [seq for seq, *_ in found] == list(range(200, 0, -1))
    assert {one.path for *_, one in found} == {f"{p}-{t}-{n}" for p in "pq" for t in range(4) for n in range(25)}
    assert sum(ledger.counts().values()) == 200


def test_a_killed_process_leaves_what_it_promised(ledger: Ledger, tmp_path: Path, kind: str) -> None:
    code = WRITER.replace("4, 25", "2, 100_000").replace(
        'ledger.count("save", "allow")', 'os.write(1, f"{name}-{number}-{n}\\n".encode())'
    )
    command = [sys.executable, "-c", code, str(tmp_path), kind, "k"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("!")
    process.stdin.close()
    lines = [process.stdout.readline() for _ in range(50)]
    process.kill()
    lines += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    promised = {line.strip() for line in lines if line.endswith("\n")}
    assert len(promised) >= 50
    assert promised <= {one.path for one in ledger.decisions(limit=1_000_000)}
    ledger.append(event("after"))
    assert ledger.decisions(limit=1)[0].path == "after"


@posix_only
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_forked_children_append_while_threads_write(ledger: Ledger) -> None:
    """Forks fall into the middle of transactions; neither side may wait for the other's locks."""
    stop = threading.Event()
    written = []

    def work() -> None:
        while not stop.is_set():
            ledger.append(event("parent"))
            written.append(1)

    crew = [threading.Thread(target=work) for _ in range(2)]
    for thread in crew:
        thread.start()
    codes = []
    for _ in range(5):
        child = os.fork()
        if child == 0:
            try:
                ledger.append(event("child"))
                os._exit(0)
            except BaseException:
                os._exit(1)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    stop.set()
    for thread in crew:
        thread.join(20)
    paths = [one.path for one in ledger.decisions(limit=100_000)]
    assert codes == [0] * 5
    assert paths.count("child") == 5
    assert paths.count("parent") == len(written)
    assert not ledger.problems()


@posix_only
def test_a_fork_does_not_wait_for_ever_for_a_writer(ledger: Ledger) -> None:
    ledger.append(event("before"))
    ledger._busy_seconds = 0.2
    with ledger._commit:
        child = os.fork()
        if child == 0:
            try:
                ledger.append(event("child"))
                os._exit(0)
            except BaseException:
                os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    ledger.append(event("after"))
    assert [one.path for one in ledger.decisions()] == ["after", "child", "before"]


def test_counters_add_up_and_reach_the_disk(tmp_path: Path, kind: str) -> None:
    env = {"QGUARD_LEDGER": kind}
    one = Ledger(tmp_path, env, clock=lambda: 1_800_000_000.0)
    one.count("save", "allow")
    one.count("save", "allow", 4)
    one.count("copy", "allow")
    expected = {("2027-01-15", "save", "allow"): 5, ("2027-01-15", "copy", "allow"): 1}
    assert one.counts() == expected
    assert not (tmp_path / "ledger").exists()  # cheap: nothing written yet
    one.append(event())
    assert Ledger(tmp_path, env).counts() == expected
    one.count("save", "allow")
    one.close()
    assert Ledger(tmp_path, env).counts()["2027-01-15", "save", "allow"] == 6
    assert len(one.decisions()) == 1


def test_many_counts_flush_themselves(tmp_path: Path, kind: str) -> None:
    one = Ledger(tmp_path, {"QGUARD_LEDGER": kind})
    for _ in range(1001):
        one.count("save", "allow")
    assert sum(Ledger(tmp_path, {"QGUARD_LEDGER": kind}).counts().values()) >= 1000


def test_a_locked_ledger_is_an_error_in_bounded_time(ledger: Ledger, tmp_path: Path, kind: str) -> None:
    ledger.append(event())
    ledger._busy_seconds = 0.3
    folder = tmp_path / "ledger"
    start = time.monotonic()
    if kind == "sqlite":
        other = sqlite3.connect(folder / "decisions.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="locked"):
            ledger.append(event("lost"))
        ledger.count("save", "allow")
        assert not ledger.flush()
        other.execute("ROLLBACK")
        other.close()
    else:
        with files.FileLock(folder / "decisions.jsonl.lock"), pytest.raises(LedgerError, match="locked"):
            ledger.append(event("lost"))
    assert time.monotonic() - start < 10
    ledger.append(event("kept"))
    assert [one.path for one in ledger.decisions()] == ["kept", "a.ipynb"]


def test_threads_that_wait_for_a_failed_group_all_hear_of_it(tmp_path: Path, kind: str) -> None:
    (tmp_path / "ledger").write_text("in the way")
    one = Ledger(tmp_path, {"QGUARD_LEDGER": kind})
    failures: list[LedgerError] = []

    def work() -> None:
        try:
            one.append(event())
        except LedgerError as error:
            failures.append(error)

    crew = [threading.Thread(target=work) for _ in range(8)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join(10)
    assert len(failures) == 8
    assert len({id(error) for error in failures}) == 8
    assert one.problem() is not None
    (tmp_path / "ledger").unlink()
    one.append(event())  # and it recovers by itself
    assert one.problem() is None


FULL = """
import resource, sys, pathlib
from jupyter_qguard.ledger import Event, Ledger, stamp
from jupyter_qguard.errors import LedgerError
folder, kind = pathlib.Path(sys.argv[1]), sys.argv[2]
ledger = Ledger(folder, {"QGUARD_LEDGER": kind}, busy_seconds=1)
def event(n): return Event(stamp(), "save", f"{n}", "warn", "enforce", "text", note="n" * 4000)
ledger.append(event(0))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
done = 0
try:
    for done in range(1, 100): ledger.append(event(done))
except LedgerError as error: print(error.sentence())
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
ledger.append(event("after"))
assert [one.path for one in ledger.decisions()] == ["after", *(str(n) for n in range(done - 1, -1, -1))]
assert not ledger.problems(), ledger.problems()
print(done)
"""


@posix_only
def test_a_full_disk_loses_nothing_that_was_promised(tmp_path: Path, kind: str) -> None:
    """The system refuses a write in the middle; what returned before stays, what failed is not there."""
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path), kind], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    sentence, count = done.stdout.splitlines()
    assert "could not be recorded" in sentence
    assert 2 < int(count) < 99


def test_a_file_that_is_no_ledger(ledger: Ledger, tmp_path: Path, kind: str) -> None:
    ledger.append(event())
    ledger.close()
    if kind == "sqlite":
        path = tmp_path / "ledger" / "decisions.sqlite"
        path.write_bytes(b"not a database, whatever it says\n" * 300)
        fresh = Ledger(tmp_path, {})
        for call in (fresh.decisions, lambda: fresh.append(event())):
            with pytest.raises(LedgerError, match="damaged"):
                call()
        assert fresh.problems()
        path.unlink()
        fresh.append(event())
        assert len(fresh.decisions()) == 1
    else:
        path = tmp_path / "ledger" / "decisions.jsonl"
        with path.open("ab") as handle:
            handle.write(b'{"event":{"time"')  # torn by a power cut
        ledger.append(event("next"))
        assert [seq for seq, *_ in ledger.numbered(Query())] == [2, 1]
        assert len(ledger.problems()) == 1


def test_a_ledger_that_was_moved_away_is_begun_anew(ledger: Ledger, tmp_path: Path) -> None:
    ledger.append(event("old"))
    (tmp_path / "ledger").rename(tmp_path / "aside")
    ledger.append(event("new"))
    assert [one.path for one in ledger.decisions()] == ["new"]


def test_sqlite_events_cannot_be_changed_in_place(tmp_path: Path) -> None:
    Ledger(tmp_path, {}).append(event())
    base = sqlite3.connect(tmp_path / "ledger" / "decisions.sqlite")
    for statement in ("UPDATE events SET body = ''", "DELETE FROM events"):
        with pytest.raises(sqlite3.IntegrityError):
            base.execute(statement)
    base.close()


def test_network_drives_get_json_lines(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        f"30 22 0:40 / {tmp_path.resolve()}/net\\040home rw,relatime shared:2 - nfs4 host:/home rw\n"
        f"31 30 8:2 / {tmp_path.resolve()}/net\\040home/local rw - xfs /dev/sdb rw\n"
    )
    assert shared(tmp_path / "net home" / "user", mounts)
    assert not shared(tmp_path / "net home" / "local" / "user", mounts)
    assert not shared(tmp_path, mounts)
    assert not shared(tmp_path, tmp_path / "missing")


def test_where_sqlite_cannot_share_json_lines_take_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SqliteStore, "_share", lambda self, connection: False)
    one = Ledger(tmp_path, {})
    one.append(event())
    assert len(one.decisions()) == 1
    monkeypatch.undo()
    assert len(Ledger(tmp_path, {}).decisions()) == 1  # who comes later goes where the record is
    monkeypatch.setattr(SqliteStore, "_share", lambda self, connection: False)
    with pytest.raises(LedgerError, match="share memory"):
        Ledger(tmp_path / "named", {"QGUARD_LEDGER": "sqlite"}).append(event())


def test_json_lines_read_backwards_over_block_borders(tmp_path: Path) -> None:
    one = Ledger(tmp_path, {"QGUARD_LEDGER": "jsonl"})
    one.append(*(event(str(n), note="n" * (n * 37 % 3000)) for n in range(700)))
    assert [seq for seq, *_ in one.numbered(Query(limit=1000))] == list(range(700, 0, -1))
    assert [seq for seq, *_ in one.numbered(Query(limit=3))] == [700, 699, 698]


def test_a_wrong_setting_is_said(tmp_path: Path) -> None:
    with pytest.raises((ConfigError, LedgerError), match="QGUARD_LEDGER"):
        Ledger(tmp_path, {"QGUARD_LEDGER": "postgres"}).decisions()


def test_importing_the_ledger_is_light() -> None:
    code = "import sys, jupyter_qguard.ledger; print('sqlite3' in sys.modules, 'cryptography' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
