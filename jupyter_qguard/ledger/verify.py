"""Is a ledger what was recorded? Walks the chain from its beginning and compares it with signed heads.

Finds every change of an entry and every entry missing in the middle. An end that was cut off, and a ledger written
anew from some entry on, fit together by themselves: only a head that was kept elsewhere shows them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii
from typing import Any, Literal

from jupyter_qguard.ledger import chain as chains
from jupyter_qguard.ledger.lines import tree_note
from jupyter_qguard.ledger.merkle import Frontier
from jupyter_qguard.ledger.note import Head
from jupyter_qguard.ledger.store import Reading

MOST = 20
"""Problems told one by one; the others are counted."""
_ID8 = re.compile(rb'"id8":"([0-9a-f]{8})"')

_NO_BEGINNING = "The chain's beginning is missing, so its first entry proves nothing."

Verdict = Literal["intact", "tampered", "unknown"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is not as it was recorded. ``seq`` is the entry's number, None for the whole."""

    kind: str
    seq: int | None
    text: str


@dataclass(slots=True)
class Report:
    """What a check found. ``unknown`` says why it could not be judged; ``heads`` what each head showed."""

    entries: int = 0
    root: bytes = b""
    origin: str = ""
    chained_since: int | None = None
    problems: list[Problem] = field(default_factory=list)
    more: int = 0
    unknown: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    heads: list[tuple[Head, str]] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        """Tampering beats everything: that a part could not be judged does not take it back."""
        if self.problems:
            return "tampered"
        return "unknown" if self.unknown else "intact"

    def problem(self, kind: str, seq: int | None, text: str) -> None:
        """Note a problem; only the first ones in full."""
        if len(self.problems) < MOST:
            self.problems.append(Problem(kind, seq, text))
        else:
            self.more += 1


def verify(reading: Reading, heads: Sequence[Head] = ()) -> Report:
    """Read a whole ledger and report. The signatures of ``heads`` were checked before. Raises ``LedgerError``."""
    report = Report()
    if not reading.exists:
        report.unknown.append(
            "There is no ledger here: nothing was recorded yet, or it was removed; only a kept head can tell which."
        )
    roots = _walk(reading, report, {head.size for head in heads})
    if reading.genesis is not None:
        report.origin = chains.origin(reading.genesis)
    _odd(reading, report)
    for head in heads:
        report.heads.append((head, _compare(head, roots, report, exists=reading.genesis is not None)))
    return report


def _walk(reading: Reading, report: Report, sizes: set[int]) -> dict[int, bytes]:
    """Follow the chain; return the root at each of the ``sizes`` that the ledger reaches."""
    genesis, frontier = reading.genesis, Frontier()
    roots = {0: frontier.root()} if 0 in sizes else {}
    previous, last, told = genesis or b"", 0, False
    for row in reading.rows:
        seq, hash, body, columns, tree = row
        if hash is None and genesis is None and not last and not reading.chained:
            if any(later.hash is not None for later in reading.rows):
                report.problem(
                    "beginning", None, "The chain's beginning is missing, and entries without a hash stand there."
                )
                return roots
            report.unknown.append(
                "This ledger has no chain yet: it was made by a version without one. The next decision that is "
                "recorded chains what stands there; until then a change cannot be seen."
            )
            return roots
        if genesis is None and not told:
            told = True
            report.problem("beginning", None, _NO_BEGINNING)
        if type(seq) is not int or seq != last + 1:
            report.problem("gap", seq, _gap(last, seq))
        leaf = hashlib.sha256(b"\x00" + previous + body).digest()
        if leaf != hash and previous:
            report.problem("entry", seq, _changed(seq, last, hash))
        if columns is not None and not _agrees(columns, body):
            report.problem("columns", seq, f"Entry {seq}: time, path or markers it is found by are not its own.")
        frontier.push(leaf)
        if tree is not None and tree != tree_note(frontier):
            report.problem("tree", seq, f"The note of the tree beside entry {seq} is not that of the entries.")
        if frontier.size in sizes:
            roots[frontier.size] = frontier.root()
        if report.chained_since is None and chains.says_chained_since(body):
            report.chained_since = seq
        previous, last = hash if type(hash) is bytes and hash else leaf, seq
    report.entries, report.root = frontier.size, frontier.root()
    noted = reading.noted()
    if noted is not None and noted != (frontier.size, previous, b"".join(frontier.peaks)) and not report.problems:
        cut = f": it speaks of {noted[0]} entries, there are {frontier.size}" if noted[0] != frontier.size else ""
        report.problem("end", None, f"The ledger's note of where its chain stands is not that of its entries{cut}.")
    elif noted is None and frontier.size and reading.genesis is None and not told:
        report.problem("beginning", None, _NO_BEGINNING)
    return roots


