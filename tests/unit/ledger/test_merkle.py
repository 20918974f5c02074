"""Merkle trees against RFC 6962's definitions written down word for word, and against known roots."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_qguard.ledger import merkle
from jupyter_qguard.ledger.merkle import Frontier

LEAVES = st.lists(st.binary(max_size=8), max_size=70)

# The eight inputs and the roots over the first n of them that implementations of RFC 6962 are checked with
# (certificate-transparency's merkle_tree_test).
INPUTS = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def split(n: int) -> int:
    """The largest power of two smaller than n (RFC 6962 §2.1)."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def mth(data: list[bytes]) -> bytes:
    """RFC 6962 §2.1."""
    if not data:
        return sha(b"")
    if len(data) == 1:
        return sha(b"\x00" + data[0])
    k = split(len(data))
    return sha(b"\x01" + mth(data[:k]) + mth(data[k:]))


def path(m: int, data: list[bytes]) -> list[bytes]:
    """RFC 6962 §2.1.1."""
    if len(data) == 1:
        return []
    k = split(len(data))
    if m < k:
        return [*path(m, data[:k]), mth(data[k:])]
    return [*path(m - k, data[k:]), mth(data[:k])]


def subproof(m: int, data: list[bytes], b: bool) -> list[bytes]:
    """RFC 6962 §2.1.2."""
    if m == len(data):
        return [] if b else [mth(data)]
    k = split(len(data))
    if m <= k:
        return [*subproof(m, data[:k], b), mth(data[k:])]
    return [*subproof(m - k, data[k:], False), mth(data[:k])]


def test_known_roots() -> None:
    assert merkle.EMPTY.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert Frontier().root() == merkle.EMPTY
    for n, root in enumerate(ROOTS, 1):
        assert merkle.root(map(merkle.leaf, INPUTS[:n])).hex() == root


@given(LEAVES)
def test_roots_and_frontiers(data: list[bytes]) -> None:
    frontier = Frontier()
    for n, one in enumerate(data):
        assert frontier.root() == mth(data[:n])
        frontier = Frontier(frontier.size, list(frontier.peaks))  # as it is stored and read again
        frontier.push(merkle.leaf(one))
    assert frontier.size == len(data)
    assert frontier.root() == merkle.root(map(merkle.leaf, data)) == mth(data)


@given(LEAVES.filter(bool), st.data())
def test_inclusion(data: list[bytes], draw: st.DataObject) -> None:
    leaves = [merkle.leaf(one) for one in data]
    index = draw.draw(st.integers(0, len(data) - 1))
    proof = merkle.inclusion_proof(leaves, index)
    assert proof == path(index, data)
    assert merkle.included(leaves[index], index, len(data), proof, mth(data))
    other = draw.draw(st.integers(-1, len(data)))
    if other != index:
        wrong = 0 <= other < len(data) and leaves[other] == leaves[index] and path(other, data) == proof
        assert merkle.included(leaves[index], other, len(data), proof, mth(data)) == wrong
    assert not merkle.included(merkle.leaf(b"another leaf"), index, len(data), proof, mth(data))
    assert not merkle.included(leaves[index], index, len(data), [*proof, bytes(32)], mth(data))
    if proof:
        assert not merkle.included(leaves[index], index, len(data), proof[:-1], mth(data))
        at = draw.draw(st.integers(0, len(proof) - 1))
        bent = [*proof[:at], bytes(32), *proof[at + 1 :]]
        assert not merkle.included(leaves[index], index, len(data), bent, mth(data))


@given(LEAVES.filter(bool), st.data())
def test_consistency(data: list[bytes], draw: st.DataObject) -> None:
    leaves = [merkle.leaf(one) for one in data]
    old = draw.draw(st.integers(1, len(data)))
    proof = merkle.consistency_proof(leaves, old)
    assert proof == subproof(old, data, True)
    before, now = mth(data[:old]), mth(data)
    assert merkle.consistent(old, len(data), proof, before, now)
    assert not merkle.consistent(old, len(data), proof, bytes(32), now)
    assert not merkle.consistent(old, len(data), proof, before, bytes(32))
    assert not merkle.consistent(old, len(data), [*proof, bytes(32)], before, now)


def test_what_a_tree_does_not_have() -> None:
    leaves = [merkle.leaf(b"a")]
    for index in (-1, 1):
        with pytest.raises(IndexError):
            merkle.inclusion_proof(leaves, index)
    for old in (0, 2):
        with pytest.raises(IndexError):
            merkle.consistency_proof(leaves, old)
    for size, peaks in ((1, []), (2, [bytes(32)] * 2), (1, [b"short"]), (-1, [])):
        with pytest.raises(ValueError, match="peaks"):
            Frontier(size, peaks)
