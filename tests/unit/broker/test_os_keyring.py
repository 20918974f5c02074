"""Which keyrings are used, which are refused and why, and that none of them can hang or lose anything."""

import subprocess
import sys
import textwrap
import threading
import time
import types
from collections.abc import Callable, Iterator
from typing import Any

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import chainer, fail, null

from jupyter_qguard.broker.backends import os_keyring
from jupyter_qguard.broker.backends.os_keyring import OsKeyring, bounded
from jupyter_qguard.broker.kept import KeptItem, KeptStore
from jupyter_qguard.broker.records import Place, Record
from jupyter_qguard.errors import KeepError
from jupyter_qguard.secret import Secret

RECORD = Record("abcdef01", "abcdef01", "some-rule", (Place("a.ipynb", None),), 1, "keyring")


class FakeKeyring(KeyringBackend):
    """A keyring in memory, as ``keyring`` backends are; switches make it misbehave."""

    priority = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[tuple[str, str], str] = {}
        self.hang: threading.Event | None = None
        self.breaks_at: int | None = None
        self.truncates = False
        self.calls = 0

    def set_password(self, service: str, username: str, password: str) -> None:
        self.calls += 1
        if self.hang is not None:
            self.hang.wait(60)
        if self.calls == self.breaks_at:
            raise RuntimeError(f"cannot store {password}")
        self.values[service, username] = password[:50] if self.truncates else password

    def get_password(self, service: str, username: str) -> str | None:
        return self.values.get((service, username))

    def delete_password(self, service: str, username: str) -> None:
        del self.values[service, username]


@pytest.fixture
def use() -> Iterator[Callable[..., OsKeyring]]:
    before = keyring.get_keyring()

    def choose(backend: Any, seconds: float = 20) -> OsKeyring:
        keyring.set_keyring(backend)
        os_keyring.forget_verdict()
        return OsKeyring(probe_seconds=seconds, call_seconds=seconds)

    yield choose
    keyring.set_keyring(before)


@pytest.fixture
def fake() -> FakeKeyring:
    return FakeKeyring()


def from_module(module: str, name: str = "Keyring") -> KeyringBackend:
    """Return a keyring that works, under another module's name."""
    return type(name, (FakeKeyring,), {"__module__": module})()  # type: ignore[no-any-return]


def test_values_go_in_and_out_and_leave_no_probe(use: Any, fake: FakeKeyring) -> None:
    home = use(fake)
    assert home.why_not() is None
    assert not fake.values
    texts = [Secret("one"), Secret("two \0 \udce9 " * 500)]
    boxes = home.put([(RECORD, text) for text in texts])
    records = [Record("abcdef01", "abcdef01", "some-rule", (), 1, "keyring", box) for box in boxes]
    assert [home.get(record) for record in records] == texts
    home.drop(records)
    home.drop(records)
    assert not fake.values
    with pytest.raises(KeepError, match="no longer"):
        home.get(records[0])


@pytest.mark.parametrize(
    ("backend", "word"),
    [
        (fail.Keyring(), "no keyring service"),
        (null.Keyring(), "stores nothing"),
        (from_module("keyrings.alt.file", "PlaintextKeyring"), "not protected"),
        (from_module("keyrings.alt.file", "EncryptedKeyring"), "asks for a password"),
        (from_module("keyrings.cryptfile.cryptfile", "CryptFileKeyring"), "asks for a password"),
        (from_module("somewhere.else", "MyPlainTextKeyring"), "plain text"),
        (from_module("keyring.backends.kwallet", "DBusKeyring"), "wallet"),
    ],
)
def test_unsafe_keyrings_are_refused_and_get_no_value(use: Any, backend: Any, word: str) -> None:
    home = use(backend)
    assert word in str(home.why_not())
    with pytest.raises(KeepError, match="cannot be used"):
        home.put([(RECORD, Secret("x"))])
    assert not getattr(backend, "values", None)


def chain(monkeypatch: pytest.MonkeyPatch, *backends: KeyringBackend) -> KeyringBackend:
    one = chainer.ChainerBackend()
    monkeypatch.setattr(chainer.ChainerBackend, "backends", list(backends))
    return one


