"""Kept values over both homes: durable, all or nothing, found again, gone in time."""

import base64
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_qguard.broker.kept import KeptItem, KeptStore
from jupyter_qguard.errors import ConfigError, InputError, KeepError, QGuardError
from jupyter_qguard.secret import Secret

Make = Callable[..., KeptItem]
posix_only = pytest.mark.skipif(os.name == "nt", reason="POSIX only")


@pytest.fixture(params=["keyring", "file"])
def home(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store(tmp_path: Path, home: str, memory, clock) -> KeptStore:
    return KeptStore(tmp_path, {"QGUARD_KEEP": home}, clock, keyring=memory)


def test_a_value_comes_back(store: KeptStore, item: Make) -> None:
    one = item()
    two = item("line\n\0\udce9 " * 3000, cell_id=None)
    assert store.available() is None
    assert store.keep([one, two]) == (one.id8, two.id8)
    assert store.reveal(one.id8) == one.text
    assert store.reveal(two.id8) == two.text
    assert store.reveal(f" [REDACTED:{one.rule}:{one.id8}] ") == one.text
    assert store.reveal(f"REDACTED-{one.rule}-{one.id8}") == one.text
    assert store.list() == [
        {"id": two.id8, "rule": two.rule, "path": two.path, "cell_id": None, "until": "2027-02-14T08:00:00+00:00"},
        {"id": one.id8, "rule": one.rule, "path": one.path, "cell_id": "c1", "until": "2027-02-14T08:00:00+00:00"},
    ]


def test_nothing_to_keep_touches_nothing(store: KeptStore) -> None:
    assert store.keep([]) == ()
    assert store.list() == []
    assert not store.folder.exists()


def test_the_same_value_is_kept_once(store: KeptStore, item: Make, clock, memory) -> None:
    first = item()
    again = item(first.text.reveal(), id8=first.id8, path="b.ipynb", cell_id="c9")
    store.keep([first, first])
    clock.pass_days(10)
    assert store.keep([again]) == (first.id8,)
    assert [(one["path"], one["cell_id"], one["until"]) for one in store.list()] == [
        ("b.ipynb", "c9", "2027-02-24T08:00:00+00:00"),
        ("work/a.ipynb", "c1", "2027-02-24T08:00:00+00:00"),
    ]
    assert store.reveal(first.id8) == first.text
    assert len(memory.values) <= 1


def test_different_values_under_one_id8_both_survive(store: KeptStore, item: Make) -> None:
    one, two = item(id8="abcdef01"), item(id8="abcdef01")
    other_rule = item(one.text.reveal(), id8="abcdef01", rule="other-rule")
    first, second = store.keep([one, two])
    (third,) = store.keep([other_rule])
    assert first == "abcdef01"
    assert len({first, second, third}) == 3
    assert [store.reveal(id) for id in (first, second, third)] == [one.text, two.text, one.text]
    assert store.keep([two, one]) == (second, first)


def test_values_without_an_id_get_one_each(store: KeptStore, item: Make) -> None:
    items = [item(id8="00000000") for _ in range(4)]
    ids = store.keep(items)
    assert len(set(ids)) == 4
    assert all(id.startswith("00000000-") for id in ids)
    assert [store.reveal(id) for id in ids] == [one.text for one in items]
    assert store.keep(items) == ids  # an editor sends the same text again at each autosave
    with pytest.raises(InputError, match="Several"):
        store.reveal("00000000")
    for id in ids[1:]:
        store.drop(id)
    assert store.reveal("00000000") == items[0].text


def test_drop_and_unknown_ids(store: KeptStore, item: Make, memory) -> None:
    one = item()
    store.keep([one])
    store.drop(one.id8)
    assert store.list() == []
    assert not memory.values
    for call in (store.drop, store.reveal):
        with pytest.raises(InputError) as caught:
            call(one.id8)
        assert "kept list" in caught.value.hint


def test_values_expire(store: KeptStore, item: Make, clock, memory) -> None:
    old, young = item(), item()
    store.keep([old])
    clock.pass_days(20)
    store.keep([young])
    clock.pass_days(10.01)
    assert [one["id"] for one in store.list()] == [young.id8]
    with pytest.raises(InputError):
        store.reveal(old.id8)
    assert old.id8 not in (store.folder / "records.jsonl").read_text()  # swept by using the store
    assert len(memory.values) <= 1
    clock.pass_days(30)
    assert store.expire() == 1
    assert store.expire() == 0
    assert not memory.values


def test_another_store_sees_it(store: KeptStore, item: Make, tmp_path: Path, clock, memory) -> None:
    """Whatever home the other one would choose: the record says where its value is."""
    one = item()
    store.keep([one])
    for env in ({}, {"QGUARD_KEEP": "none"}, {"QGUARD_KEEP": "file"}, {"QGUARD_KEEP": "keyring"}):
        other = KeptStore(tmp_path, env, clock, keyring=memory)
        assert other.reveal(one.id8) == one.text


@posix_only
def test_files_are_private(store: KeptStore, item: Make) -> None:
    store.keep([item()])
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(entry.stat().st_mode) for entry in store.folder.iterdir()} == {0o600}


