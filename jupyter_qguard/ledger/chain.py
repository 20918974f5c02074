"""The chain through a ledger's entries, which is at the same time the leaves of its Merkle tree (ADR 7).

    hash of an entry = SHA-256(0x00 ‖ hash of the entry before ‖ body)

where ``body`` is the event's one byte form and the "entry before" the first is the ledger's *genesis*, 32 random
bytes. That is RFC 6962's leaf hash of ``previous ‖ body``, so one number is the link and the leaf.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from jupyter_qguard import __version__
from jupyter_qguard.ledger.event import Event, stamp
from jupyter_qguard.ledger.merkle import LENGTH, Frontier

SCHEME = "qguard-chain/1"
DOOR = "ledger"
"""What stands as door in the ledger's entries about itself."""
CHAINED = "chained"
"""The kind of the entry that says from where on a ledger made before there was a chain is chained."""
_MARK = b'"door":"ledger","findings":[],"kind":"chained",'
_NO_GENESIS = bytes(LENGTH)

_sha256 = hashlib.sha256


def link(previous: bytes, body: bytes) -> bytes:
    """Return the hash of an entry."""
    return _sha256(b"\x00" + previous + body).digest()


def origin(genesis: bytes) -> str:
    """Return the name of a ledger in its signed heads."""
    return f"jupyter-qguard/ledger/{genesis[:8].hex()}"


@dataclass(slots=True)
class Chain:
    """Where a chain stands: its beginning, its last hash, and the Merkle frontier over all its hashes."""

    genesis: bytes
    last: bytes
    frontier: Frontier = field(default_factory=Frontier)

    @classmethod
    def new(cls) -> Chain:
        """Return the chain of a ledger without entries."""
        genesis = secrets.token_bytes(LENGTH)
        return cls(genesis, genesis)

    @classmethod
    def again(cls, hashes: Iterable[bytes], genesis: bytes = _NO_GENESIS) -> Chain:
        """Return a chain whose note of itself is lost, from the entries' hashes. ``verify`` still tells the loss."""
        chain = cls(genesis, genesis)
        for one in hashes:
            chain.last = one
            chain.frontier.push(one)
        return chain

    def extend(self, body: bytes) -> bytes:
        """Append one entry and return its hash."""
        self.last = link(self.last, body)
        self.frontier.push(self.last)
        return self.last

    @property
    def size(self) -> int:
        """Entries so far."""
        return self.frontier.size


def chained_since(before: int) -> bytes:
    """Return the body of the entry which says that ``before`` entries were recorded without a chain."""
    note = f"chained since this entry; the {before} before it were recorded without a chain and taken as they stood"
    return Event(
        time=stamp(), door=DOOR, path="", action="allow", mode="", kind=CHAINED, version=__version__, note=note
    ).canonical()


def says_chained_since(body: bytes) -> bool:
    """Return whether a body is that of :func:`chained_since`."""
    return _MARK in body
