"""The lines of a ledger kept as text, which are those of an export too (docs/record.md shows how to check them).

    {"ledger":"<genesis, hex>","scheme":"qguard-chain/1","seq":0}           first
    {"event":<body>,"hash":"<hex>","seq":<n>,"tree":"<size>:<peaks>"}      one per entry; "tree" on the last of a group
    {"count":["<day>","<door>","<action>",<n>],"seq":<n>}                    counters: not part of the chain

Version 0.1 wrote entries without ``hash`` and no first line.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from jupyter_qguard.ledger.chain import SCHEME, Chain
from jupyter_qguard.ledger.merkle import LENGTH, Frontier
from jupyter_qguard.ledger.store import CountKey, Reading, Row

LONGEST = 1 << 26
"""Bytes: no line of ours is longer, and what is must not be held in memory."""
_EVENT = b'{"event":'
_END = re.compile(rb',"hash":"([0-9a-f]{64})","seq":([1-9][0-9]{0,17})(?:,"tree":"([0-9]{1,18}:[A-Za-z0-9+/]*=*)")?\}')
_HEAD = re.compile(rb'\{"ledger":"([0-9a-f]{64})","scheme":"' + re.escape(SCHEME.encode()) + rb'","seq":0\}')
_OLD_END = re.compile(rb',"seq":([1-9][0-9]{0,17})\}')


def head_line(genesis: bytes) -> bytes:
    """Return the first line."""
    return b'{"ledger":"%s","scheme":"%s","seq":0}\n' % (genesis.hex().encode(), SCHEME.encode())


def entry_line(seq: int, body: bytes, hash: bytes | None, tree: bytes | None = None) -> bytes:
    """Return the line of one entry; without a hash as it was written before there was a chain."""
    if hash is None:
        return b'%s%s,"seq":%d}\n' % (_EVENT, body, seq)
    note = b"" if tree is None else b',"tree":"%s"' % tree
    return b'%s%s,"hash":"%s","seq":%d%s}\n' % (_EVENT, body, hash.hex().encode(), seq, note)


def count_line(key: CountKey, n: int, seq: int) -> bytes:
    """Return the line of one counter."""
    return json.dumps({"count": [*key, n], "seq": seq}, separators=(",", ":")).encode("ascii") + b"\n"


def tree_note(frontier: Frontier) -> bytes:
    """Return a frontier as it is noted on a line."""
    return b"%d:%s" % (frontier.size, binascii.b2a_base64(b"".join(frontier.peaks), newline=False))


def read_tree(note: bytes) -> Frontier | None:
    """Return the frontier from its note, None if it is none."""
    size, _, peaks = note.partition(b":")
    try:
        data = binascii.a2b_base64(peaks, strict_mode=True)
        return Frontier(int(size), [data[at : at + LENGTH] for at in range(0, len(data), LENGTH)])
    except ValueError:
        return None


def entry_of(line: bytes) -> Row | None:
    """Return the entry on a line (without its newline), None if the line is none. Nothing in it is parsed."""
    if not line.startswith(_EVENT):
        return None
    at = line.rfind(b',"hash":"')
    found = _END.fullmatch(line, at) if at > 0 else None
    if found is not None:
        return Row(int(found[2]), bytes.fromhex(found[1].decode()), line[len(_EVENT) : at], None, found[3])
    at = line.rfind(b',"seq":')
    found = _OLD_END.fullmatch(line, at) if at > 0 else None
    return Row(int(found[1]), None, line[len(_EVENT) : at]) if found is not None else None


def genesis_of(line: bytes) -> bytes | None:
    """Return the genesis that a first line gives, None if the line is no first line."""
    found = _HEAD.fullmatch(line)
    return bytes.fromhex(found[1].decode()) if found is not None else None


def count_of(line: bytes) -> tuple[CountKey, int] | None:
    """Return the counter on a line, None if the line is none."""
    if not line.startswith(b'{"count":'):
        return None
    try:
        value: Any = json.loads(line)["count"]
        day, door, action, n = value
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if not all(isinstance(part, str) for part in (day, door, action)) or type(n) is not int:
        return None
    return (day, door, action), n


def ours(line: bytes) -> bool:
    """Return whether a line is one that this program writes."""
    row = entry_of(line)
    if row is not None:
        try:
            return isinstance(json.loads(row.body), dict)
        except (ValueError, RecursionError):
            return False
    return count_of(line) is not None or genesis_of(line) is not None


def reading(lines: Iterable[bytes]) -> Reading:
    """Return a ledger from its lines (with their newlines); everything is read as ``rows`` is."""
    numbered = enumerate(lines, 1)
    ahead: list[tuple[int, bytes]] = []
    genesis = None
    for number, line in numbered:  # the beginning stands before the first entry; counters may come before it
        genesis = genesis_of(line.rstrip(b"\n"))
        if genesis is not None:
            break
        ahead.append((number, line))
        if line.startswith(_EVENT) or len(ahead) > 1000:
            break
    found = Reading(genesis, iter(()))

    def rows() -> Iterator[Row]:
        strange: list[int] = []
        for part in (ahead, numbered):
            for number, line in part:
                row = entry_of(line[:-1] if line.endswith(b"\n") else line)
                if row is not None:  # whole without its newline too: the next append puts that right
                    for place in strange:
                        found.note("line", place)
                    strange.clear()
                    yield row
                elif (counter := count_of(line)) is not None:
                    found.counters.append(counter)
                elif not line.endswith(b"\n"):
                    found.torn = True
                elif line.strip() and (number > 1 or genesis is None):
                    strange.append(number)
        for place in strange:
            found.note("end", place)

    found.rows = rows()
    return found


def continued(chain: Chain, rows: Iterable[Row]) -> Chain:
    """Return a chain rolled forward over entries that follow it."""
    for row in rows:
        if row.hash is None:
            chain.extend(row.body)
        else:
            chain.last = row.hash
            chain.frontier.push(row.hash)
    return chain
