"""Signed heads: made when due and off the path of a save, kept where policy says, told of where they are not."""

import contextlib
import http.server
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_qguard.broker.signing import SigningKey
from jupyter_qguard.errors import LedgerError
from jupyter_qguard.ledger import Event, Ledger, note, stamp
from jupyter_qguard.ledger.chain import origin
from jupyter_qguard.ledger.heads import Heads
from jupyter_qguard.ledger.note import Head, PublicKey
from jupyter_qguard.ledger.targets import FolderTarget, GitTarget, HttpTarget, TargetError
from jupyter_qguard.ledger.verify import Report, verify

KEEP = {"QGUARD_KEEP": "file"}


def event(n: int) -> Event:
    return Event(stamp(1_800_000_000.0 + n), "save", f"{n}.ipynb", "warn", "enforce", "notebook")


def opened(data: Path, *places: tuple[str, str], **more: Any) -> Ledger:
    env = KEEP | {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return Ledger(data, {}, heads=Heads(data, SigningKey(data, env), env, places=lambda: places, **more))


def heads_of(ledger: Ledger) -> Heads:
    assert ledger.heads is not None
    return ledger.heads


def made(ledger: Ledger) -> Head:
    head = heads_of(ledger).make(ledger)
    assert head is not None
    return head


def name_of(ledger: Ledger) -> str:
    tree = ledger.tree()
    assert tree is not None
    return origin(tree.genesis)


def latest(ledger: Ledger) -> Head | None:
    return heads_of(ledger).local().latest(name_of(ledger))


def soon(what: Callable[[], Any]) -> Any:
    """Wait for something that another thread does; far longer than it takes."""
    for _ in range(1000):
        with contextlib.suppress(OSError):
            if found := what():
                return found
        time.sleep(0.01)
    return what()


def checked(data: Path, *heads: Head) -> Report:
    with Ledger(data, {}).reading() as reading:
        return verify(reading, heads)


def test_a_head_is_of_the_present_tree_and_signed(tmp_path: Path) -> None:
    ledger = opened(tmp_path)
    assert heads_of(ledger).make(ledger) is None  # nothing recorded, nothing to sign
    ledger.append(event(1), event(2))
    head = made(ledger)
    tree = ledger.tree()
    assert tree is not None
    assert (head.origin, head.size, head.root) == (origin(tree.genesis), 2, tree.frontier.root())
    assert head.signed_by([heads_of(ledger).key(tree)]) is True
    assert latest(ledger) == head
    assert checked(tmp_path, head).verdict == "intact"


def test_every_so_many_entries_in_a_thread_of_its_own(tmp_path: Path) -> None:
    ledger = opened(tmp_path, every=4, seconds=3600.0, least_seconds=0.0)
    for n in range(3):
        ledger.append(event(n))
    assert latest(ledger) is None
    ledger.append(event(3))
    head = soon(lambda: latest(ledger))
    assert head is not None
    assert head.size == 4


def test_after_so_many_seconds(tmp_path: Path) -> None:
    ledger = opened(tmp_path, seconds=0.05, least_seconds=0.0)
    ledger.append(event(1))
    assert soon(lambda: latest(ledger)) is not None


def test_at_the_end_if_it_is_due(tmp_path: Path) -> None:
    one = opened(tmp_path)
    one.append(event(1))
    one.close()
    first = latest(one)
    assert first is not None
    two = opened(tmp_path)  # the next short command does not sign again
    two.append(event(2))
    two.close()
    assert latest(one) == first
    for path in heads_of(one).local().own(first.origin).glob("*.note"):
        os.utime(path, (1, 1))
    three = opened(tmp_path)
    three.append(event(3))
    three.close()
    last = latest(one)
    assert last is not None
    assert last.size == 3


def test_signing_imports_nothing_before_it_is_due(tmp_path: Path) -> None:
    code = (
        "import sys, os, pathlib; from jupyter_qguard import record; from jupyter_qguard.ledger import Event, stamp;"
        "one = record.opened({'QGUARD_DATA_DIR': sys.argv[1], 'QGUARD_KEEP': 'file'}, None);"
        "one.append(Event(stamp(), 'save', 'a', 'warn', 'enforce', 'text'));"
        "print(sorted({'cryptography', 'keyring', 'subprocess', 'urllib.request'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert list((tmp_path / "heads").glob("*/latest.note"))  # and at the end there was one


def test_a_hanging_target_holds_up_no_save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, reached = threading.Event(), threading.Event()

    def hang(self: FolderTarget, head: Head) -> None:
        reached.set()
        gate.wait(60)

    monkeypatch.setattr(FolderTarget, "put", hang)
    ledger = opened(tmp_path, every=1, least_seconds=0.0)
    ledger.append(event(0))
    assert reached.wait(60)
    for n in range(1, 50):
        ledger.append(event(n))  # each returns while the target hangs
    assert not gate.is_set()
    assert len(ledger.decisions()) == 50
    gate.set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_signs_its_own(tmp_path: Path) -> None:
    ledger = opened(tmp_path, seconds=3600.0)
    ledger.append(event(1))
    child = os.fork()
    if child == 0:
        try:
            ledger.append(event(2))
            heads_of(ledger).make(ledger)
            os._exit(0)
        except BaseException:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    head = latest(ledger)
    assert head is not None
    assert head.size == 2


def test_against_a_kept_head_truncation_and_rewriting_are_found(tmp_path: Path) -> None:
    ledger = opened(tmp_path, seconds=3600.0)
    ledger.append(*(event(n) for n in range(5)))
    early = made(ledger)
    ledger.append(*(event(n) for n in range(5, 9)))
    late = made(ledger)
    assert checked(tmp_path, early, late).heads[0][1].startswith("the head signed over 5 entries is borne out")
    ledger.close()

    def cut(base: Any) -> None:
        base.execute("DELETE FROM events WHERE seq > 7")
        base.execute("DELETE FROM markers WHERE seq > 7")

    rechained(tmp_path, cut)
    report = checked(tmp_path)
    assert report.verdict == "intact"  # a chain does not know its own end
    report = checked(tmp_path, early)
    assert report.verdict == "intact"
    report = checked(tmp_path, early, late)
    assert (report.verdict, report.problems[0].kind) == ("tampered", "truncated")

    def rewrite(base: Any) -> None:
        base.execute("UPDATE events SET body = ? WHERE seq = 2", (event(1).canonical().replace(b"warn", b"none"),))

    rechained(tmp_path, rewrite)
    assert checked(tmp_path).verdict == "intact"
    report = checked(tmp_path, early)
    assert (report.verdict, report.problems[0].kind) == ("tampered", "rewritten")


def rechained(data: Path, change: Callable[[Any], None]) -> None:
    """Change the tables and make every hash anew, as somebody does who knows how."""
    import sqlite3

    from jupyter_qguard.ledger import sqlite_schema
    from jupyter_qguard.ledger.chain import Chain

    base = sqlite3.connect(data / "ledger" / "decisions.sqlite", isolation_level=None)
    base.execute("DROP TRIGGER IF EXISTS events_stay")
    base.execute("DROP TRIGGER IF EXISTS events_remain")
    change(base)
    genesis = base.execute("SELECT genesis FROM chain").fetchone()[0]
    chain = Chain(genesis, genesis)
    for seq, body in base.execute("SELECT seq, body FROM events ORDER BY seq").fetchall():
        base.execute("UPDATE events SET hash = ? WHERE seq = ?", (chain.extend(body), seq))
    sqlite_schema.note(base, chain)
    base.close()


def test_no_head_is_signed_that_contradicts_the_last_one(tmp_path: Path) -> None:
    ledger = opened(tmp_path, seconds=3600.0)
    ledger.append(*(event(n) for n in range(5)))
    head = made(ledger)
    ledger.close()
    rechained(tmp_path, lambda base: base.execute("DELETE FROM events WHERE seq > 3"))
    with pytest.raises(LedgerError, match="cut off"):
        heads_of(ledger).make(ledger)
    heads_of(ledger).make_if_possible(ledger)
    assert "cut off" in ledger.head_problems()[0]
    ledger.append(event(10))  # saves go on
    ledger.append(event(11))
    with pytest.raises(LedgerError, match="written anew"):
        heads_of(ledger).make(ledger)
    assert latest(ledger) == head


def test_a_folder_elsewhere(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    ledger = opened(tmp_path / "data", ("head_file", str(elsewhere)), seconds=3600.0)
    ledger.append(event(1))
    head = made(ledger)
    assert FolderTarget(elsewhere).all(head.origin) == [head]
    assert FolderTarget(elsewhere).others("x/other") == [head.origin.rsplit("/", 1)[1]]
    files = {path.name for path in FolderTarget(elsewhere).own(head.origin).iterdir()}
    assert files == {".lock", "latest.note", time.strftime("%Y-%m-%d.note", time.gmtime())}


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=T", "-c", "user.email=t@example.invalid", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("commits", [0, 1])
def test_git_notes(tmp_path: Path, commits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = tmp_path / "repository"
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    if commits:
        git(repository, "commit", "-q", "--allow-empty", "-m", "first")
    ledgers = [opened(tmp_path / name, ("head_git", str(repository)), seconds=3600.0) for name in "ab"]
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))  # as in a hook of another repository
    found = []
    for ledger in (*ledgers, ledgers[0]):
        ledger.append(event(1))
        found.append(made(ledger))
        assert ledger.head_problems() == ()
    monkeypatch.delenv("GIT_DIR")
    objects = [line.split()[1] for line in git(repository, "notes", "--ref=qguard", "list").splitlines()]
    heads = [
        head for one in objects for head in note.parse(git(repository, "notes", "--ref=qguard", "show", one).encode())
    ]
    assert sorted(head.note() for head in heads) == sorted([found[1].note(), found[2].note()])
    if commits:
        assert objects == [git(repository, "rev-parse", "HEAD").strip()]
    assert (
        len(git(repository, "log", "--oneline", "refs/notes/qguard").splitlines()) == 3
    )  # every head is in its history


def test_no_repository_is_said(tmp_path: Path) -> None:
    ledger = opened(tmp_path / "data", ("head_git", str(tmp_path)), seconds=3600.0)
    ledger.append(event(1))
    assert made(ledger).size == 1
    assert ledger.head_problems() == (
        "A signed head of the record could not be kept (git notes): no git repository is there.",
    )
    assert latest(ledger) is not None  # one that fails costs the others nothing
    another = opened(tmp_path / "data")
    assert "(git notes): no git repository is there." in heads_of(another).told(another)[0]  # what doctor reads
    made(another)
    assert heads_of(another).told(another) == ()


class Receiver(http.server.BaseHTTPRequestHandler):
    got: list[tuple[str, str, bytes]]
    answer: int

    def _take(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((self.command, self.path, body))
        self.send_response(self.answer)
        if 300 <= self.answer < 400:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    do_PUT = do_POST = do_GET = _take

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def receiver(answer: int = 204) -> Iterator[tuple[str, list[tuple[str, str, bytes]]]]:
    kind = type("Kind", (Receiver,), {"got": [], "answer": answer})
    server = http.server.HTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", kind.got  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_an_operators_url(tmp_path: Path) -> None:
    with receiver() as (url, got):
        ledger = opened(tmp_path, ("head_url", f"{url}/heads/"), ("head_url", f"{url}/inbox"), seconds=3600.0)
        ledger.append(event(1))
        head = made(ledger)
    assert ledger.head_problems() == ()
    slug = head.origin.rsplit("/", 1)[1]
    assert got == [("PUT", f"/heads/{slug}-000000000001.note", head.note()), ("POST", "/inbox", head.note())]


@pytest.mark.parametrize("answer", [302, 400, 500])
def test_a_url_that_does_not_keep_it_is_told_and_stops_nothing(tmp_path: Path, answer: int) -> None:
    with receiver(answer) as (url, got):
        ledger = opened(tmp_path, ("head_url", f"{url}/a"), seconds=3600.0)
        ledger.append(event(1))
        made(ledger)
        assert ledger.head_problems() == (
            f"A signed head of the record could not be kept (URL): the server answered {answer}.",
        )
        assert len(got) == 1  # a redirect is not followed
    made(ledger)
    assert "cannot be reached" in ledger.head_problems()[0]
    assert "127.0.0.1" not in ledger.head_problems()[0]


def test_a_damaged_kept_head_is_told(tmp_path: Path) -> None:
    ledger = opened(tmp_path, seconds=3600.0)
    ledger.append(event(1))
    head = made(ledger)
    (heads_of(ledger).local().own(head.origin) / "latest.note").write_text("no head")
    made(ledger)
    assert "damaged" in ledger.head_problems()[0]


def test_a_key_that_cannot_be_had_is_told_and_stops_no_save(tmp_path: Path) -> None:
    (tmp_path / "signing.json").write_text("no key")
    (tmp_path / "signing.json").chmod(0o600)
    ledger = opened(tmp_path, seconds=3600.0)
    ledger.append(event(1))
    heads_of(ledger).make_if_possible(ledger)
    assert "could not be signed" in ledger.head_problems()[0]
    ledger.append(event(2))
    assert len(ledger.decisions()) == 2


def test_heads_of_another_key_and_another_ledger(tmp_path: Path) -> None:
    one, two = (opened(tmp_path / name, seconds=3600.0) for name in "ab")
    for ledger in (one, two):
        ledger.append(event(1))
    head = made(one)
    tree = two.tree()
    assert tree is not None
    assert head.signed_by([PublicKey(head.origin, heads_of(two).key(tree).key)]) is None
    report = checked(tmp_path / "b", head)
    assert (report.verdict, report.heads[0][1]) == ("unknown", "the head signed over 1 entry is of another ledger.")


def test_targets_say_why_without_addresses(tmp_path: Path) -> None:
    head = note.sign("a/b", 1, bytes(32), SigningKey(tmp_path, KEEP))
    (tmp_path / "file").write_text("")
    for target in (
        FolderTarget(tmp_path / "file"),
        GitTarget(tmp_path / "none", {"PATH": os.environ["PATH"]}),
        GitTarget(tmp_path, {"PATH": str(tmp_path / "empty")}),
        HttpTarget("http://127.0.0.1:9/", 1.0),
    ):
        with pytest.raises(TargetError) as caught:
            target.put(head)
        assert str(tmp_path) not in str(caught.value)
        assert "127" not in str(caught.value)