def _gap(last: int, seq: Any) -> str:
    if type(seq) is not int:
        return f"The entry after {last} has no number."
    if seq <= last:
        return f"Entry {seq} stands after entry {last}."
    missing = f"Entry {last + 1} is" if seq == last + 2 else f"Entries {last + 1} to {seq - 1} are"
    return f"{missing} missing."


def _changed(seq: int, last: int, hash: bytes | None) -> str:
    if hash is None:
        return f"Entry {seq} has no hash: it was not written by this program's chain."
    before = f", or entry {last} and its hash were" if last else ""
    return f"Entry {seq} does not follow from what stands before it: it was changed{before}."


def _agrees(columns: tuple[object, object, frozenset[object]], body: bytes) -> bool:
    """Return whether what an entry is found by says what its body says. Parses the body only if a look is not enough.

    A bare quotation mark cannot stand inside a JSON string, so these bytes can only be the event's own keys.
    """
    time, path, marks = columns
    if not isinstance(time, str) or not isinstance(path, bytes):
        return False
    try:
        text = encode_basestring_ascii(path.decode("utf-8", "surrogatepass"))
        stands = f',"path":{text},'.encode("ascii") in body and f',"time":"{time}",'.encode("ascii") in body
    except UnicodeError:
        return False
    if b'"id8"' not in body:
        return (stands or _parsed(body, time, path)) and not marks
    found = frozenset(one.decode() for one in _ID8.findall(body))
    return (stands or _parsed(body, time, path)) and marks == found


def _parsed(body: bytes, time: str, path: bytes) -> bool:
    try:
        plain = json.loads(body)
        same: bool = plain["time"] == time and plain["path"].encode("utf-8", "surrogatepass") == path
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return False
    return same


def _odd(reading: Reading, report: Report) -> None:
    for what, places in reading.odd.items():
        if what == "marker":
            report.problem("columns", None, f"{len(places)} marker id(s) point to entries that do not have them.")
        elif not report.entries and reading.genesis is None:
            report.unknown.append("This is no ledger of jupyter-qguard: none of its lines is an entry.")
        elif what == "end":
            report.unknown.append(
                f"After entry {report.entries} stand {len(places)} line(s) that are no entries: a write cut short, or "
                "entries that were made unreadable. Only a kept head can tell which."
            )
        else:
            # Had an entry been there, its number would be missing and the next would not follow from the one before.
            shown = ", ".join(str(place) for place in places[:5])
            report.notes.append(
                f"{len(places)} line(s) are no entries (line {shown}): a write cut short, or put there; the entries "
                "around them follow from each other, so none is missing."
            )
    if reading.torn:
        report.unknown.append(
            f"The ledger ends in the middle of an entry, after entry {report.entries}: a write was cut short by a "
            "crash, or the file was. The next decision that is recorded closes that line off."
        )


def _compare(head: Head, roots: dict[int, bytes], report: Report, *, exists: bool) -> str:
    """Return what a head showed, in words; a head that the ledger does not bear out is a problem."""
    signed = f"the head signed over {entries(head.size)}"
    if head.size in roots and roots[head.size] == head.root:
        return f"{signed} is borne out: what stands there is what was signed."
    if exists and report.origin and head.origin != report.origin:
        report.unknown.append(
            f"A head speaks of another ledger ({head.origin}, this is {report.origin}): it was replaced as a whole "
            "or belongs to another machine."
        )
        return f"{signed} is of another ledger."
    if head.size not in roots:
        text = f"The ledger was cut: {entries(head.size)} signed, {report.entries} there."
        report.problem("truncated", None, text)
        return text
    text = f"What stands first is not the {entries(head.size)} that were signed: the ledger was written anew."
    report.problem("rewritten", None, text)
    return text


def entries(n: int) -> str:
    """Return ``1 entry``, ``7 entries``."""
    return "1 entry" if n == 1 else f"{n} entries"
