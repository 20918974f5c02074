"""The one place where a kernel's start is met, and the server's end of the history hook."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.provisioning.factory import KernelProvisionerFactory

from jupyter_qguard import settings
from jupyter_qguard.guard import Guard
from jupyter_qguard.kernel.history import NOT_STORED, Asker
from jupyter_qguard.scan.rules import ALL
from jupyter_qguard.server import history, kernels
from jupyter_qguard.server.gate import QGuardGate
from jupyter_qguard.server.history import HistoryContributor, Listener, TextJudge
from jupyter_qguard.server.kernels import Launch, contribute


class Record:
    def __init__(self) -> None:
        self.events: list[Any] = []

    def append(self, event: Any) -> None:
        self.events.append(event)

    def count(self, door: str, action: str, n: int = 1) -> None:
        pass


@pytest.fixture
def record() -> Record:
    return Record()


@pytest.fixture
def user(tmp_path: Path) -> Path:
    folder = tmp_path / "user"
    folder.mkdir()
    return folder


@pytest.fixture
def gate(tmp_path: Path, user: Path, record: Record) -> QGuardGate:
    policies = settings.load(None, root=tmp_path, env={}, known_rules=frozenset(ALL), system_dirs=(), user_dir=user)
    return QGuardGate(guard=Guard(policies=policies, ledger=record, keeper=None, key=secrets.token_bytes(32)))


@pytest.fixture
def factory() -> Iterator[None]:
    """No factory before, and none of ours afterwards."""
    KernelProvisionerFactory.clear_instance()
    yield
    KernelProvisionerFactory.clear_instance()
    kernels.QGuardProvisionerFactory.clear_instance()


def token() -> str:
    return "ghp_" + secrets.token_hex(18)


def launch(*cmd: str, language: str = "python", local: bool = True, **env: str) -> Launch:
    provisioner = SimpleNamespace(has_process=True)
    return Launch("id", language, list(cmd), dict(env), local, provisioner)


@pytest.mark.parametrize(
    ("cmd", "language", "ours"),
    [
        (("python", "-m", "ipykernel_launcher", "-f", "x"), "python", True),
        (("/usr/bin/python3", "-I", "-m", "ipykernel", "-f", "x"), "Python", True),
        (("conda", "run", "-n", "a", "python", "-m", "ipykernel_launcher", "-f", "x"), "python", True),
        (("python", "/somewhere/ipykernel_launcher.py", "-f", "x"), "python", True),
        (("python", "-m", "bash_kernel", "-f", "x"), "bash", False),
        (("python", "-m", "ipykernel_launcher", "-f", "x"), "bash", False),
        (("xpython", "-f", "x"), "python", False),
        ((), "python", False),
    ],
)
def test_which_commands_are_ipykernels(cmd: tuple[str, ...], language: str, ours: bool) -> None:
    assert launch(*cmd, language=language).ipython is ours


IPYKERNEL = ("python", "-m", "ipykernel_launcher", "-f", "x")


def test_a_start_gets_the_hook_and_keeps_what_the_user_set(gate: QGuardGate) -> None:
    contributor = HistoryContributor(gate)
    started = launch(*IPYKERNEL, PYTHONSTARTUP="/home/ada/mine.py", OTHER="1")
    contributor(started)
    contributor(started)  # a restart may hand the same environment over
    contributor.close()
    assert started.cmd == list(IPYKERNEL)
    assert started.env["PYTHONSTARTUP"] == str(history.HOOK)
    assert started.env["QGUARD_PYTHONSTARTUP"] == "/home/ada/mine.py"
    assert started.env["OTHER"] == "1"
    assert json.loads(started.env["QGUARD_HISTORY"])["mode"] == "redact"
    assert history.HOOK.is_file()


@pytest.mark.parametrize("value", ["off", "leave"])
def test_policy_decides(gate: QGuardGate, user: Path, value: str) -> None:
    (user / "qguard.toml").write_text(f'[kernel]\nhistory = "{value}"\n')
    started = launch(*IPYKERNEL)
    HistoryContributor(gate)(started)
    assert ("QGUARD_HISTORY" in started.env) is (value == "off")
    assert ("--HistoryManager.enabled=False" in started.cmd) is (value == "off")


def test_remote_and_other_kernels_get_nothing(gate: QGuardGate) -> None:
    for started in (launch(*IPYKERNEL, local=False), launch("bash", language="bash")):
        before = list(started.cmd)
        HistoryContributor(gate)(started)
        assert (started.cmd, started.env) == (before, {})


class Provisioned:
    """A kernelspec and manager as the factory gets them."""

    def __init__(self, name: str = "") -> None:
        metadata = {"kernel_provisioner": {"provisioner_name": name}} if name else {}
        self.spec = KernelSpec(argv=["python"], language="python", metadata=metadata)

    def start(self, **named: Any) -> dict[str, Any]:
        made = KernelProvisionerFactory.instance().create_provisioner_instance("id", self.spec, None)
        launched: dict[str, Any] = asyncio.run(made.pre_launch(env={"A": "1"}, **named))
        return launched


@pytest.mark.parametrize("name", ["", "local-provisioner"])
@pytest.mark.parametrize("before", [False, True])
@pytest.mark.usefixtures("factory")
def test_every_start_passes_the_contributors(gate: QGuardGate, name: str, before: bool) -> None:
    """A factory that some extension made before is turned into ours."""
    if before:
        KernelProvisionerFactory.instance()
    seen: list[Launch] = []

    def add(launched: Launch) -> None:
        seen.append(launched)
        launched.env["B"] = "2"
        launched.cmd.append("more")

    contribute(add, gate)
    contribute(lambda launched: launched.cmd.append("last"), gate)
    launched = Provisioned(name).start()
    assert launched["cmd"] == ["python", "more", "last"]
    assert launched["env"]["A"] == "1"
    assert launched["env"]["B"] == "2"
    assert seen[0].local
    assert seen[0].language == "python"


@pytest.mark.usefixtures("factory")
def test_a_contributor_that_fails_stops_no_kernel(gate: QGuardGate) -> None:
    secret = token()

    def fail(launched: Launch) -> None:
        raise RuntimeError(secret)

    contribute(fail, gate)
    contribute(lambda launched: launched.cmd.append("next"), gate)
    assert Provisioned().start()["cmd"] == ["python", "next"]
    assert any("without its part of the guard" in problem for problem in gate.problems)
    assert secret not in str(gate.problems)


@pytest.fixture(params=[True, False], ids=["unix", "tcp"])
def listener(request: pytest.FixtureRequest, gate: QGuardGate) -> Iterator[Listener]:
    if request.param and not hasattr(socket, "AF_UNIX"):
        pytest.skip("this system has no Unix sockets")
    made = Listener(gate, set(), unix=request.param)
    yield made
    made.close()


def test_the_two_ends_agree(listener: Listener, record: Record) -> None:
    secret = token()
    asker = Asker(listener.address)
    one, two, three = asker.clean([["s", f'key = "{secret}"'], ["s", "x = 1"], ["o", f"'{secret}'"]])
    assert one.startswith('key = "[REDACTED:')
    assert two == "x = 1"
    assert three.startswith("'[REDACTED:")
    assert asker.clean([["s", f'key = "{secret}"']]) == [one]
    assert len(record.events) == 2, "the same text again is remembered, not recorded again"
    assert {event.path for event in record.events} == {"IPython history"}
    assert secret not in repr(record.events)


def test_the_socket_is_private_and_goes_away(gate: QGuardGate) -> None:
    if not hasattr(socket, "AF_UNIX"):
        pytest.skip("this system has no Unix sockets")
    made = Listener(gate, set())
    path = Path(made.address[1])
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    made.close()
    assert not path.parent.exists()
    assert Asker(made.address).clean([["s", "x"]]) == [NOT_STORED]


def test_a_long_temporary_folder_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    folder = history._private_folder()
    folder.rmdir()
    assert len(str(folder)) < 100
    assert list(long.iterdir()) == []


def test_another_user_and_a_wrong_token_get_no_answer(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    address = list(listener.address)
    if address[0] == "tcp":
        address[3] = "wrong"
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 54321)
    assert Asker(address).clean([["s", "x"]]) == [NOT_STORED]


ODD = [b"", b"\n", b"{\n", b"[]\n", b"null\n", b'{"texts": 7}\n', b"[" * 5000 + b"\n"]


@pytest.mark.parametrize("line", [*ODD, b'{"texts": [["s", 1], ["q", "x"], 3]}\n'])
def test_odd_questions_are_survived(listener: Listener, line: bytes) -> None:
    kind = socket.AF_UNIX if listener.address[0] == "unix" else socket.AF_INET
    target: Any = listener.address[1] if listener.address[0] == "unix" else tuple(listener.address[1:3])
    with socket.socket(kind, socket.SOCK_STREAM) as stream:
        stream.connect(target)
        stream.settimeout(5)
        stream.sendall(line)
        stream.shutdown(socket.SHUT_WR)
        while stream.recv(4096):
            pass
    assert Asker(listener.address).clean([["s", "x = 1"]]) == ["x = 1"]


def test_a_kernel_says_hello(gate: QGuardGate) -> None:
    greeted: set[str] = set()
    made = Listener(gate, greeted)
    try:
        Asker(made.address).hello("kernel-1")
        for thread in threading.enumerate():
            if thread.daemon and "_quietly" in thread.name:
                thread.join(5)
        assert greeted == {"kernel-1"}
    finally:
        made.close()


def test_a_kernel_that_says_nothing_is_told_of(gate: QGuardGate, caplog: pytest.LogCaptureFixture) -> None:
    contributor = HistoryContributor(gate)
    contributor._missed(launch(*IPYKERNEL))
    assert "did not take the history hook" in caplog.text
    caplog.clear()
    contributor.greeted.add("id")
    contributor._missed(launch(*IPYKERNEL))
    assert caplog.text == ""


def test_a_refusal_and_a_failure_store_nothing(gate: QGuardGate, user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = token()
    (user / "qguard.toml").write_text('[content]\nsource = "block"\n')
    judge = TextJudge(gate)
    assert judge.clean([["s", f'key = "{secret}"'], ["s", "x = 1"]]) == [None, "x = 1"]

    def fail(*arguments: Any) -> None:
        raise RuntimeError(secret)

    monkeypatch.setattr(Guard, "check_notebook", fail)
    assert judge.clean([["s", "y = 1"]]) == [None]


def test_observing_changes_nothing(gate: QGuardGate, user: Path) -> None:
    secret = token()
    (user / "qguard.toml").write_text('mode = "observe"\n')
    assert TextJudge(gate).clean([["s", f'key = "{secret}"']]) == [f'key = "{secret}"']


def test_what_is_remembered_is_bounded_and_follows_the_policy(
    gate: QGuardGate, user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_REMEMBERED", 3)
    judge, secret = TextJudge(gate), token()
    judge.clean([["s", f"x = {number}"] for number in range(9)])
    assert len(judge._known) == 3
    line = f'key = "{secret}"'
    assert judge.clean([["s", line]]) != [line]
    (user / "qguard.toml").write_text('mode = "observe"\n')
    assert judge.clean([["s", line]]) == [line]
    assert secret not in repr([*judge._known])


def test_answers_to_long_texts_are_not_remembered(gate: QGuardGate) -> None:
    judge = TextJudge(gate)
    long = "x = 1\n" * 20_000
    assert judge.clean([["s", long], ["s", "y = 2"]]) == [long, "y = 2"]
    assert [len(answer or "") for answer in judge._known.values()] == [5]