def test_plaintext_stands_nowhere(tmp_path: Path, item: Make, clock, memory, caplog: pytest.LogCaptureFixture) -> None:
    store = KeptStore(tmp_path, {"QGUARD_KEEP": "file"}, clock, keyring=memory)
    items = [item() for _ in range(5)] + [item(id8="00000000")]
    ids = store.keep(items)
    store.keep(items)
    shown = [repr(store), repr(items), str(store.list()), repr(store.reveal(ids[0])), *store.viability(), caplog.text]
    records = store.folder / "records.jsonl"
    records.write_bytes(records.read_bytes().replace(b"work/a.ipynb", b"work/b.ipynb"))
    for id in ids:
        with pytest.raises(QGuardError) as caught:
            store.reveal(id)
        shown += [repr(caught.value), caught.value.sentence(), repr(caught.value.__context__)]
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    everything = written + "".join(shown).encode()
    for one in items:
        plain = one.text.reveal()
        forms = [plain.encode(), plain.encode("utf-16-le"), plain.encode().hex().encode(), plain[::-1].encode()]
        forms += [base64.b64encode(b"_" * shift + plain.encode())[4:-4] for shift in range(3)]
        assert not any(form in everything for form in forms)
        assert not any(plain[start : start + 8].encode() in everything for start in range(len(plain) - 8))


def test_sealed_records_do_not_tell_the_length(tmp_path: Path, item: Make) -> None:
    store = KeptStore(tmp_path, {"QGUARD_KEEP": "file"})
    store.keep([item("x" * 10), item("y" * 50)])
    lines = (store.folder / "records.jsonl").read_bytes().splitlines()
    assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize("change", ["rule", "place", "until", "box", "swap", "key"])
def test_tampering_is_detected_and_costs_only_that_record(tmp_path: Path, item: Make, clock, change: str) -> None:
    store = KeptStore(tmp_path, {"QGUARD_KEEP": "file"}, clock)
    one, two = item(rule="some-rule", cell_id="cell-one"), item(cell_id="cell-two")
    store.keep([one, two])
    records = store.folder / "records.jsonl"
    first, second = records.read_bytes().splitlines()
    boxes = [line.split(b'"box":"c1:')[1].split(b'"')[0] for line in (first, second)]
    changes = {
        "rule": (b"some-rule", b"same-rule"),
        "place": (b"cell-one", b"cell-two"),
        "until": (b'"until":18', b'"until":28'),
        "box": (boxes[0], boxes[0][:30] + (b"A" if boxes[0][30:31] != b"A" else b"B") + boxes[0][31:]),
        "swap": (boxes[0], boxes[1]),
    }
    if change == "key":
        (store.folder / "seal.key").write_bytes(os.urandom(32))
    else:
        changed = first.replace(*changes[change])
        assert changed != first
        records.write_bytes(changed + b"\n" + second + b"\n")
        assert store.reveal(two.id8) == two.text
    with pytest.raises(KeepError, match="changed"):
        store.reveal(one.id8)
    (new,) = store.keep([one])  # what cannot be opened is kept anew beside it
    assert store.reveal(new) == one.text


