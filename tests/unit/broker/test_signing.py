"""The signing key: made once, in the keyring where one is safe, and never quietly replaced."""

import json
import os
import stat
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from jupyter_qguard.broker.records import Record
from jupyter_qguard.broker.signing import SigningKey
from jupyter_qguard.errors import KeepError
from jupyter_qguard.secret import Secret

FILE = {"QGUARD_KEEP": "file"}


class Ring:
    """A keyring that can be locked."""

    name = "keyring"

    def __init__(self) -> None:
        self.held: dict[str, Secret] = {}
        self.locked = False

    def why_not(self) -> str | None:
        return "it is locked" if self.locked else None

    def put(self, entries: Sequence[tuple[Record, Secret]]) -> list[str]:
        box = f"k1:{len(self.held)}"
        self.held[box] = entries[0][1]
        return [box]

    def get(self, record: Record) -> Secret:
        if self.locked or record.box not in self.held:
            raise KeepError("The keyring cannot be used: it is locked.")
        return self.held[record.box]

    def drop(self, records: Sequence[Record]) -> None:
        for record in records:
            self.held.pop(record.box, None)


def check(key: SigningKey, text: bytes = b"text") -> None:
    Ed25519PublicKey.from_public_bytes(key.public()).verify(key.sign(text), text)


def test_without_a_keyring_it_is_a_private_file(tmp_path: Path) -> None:
    key = SigningKey(tmp_path, FILE)
    assert key.public_if_made() is None
    assert list(tmp_path.iterdir()) == []
    check(key)
    check(SigningKey(tmp_path, FILE))
    assert SigningKey(tmp_path, FILE).public() == key.public() == key.public_if_made()
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "signing.json").stat().st_mode) == 0o600


def test_in_a_keyring_the_file_holds_the_public_half_alone(tmp_path: Path) -> None:
    ring = Ring()
    key = SigningKey(tmp_path, {}, keyring=ring)
    check(key)
    (held,) = ring.held.values()
    assert held.reveal() not in (tmp_path / "signing.json").read_text()
    assert held.reveal() not in repr(vars(key))
    check(SigningKey(tmp_path, FILE, keyring=ring))  # a key stays where it is
    ring.locked = True
    again = SigningKey(tmp_path, {}, keyring=ring)
    assert again.public() == key.public()  # verifying needs no keyring
    with pytest.raises(KeepError, match="locked"):
        again.sign(b"text")
    assert len(ring.held) == 1  # no other key is made because of that


def test_those_who_make_it_at_the_same_time_agree(tmp_path: Path) -> None:
    ring, found = Ring(), []
    gate = threading.Barrier(6)

    def work() -> None:
        key = SigningKey(tmp_path, {}, keyring=ring)
        gate.wait()
        found.append(key.public())
        check(key)

    crew = [threading.Thread(target=work) for _ in range(6)]
    for one in crew:
        one.start()
    for one in crew:
        one.join()
    assert len(set(found)) == 1
    assert len(found) == 6


@pytest.mark.parametrize("text", ["", "[]", "{}", "no json", '{"v":1,"home":"file","public":"AAAA","box":"AAAA"}'])
def test_a_damaged_one_is_said_and_not_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / "signing.json"
    path.write_text(text)
    path.chmod(0o600)
    for call in (SigningKey(tmp_path, FILE).public, lambda: SigningKey(tmp_path, FILE).sign(b"")):
        with pytest.raises(KeepError, match="damaged"):
            call()
    assert path.read_text() == text


def test_halves_that_do_not_belong_together(tmp_path: Path) -> None:
    SigningKey(tmp_path / "a", FILE).public()
    SigningKey(tmp_path / "b", FILE).public()
    one, two = (json.loads((tmp_path / name / "signing.json").read_text()) for name in "ab")
    (tmp_path / "a" / "signing.json").write_text(json.dumps(one | {"box": two["box"]}))
    with pytest.raises(KeepError, match="halves"):
        SigningKey(tmp_path / "a", FILE).sign(b"")


@pytest.mark.skipif(os.name == "nt", reason="POSIX only")
def test_one_that_others_may_read_is_refused(tmp_path: Path) -> None:
    SigningKey(tmp_path, FILE).public()
    (tmp_path / "signing.json").chmod(0o644)
    with pytest.raises(KeepError, match="others may read"):
        SigningKey(tmp_path, FILE).sign(b"")