def test_of_a_chain_only_the_systems_own_stores_count(use: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    windows = from_module("keyring.backends.Windows", "WinVaultKeyring")
    plain = from_module("keyrings.alt.file", "PlaintextKeyring")
    other = from_module("third.party")
    home = use(chain(monkeypatch, other, plain, windows))
    assert home.why_not() is None
    home.put([(RECORD, Secret("x"))])
    assert len(windows.values) == 1  # type: ignore[attr-defined]
    assert not plain.values  # type: ignore[attr-defined]
    assert "no keyring service" in use(chain(monkeypatch)).why_not()
    assert "no keyring service" in use(chain(monkeypatch, plain, other)).why_not()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """A stand-in for the package ``secretstorage`` over a Secret Service whose state is ``service.state``."""

    class Collection:
        def __init__(self, bus: object, path: str) -> None:
            if one.state == "no collection":
                raise LookupError

        def is_locked(self) -> bool:
            return bool(one.state == "locked")

    one = types.SimpleNamespace(
        state="unlocked", Collection=Collection, dbus_init=lambda: types.SimpleNamespace(close=lambda: None)
    )
    monkeypatch.setitem(sys.modules, "secretstorage", one)
    return one


@pytest.mark.parametrize("state", ["unlocked", "locked", "no collection"])
def test_a_locked_secret_service_is_not_made_to_prompt(use: Any, service: types.SimpleNamespace, state: str) -> None:
    service.state = state
    backend: Any = from_module("keyring.backends.SecretService")
    reason = use(backend).why_not()
    assert (reason is None) == (state == "unlocked")
    assert (backend.calls == 0) == (state != "unlocked")


def test_a_secret_service_that_is_locked_later_is_not_made_to_prompt(
    use: Any, service: types.SimpleNamespace, tmp_path: Any
) -> None:
    backend: Any = from_module("keyring.backends.SecretService")
    store = KeptStore(tmp_path, {}, keyring=use(backend))
    text = Secret("t" * 20)
    store.keep([KeptItem("0000000a", "r", "p", None, text)])
    service.state, before = "locked", backend.calls
    store.keep([KeptItem("0000000b", "r", "p", None, text)])
    assert backend.calls == before
    with pytest.raises(KeepError, match="locked"):
        store.reveal("0000000a")
    assert store.reveal("0000000b") == text
    service.state = "unlocked"
    assert store.reveal("0000000a") == text


@pytest.mark.parametrize("fault", ["breaks", "truncates", "hangs"])
def test_a_faulty_probe_refuses_in_bounded_time(use: Any, fake: FakeKeyring, fault: str) -> None:
    fake.breaks_at = 1 if fault == "breaks" else None
    fake.truncates = False
    if fault == "truncates":
        fake.get_password = lambda service, username: "else"  # type: ignore[method-assign]
    fake.hang = threading.Event() if fault == "hangs" else None
    home = use(fake, 0.5) if fake.hang else use(fake)
    start = time.monotonic()
    reason = home.why_not()
    assert time.monotonic() - start < 10
    assert {"breaks": "refused", "truncates": "give a probe", "hangs": "did not answer"}[fault] in reason
    calls = fake.calls
    assert OsKeyring().why_not() == reason
    assert fake.calls == calls  # the verdict stands for the process
    if fake.hang:
        fake.hang.set()


def test_a_batch_is_stored_whole_or_not_at_all(use: Any, fake: FakeKeyring) -> None:
    home = use(fake)
    assert home.why_not() is None
    fake.breaks_at = fake.calls + 3
    plain = "plain-" * 6
    with pytest.raises(KeepError) as caught:
        home.put([(RECORD, Secret(plain)) for _ in range(4)])
    assert not fake.values
    assert plain not in repr(caught.value) + caught.value.sentence()
    assert caught.value.__suppress_context__
    fake.truncates = True
    with pytest.raises(KeepError):
        home.put([(RECORD, Secret(plain))])
    assert not fake.values


def test_a_keyring_that_hangs_later_gives_way_to_the_file(use: Any, fake: FakeKeyring, tmp_path: Any) -> None:
    store = KeptStore(tmp_path, {}, keyring=use(fake, 2))
    one, two = (KeptItem(id8, "r", "p", None, Secret(id8 * 4)) for id8 in ("0000000a", "0000000b"))
    store.keep([one])
    assert len(fake.values) == 1
    fake.hang = threading.Event()
    start = time.monotonic()
    store.keep([two])
    assert time.monotonic() - start < 10
    calls = fake.calls
    store.keep([KeptItem("0000000c", "r", "p", None, Secret("c" * 20))])
    assert fake.calls == calls  # asked once, not at each save
    assert store.reveal("0000000b") == two.text
    with pytest.raises(KeepError, match="did not answer"):
        store.reveal("0000000a")
    fake.hang.set()
    end = time.monotonic() + 5
    while len(fake.values) > 1 and time.monotonic() < end:  # the late value is taken back by its own thread
        time.sleep(0.01)
    assert len(fake.values) == 1


def test_a_changed_entry_is_noticed(use: Any, fake: FakeKeyring) -> None:
    home = use(fake)
    (box,) = home.put([(RECORD, Secret("x"))])
    other = Record("abcdef01", "abcdef01", "another-rule", (), 1, "keyring", box)
    with pytest.raises(KeepError, match="changed"):
        home.get(other)
    for name in fake.values:
        fake.values[name] = "[]"
    with pytest.raises(KeepError, match="changed"):
        home.get(Record("abcdef01", "abcdef01", "some-rule", (), 1, "keyring", box))


def test_bounded_passes_results_and_errors_on() -> None:
    assert bounded(lambda: 7, 5) == 7
    with pytest.raises(ZeroDivisionError):
        bounded(lambda: 1 / 0, 5)
    undone = threading.Event()
    with pytest.raises(TimeoutError):
        bounded(lambda: time.sleep(0.3), 0.05, undone.set)
    assert undone.wait(5)


def test_a_message_bus_that_never_answers_delays_once(tmp_path: Any) -> None:
    """The real keyring package against a socket that accepts and stays silent, as a hung D-Bus does."""
    code = textwrap.dedent("""
        import os, pathlib, socket, sys, time
        silent = socket.socket(socket.AF_UNIX); silent.bind(sys.argv[1] + "/bus"); silent.listen(8)
        os.environ["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=" + sys.argv[1] + "/bus"
        os.environ.pop("PYTHON_KEYRING_BACKEND", None)
        os.environ["XDG_CONFIG_HOME"] = os.environ["XDG_DATA_HOME"] = sys.argv[1]
        from jupyter_qguard.broker.backends.os_keyring import OsKeyring
        from jupyter_qguard.broker.kept import KeptItem, KeptStore
        from jupyter_qguard.secret import Secret
        store = KeptStore(pathlib.Path(sys.argv[1]), {}, keyring=OsKeyring(probe_seconds=0.7))
        start = time.monotonic()
        for number in range(3):
            store.keep([KeptItem(f"0000000{number}", "r", "p", None, Secret(str(number) * 20))])
        print(time.monotonic() - start)
        print(store.viability()[0])
    """)
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    seconds, sentence = done.stdout.splitlines()
    assert float(seconds) < 5
    assert sentence.startswith("The system keyring cannot keep values: ")