def test_unreadable_lines_are_carried_along(store: KeptStore, item: Make) -> None:
    one, two = item(), item()
    store.keep([one])
    records = store.folder / "records.jsonl"
    junk = [b"\xff\x00 junk", b'{"v":1}', b'{"v":9,"later":true}', b"[" * 5000]
    records.write_bytes(b"\n".join([*junk, records.read_bytes()]))
    store.keep([two])
    assert store.reveal(one.id8) == one.text
    assert store.reveal(two.id8) == two.text
    assert [line for line in records.read_bytes().splitlines() if line in junk] == junk
    assert len(store.problems()) == 1


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_damaged_seal_key_is_not_replaced(tmp_path: Path, item: Make, length: int) -> None:
    store = KeptStore(tmp_path, {"QGUARD_KEEP": "file"})
    store.keep([item()])
    (store.folder / "seal.key").write_bytes(bytes(length))
    before = (store.folder / "records.jsonl").read_bytes()
    with pytest.raises(KeepError, match="damaged"):
        store.keep([item()])
    assert store.available() is not None
    assert (store.folder / "records.jsonl").read_bytes() == before


def test_a_keyring_that_refuses_gives_way_to_the_file(tmp_path: Path, item: Make, memory) -> None:
    store = KeptStore(tmp_path, {}, keyring=memory)
    one, two = item(), item()
    store.keep([one])
    assert list(memory.values.values()) == [one.text]
    memory.refuses = True
    store.keep([two])
    assert store.reveal(two.id8) == two.text
    memory.refuses = False
    assert store.reveal(one.id8) == one.text
    only = KeptStore(tmp_path, {"QGUARD_KEEP": "keyring"}, keyring=memory)
    memory.refuses = True
    with pytest.raises(KeepError, match="no place"):
        only.keep([item()])


def test_viability_is_said_in_sentences(tmp_path: Path, memory) -> None:
    memory.reason = "there is no keyring service on this machine"
    sentences = KeptStore(tmp_path, {}, keyring=memory).viability()
    assert sentences == (
        "The system keyring cannot keep values: there is no keyring service on this machine.",
        "The sealed file keeps values.",
    )
    memory.reason = None
    assert KeptStore(tmp_path, {}, keyring=memory).viability()[1] == "The sealed file could keep values."
    assert "QGUARD_KEEP" in KeptStore(tmp_path, {"QGUARD_KEEP": "file"}, keyring=memory).viability()[0]


def test_none_and_wrong_settings(tmp_path: Path, item: Make) -> None:
    store = KeptStore(tmp_path, {"QGUARD_KEEP": "none"})
    assert "QGUARD_KEEP" in str(store.available())
    with pytest.raises(KeepError, match="no place"):
        store.keep([item()])
    with pytest.raises(ConfigError, match="QGUARD_KEEP"):
        KeptStore(tmp_path, {"QGUARD_KEEP": "vault"})


def test_no_folder_means_a_keep_error(tmp_path: Path, item: Make, memory, home: str) -> None:
    (tmp_path / "file").write_text("in the way")
    store = KeptStore(tmp_path / "file", {"QGUARD_KEEP": home}, keyring=memory)
    assert store.available() is not None
    with pytest.raises(KeepError):
        store.keep([item()])
    assert not memory.values  # nothing half-kept


@posix_only
def test_a_full_disk_changes_nothing(tmp_path: Path, item: Make, home: str) -> None:
    code = """
import pathlib, resource, secrets, sys
sys.path.insert(0, "tests/unit/broker")
from tests.unit.broker.conftest import MemoryBackend
from jupyter_qguard.broker.kept import KeptItem, KeptStore
from jupyter_qguard.errors import KeepError
from jupyter_qguard.secret import Secret
memory = MemoryBackend()
store = KeptStore(pathlib.Path(sys.argv[1]), {"QGUARD_KEEP": sys.argv[2]}, keyring=memory)
def item(size): return KeptItem(secrets.token_hex(4), "r", "p" * size, None, Secret(secrets.token_urlsafe(33)))
store.keep([item(10)])
before = {path.name: path.read_bytes() for path in store.folder.iterdir()}, dict(memory.values)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
try: store.keep([item(10), item(5000)]); print("kept")
except KeepError as error: print(error.sentence())
assert before == ({path.name: path.read_bytes() for path in store.folder.iterdir()}, dict(memory.values))
if "qguard doctor" not in (store.available() or ""): print(store.available())
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path), home], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "cannot be written" in done.stdout.splitlines()[0]
    assert "cannot be written" in done.stdout.splitlines()[1]


@posix_only
def test_a_read_only_folder_still_reveals(item: Make) -> None:
    code = """
