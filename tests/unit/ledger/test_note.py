"""Signed heads: C2SP's notes and checkpoints, byte for byte; whatever is not one is refused in a sentence."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from jupyter_qguard.errors import InputError
from jupyter_qguard.ledger import note
from jupyter_qguard.ledger.note import PublicKey

NAME = "jupyter-qguard/ledger/0011223344556677"


class Key:
    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()

    def public(self) -> bytes:
        return self.key.public_key().public_bytes_raw()

    def public_if_made(self) -> bytes | None:
        return self.public()

    def sign(self, text: bytes) -> bytes:
        return self.key.sign(text)


def test_the_example_of_gos_note_package() -> None:
    """https://pkg.go.dev/golang.org/x/mod/sumdb/note: the format that C2SP wrote down."""
    text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    key = PublicKey.parse(text)
    assert str(key) == text
    signed = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    data = base64.b64decode(
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    )
    assert data[:4] == key.id
    assert key.verifies(signed, data[4:])
    assert not key.verifies(signed + b" ", data[4:])


def test_a_head_is_a_checkpoint() -> None:
    key = Key()
    head = note.sign(NAME, 7, bytes(range(32)), key)
    text, _, signature = head.note().decode().partition("\n\n")
    assert text == f"{NAME}\n7\n{base64.b64encode(bytes(range(32))).decode()}"
    assert signature.startswith(f"\N{EM DASH} {NAME} ")
    assert signature.endswith("\n")
    packed = base64.b64decode(signature.split(" ")[2])
    assert (len(packed), packed[:4]) == (68, PublicKey(NAME, key.public()).id)
    key.key.public_key().verify(packed[4:], (text + "\n").encode())
    assert note.parse(head.note()) == [head]


def test_whose_signature_it_is() -> None:
    key, other = Key(), Key()
    head = note.sign(NAME, 7, bytes(32), key)
    own, another = PublicKey(NAME, key.public()), PublicKey(NAME, other.public())
    assert head.signed_by([another, own]) is True
    assert head.signed_by([another]) is None
    assert head.signed_by([PublicKey("other/name", key.public())]) is None
    bent = note.parse(head.note().replace(b"\n7\n", b"\n8\n"))[0]
    assert bent.signed_by([own]) is False
    both = note.parse(head.note() + note.sign(NAME, 7, bytes(32), other).note().split(b"\n\n")[1])[0]  # a witness's
    assert both.signed_by([own]) is both.signed_by([another]) is True


def test_several_heads_in_one_file() -> None:
    heads = [note.sign(NAME, n, bytes(32), Key()) for n in (0, 1, 20)]
    assert note.parse(b"\n".join(head.note() for head in heads)) == heads
    assert note.parse(heads[1].note().replace(b"\n", b"\r\n")) == [heads[1]]  # mailed and saved


GOOD = note.sign(NAME, 7, bytes(32), Key()).note()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"some notes of mine\n",
        GOOD.split(b"\n\n")[0],
        GOOD.replace(b"\n7\n", b"\n07\n"),
        GOOD.replace(b"\n7\n", b"\n-7\n"),
        GOOD.replace(b"AAAA=", b"AAA=="),
        GOOD.replace(b"\n\n", b"\n"),
        GOOD.replace(b"\n\xe2", b"\n\n\xe2"),
        GOOD[:-20],
        GOOD.replace(b"jupyter-qguard/ledger", b"jupyter-qguard\x07ledger"),
        b"\n" * 2_000_000,
    ],
)
def test_what_is_no_head_is_said_without_quoting_it(data: bytes) -> None:
    with pytest.raises(InputError, match="no signed head") as caught:
        note.parse(data)
    assert "notes of mine" not in caught.value.sentence()


@given(st.binary(max_size=300) | st.text().map(str.encode))
def test_any_bytes_are_a_head_or_an_input_error(data: bytes) -> None:
    try:
        heads = note.parse(data)
    except InputError:
        heads = []
    assert all(len(head.root) == 32 for head in heads)


@pytest.mark.parametrize(
    "text", ["", "a+b", "a+00000000+AAAA", "x y+c74f20a3+ARpc", str(PublicKey("a", bytes(32)))[:-4]]
)
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(InputError, match="no public key"):
        PublicKey.parse(text)
