"""RFC 6962 Merkle trees from leaf hashes: root, inclusion and consistency proofs. Pure; hashlib and nothing else.

A leaf hash is SHA-256(0x00 ‖ data), an inner node SHA-256(0x01 ‖ left ‖ right), the root of no leaves SHA-256("")
(https://www.rfc-editor.org/rfc/rfc6962#section-2.1). Indexes count from 0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

LENGTH = 32
"""Bytes of every hash."""
EMPTY = hashlib.sha256(b"").digest()

_sha256 = hashlib.sha256


def leaf(data: bytes) -> bytes:
    """Return the hash of one leaf."""
    return _sha256(b"\x00" + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    """Return the hash of two neighbours."""
    return _sha256(b"\x01" + left + right).digest()


class Frontier:
    """The roots of the perfect subtrees that a tree of ``size`` leaves is made of, largest first.

    Enough to append and to give the root; at most 64 hashes, however long the tree. Raises ``ValueError`` where
    the number of ``peaks`` does not belong to ``size``.
    """

    __slots__ = ("peaks", "size")

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size = size
        self.peaks = list(peaks)
        if size < 0 or len(self.peaks) != size.bit_count() or any(len(peak) != LENGTH for peak in self.peaks):
            raise ValueError("these peaks are not those of a tree of that size")

    def push(self, new: bytes) -> None:
        """Append one leaf hash."""
        size, peaks = self.size, self.peaks
        while size & 1:
            new = _sha256(b"\x01" + peaks.pop() + new).digest()
            size >>= 1
        peaks.append(new)
        self.size += 1

    def root(self) -> bytes:
        """Return the root hash at the present size."""
        if not self.peaks:
            return EMPTY
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node(peak, root)
        return root

    def copy(self) -> Frontier:
        """Return a frontier of its own."""
        return Frontier(self.size, self.peaks)


def root(leaves: Iterable[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    frontier = Frontier()
    for one in leaves:
        frontier.push(one)
    return frontier.root()


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the audit path of leaf ``index`` in the tree over all of ``leaves``, lowest first (RFC 6962 §2.1.1).

    Raises ``IndexError`` for a leaf that the tree does not have.
    """
    if not 0 <= index < len(leaves):
        raise IndexError("the tree has no such leaf")
    path: list[bytes] = []
    level = list(leaves)
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        level = _above(level)
        index >>= 1
    return path


def included(leaf_hash: bytes, index: int, size: int, path: Sequence[bytes], root_hash: bytes) -> bool:
    """Return whether the audit path shows the leaf at ``index`` of a tree of ``size`` leaves (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        return False
    here, last, found = index, size - 1, leaf_hash
    for step in path:
        if last == 0:
            return False
        if here & 1 or here == last:
            found = node(step, found)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            found = node(found, step)
        here, last = here >> 1, last >> 1
    return last == 0 and found == root_hash


def consistency_proof(leaves: Sequence[bytes], old: int) -> list[bytes]:
    """Return the proof that the tree over the first ``old`` leaves is a beginning of the whole (RFC 6962 §2.1.2).

    Raises ``IndexError`` for a size that the tree never had.
    """
    if not 0 < old <= len(leaves):
        raise IndexError("the tree never had that size")
    return _subproof(old, leaves, whole=True)


def consistent(old: int, new: int, path: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Return whether the proof shows one root to be a beginning of the other (RFC 9162 §2.1.4.2)."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    steps = list(path)
    if old & (old - 1) == 0:
        steps.insert(0, old_root)
    if not steps:
        return False
    here, last = old - 1, new - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    first = second = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if here & 1 or here == last:
            first, second = node(step, first), node(step, second)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            second = node(second, step)
        here, last = here >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


def _above(level: list[bytes]) -> list[bytes]:
    pairs = [node(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
    return pairs + level[-1:] if len(level) & 1 else pairs


def _subproof(old: int, leaves: Sequence[bytes], *, whole: bool) -> list[bytes]:
    if old == len(leaves):
        return [] if whole else [root(leaves)]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if old <= split:
        return [*_subproof(old, leaves[:split], whole=whole), root(leaves[split:])]
    return [*_subproof(old - split, leaves[split:], whole=False), root(leaves[:split])]