import os, pathlib, sys
from jupyter_qguard.broker.kept import KeptItem, KeptStore
import cryptography.hazmat.primitives.ciphers.aead
from jupyter_qguard.errors import KeepError
from jupyter_qguard.secret import Secret
os.geteuid() or os.seteuid(65534)
data = pathlib.Path(sys.argv[1]) / "data"
store = KeptStore(data, {"QGUARD_KEEP": "file"})
one = KeptItem("abcdef01", "r", "p", None, Secret("value-" * 5))
store.keep([one])
store.folder.chmod(0o500)
data.chmod(0o500)
late = KeptStore(data, {"QGUARD_KEEP": "file"}, lambda: __import__("time").time() + 86400 * 20)
assert late.reveal("abcdef01") == one.text
try: store.keep([one]); print("kept")
except KeepError as error: print(error.sentence())
"""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "cannot be written: permission is denied" in done.stdout


RACER = """
import os, pathlib, secrets, sys, threading
from jupyter_qguard.broker.kept import KeptItem, KeptStore
from jupyter_qguard.secret import Secret
store = KeptStore(pathlib.Path(sys.argv[1]), {"QGUARD_KEEP": "file"})
def work():
    for _ in range(5):
        value = secrets.token_hex(16)
        (id,) = store.keep([KeptItem(secrets.token_hex(4), "r", "p", None, Secret(value))])
        os.write(1, f"{id} {value}\\n".encode())  # in one piece: threads share the pipe
crew = [threading.Thread(target=work) for _ in range(3)]
[one.start() for one in crew]; [one.join() for one in crew]
"""


def test_processes_and_threads_lose_nothing(tmp_path: Path) -> None:
    crew = [
        subprocess.Popen([sys.executable, "-c", RACER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    pairs = [line.split() for one in crew for line in one.communicate(timeout=100)[0].splitlines()]
    assert len(pairs) == 45
    store = KeptStore(tmp_path, {"QGUARD_KEEP": "file"})
    assert all(store.reveal(id) == Secret(value) for id, value in pairs)
    assert sorted(path.name for path in store.folder.iterdir()) == ["records.jsonl", "records.lock", "seal.key"]


def test_a_killed_process_leaves_what_it_promised(tmp_path: Path) -> None:
    code = RACER.replace("range(5)", "range(10_000)")
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(30)]
    process.kill()
    lines += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    store = KeptStore(tmp_path, {"QGUARD_KEEP": "file"})
    (store.folder / ".records.jsonl.0123.tmp").write_bytes(b"left by a crash")
    pairs = [line.split() for line in lines if line.endswith("\n")]
    assert all(store.reveal(id) == Secret(value) for id, value in pairs)
    assert not store.problems()
    store.drop(pairs[0][0])
    assert not list(store.folder.glob("*.tmp"))


def test_nothing_heavy_is_imported_before_the_first_use() -> None:
    code = (
        "import sys, pathlib, jupyter_qguard.broker.kept as k; k.KeptStore(pathlib.Path('x'), {}).list();"
        "print([name for name in ('keyring', 'cryptography', 'secretstorage') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_cryptography_nothing_is_half_kept(
    tmp_path: Path, item: Make, memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    memory.refuses = True
    memory.reason = "it is locked"
    store = KeptStore(tmp_path, {}, keyring=memory)
    assert store.available() == "it is locked; the package 'cryptography' cannot be loaded"
    with pytest.raises(KeepError, match=r"no place .* refused\. .*'cryptography' cannot be loaded\.$"):
        store.keep([item()])
    assert store.list() == []
