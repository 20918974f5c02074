"""What a scan says, and the redaction of what was chosen of it, checked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from jupyter_qguard.errors import RedactionError
from jupyter_qguard.scan import baseline, context, pragma
from jupyter_qguard.scan.binary import words
from jupyter_qguard.scan.decode import encode_text
from jupyter_qguard.scan.engine import default_engine
from jupyter_qguard.scan.finding import Address, Finding, Rule, Unchecked
from jupyter_qguard.scan.fragments import (
    CONTENT,
    CONTENT_MASK,
    GENERIC,
    KEY,
    PLAIN_MARKER,
    RAW,
    SOURCE,
    TEXT,
    Cell,
    Edit,
    Leaf,
    Link,
    Unit,
    locate,
    render_field,
    run_text,
    text_home,
    whole_run,
)
from jupyter_qguard.scan.judge import TextEngine, climb, judge
from jupyter_qguard.scan.limits import Limits
from jupyter_qguard.scan.raw import Region, notebook_regions, text_regions
from jupyter_qguard.scan.redact import (
    ECHO,
    REST,
    Cut,
    Hit,
    LeafRedaction,
    core_windows,
    is_echoing,
    make_plan,
    marker,
    redact_leaf,
    windows_of,
)
from jupyter_qguard.scan.splice import apply_edits, parse, splice
from jupyter_qguard.scan.verify import check_content, check_leaf
from jupyter_qguard.scan.walk import Walk
from jupyter_qguard.secret import NO_FINGERPRINT, Secret, fingerprint

FileKind = Literal["notebook", "text", "opaque"]


@dataclass(frozen=True, slots=True)
class Removed:
    """One text that a redaction took out. ``echo``: a copy of a core elsewhere, not a finding itself."""

    finding_index: int
    rule: str
    text: Secret
    address: Address
    marker: str
    source: bool
    echo: bool = False


@dataclass(frozen=True, slots=True)
class Redaction:
    """A redacted copy: ``content`` has the type that went in; untouched parts are shared with it."""

    content: Any
    removed: tuple[Removed, ...]
    markers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Content:
    """What was scanned: ``nb`` of a notebook; ``text`` where it came as text or bytes; ``codec`` of bytes."""

    nb: Any = None
    text: str | None = None
    codec: str | None = None
    python: bool = True


class Scan:
    """The result of one scan. Refers to the content; ``findings`` and ``unchecked`` hold nothing of it."""

    def __init__(
        self,
        kind: FileKind,
        content: Content,
        leaves: list[Leaf],
        *,
        engine: TextEngine | None,
        key: bytes | None,
        limits: Limits,
        too_deep: Sequence[tuple[Link, str]] = (),
        unchecked: Sequence[Unchecked] = (),
        problem: str | None = None,
    ) -> None:
        self.kind: FileKind = kind
        self.problem = problem
        self._content = content
        self._key = key
        self._limits = limits
        judged = self._judged = judge(leaves, engine or default_engine(), limits)
        if kind == "opaque":
            judged.hits = list({(h.rule.id, h.unit.text[h.low : h.high]): h for h in reversed(judged.hits)}.values())[
                ::-1
            ]
        hit_leaves = [leaves[hit.unit.leaf] for hit in judged.hits]
        # Field paths and cell ids are published: a name with a secret in it must not be.
        self._secret_keys = {id(leaf[1]) for leaf in hit_leaves if leaf[2] & KEY}
        self._secret_ids = {id(leaf[3]) for leaf in hit_leaves if leaf[2] & PLAIN_MARKER and leaf[5] == "id"}
        self._long = windows_of({core for hit in judged.hits for core in hit.core_texts() if is_echoing(core)})
        self._shown: dict[str, bool] = {}
        self.findings: tuple[Finding, ...] = tuple(self._finding(hit) for hit in judged.hits)
        parts = [Unchecked(self._field(link, 0), reason, over_budget=True) for link, reason in too_deep]
        for index, reason, over_budget in judged.expansion.unchecked:
            parts.append(Unchecked(self._field(leaves[index][1], 0), reason, over_budget=over_budget))
        self.unchecked: tuple[Unchecked, ...] = (*parts, *unchecked)

    def __repr__(self) -> str:
        return f"Scan({self.kind}, findings={len(self.findings)}, unchecked={len(self.unchecked)})"

    def redact(self, chosen: Collection[int]) -> Redaction:
        """Return a copy without the ``chosen`` findings (indexes) and the echoes of their cores.

        Raises RedactionError where nothing can be cut out (opaque files) or where the copy fails its check.
        """
        if self.kind == "opaque":
            raise RedactionError("Nothing can be cut out of this file.", "Remove the secret where the file is made.")
        judged, leaves = self._judged, self._judged.leaves
        ids = [finding.fingerprint[:8] for finding in self.findings]
        plan = make_plan(judged.hits, ids, chosen, judged.units, self._payload_id)
        edits: list[Edit] = []
        removed: list[Removed] = []
        expected = [leaf[0] for leaf in leaves]
        for index in sorted(plan.cuts):
            leaf, cuts = leaves[index], plan.cuts[index]
            done = redact_leaf(leaf, judged.root(index), cuts, self._content.python)
            check_leaf(leaf, done, plan.cores.get(index, ()), self._content.python, self._limits)
            edits += done.edits
            expected[index] = done.text
            removed += self._removed(leaf, cuts, done)
        content = self._apply(edits, expected, plan.long_cores)
        return Redaction(content, tuple(removed), tuple(dict.fromkeys(entry.marker for entry in removed)))

    def regions(self) -> list[Region | None]:
        """Return where each finding stands in the raw file; None where that is no text that has lines.

        Known for text that came as text or bytes only, not for a model.
        """
        text, hits = self._content.text, self._judged.hits
        if text is None:
            return [None] * len(hits)
        find = notebook_regions if self.kind == "notebook" else text_regions
        return find(text, self._judged.leaves, hits)

    def value(self, number: int) -> Secret:
        """Return what a baseline's digest of a finding is taken of (``baseline.value_of``)."""
        return baseline.value_of(self._judged.hits[number])

    def guessable(self, number: int) -> bool:
        """Return whether a finding's value could be guessed from a digest that is committed."""
        return baseline.is_guessable(self._judged.hits[number])

    @cached_property
    def pragmas(self) -> tuple[pragma.Pragma, ...]:
        """Every pragma in the sources, complete or not. Only a file that is what its name says can hold one."""
        plain, cores = self.kind == "text", self._cores()
        if self.problem or self.kind == "opaque":
            return ()
        leaves = [leaf for leaf in self._judged.leaves if pragma.can_hold(leaf, plain=plain)]
        return tuple(found for leaf in leaves for found in pragma.pragmas_in(leaf, self._address(leaf), cores))

    def pragma(self, number: int) -> pragma.Pragma | None:
        """Return the pragma that asks for an exception for a finding, if one stands beside it."""
        hit = self._judged.hits[number]
        leaf = self._judged.leaves[hit.unit.leaf]
        if not self.pragmas or not pragma.can_hold(leaf, plain=self.kind == "text"):
            return None
        here = self.findings[number].address
        near = [found for found in self.pragmas if found.address == here]
        return pragma.beside(near, hit.rule.id, pragma.lines_of(hit, leaf))

    def line(self, number: int) -> str:
        """Return the line around a finding without anything that was found; "" where it cannot be shown."""
        if self.kind == "opaque":
            return ""
        hit = self._judged.hits[number]
        beside = [other for other in self._judged.hits if other.unit.leaf == hit.unit.leaf]
        return context.masked_line(hit, beside, self._judged.leaves[hit.unit.leaf], self._cores())

    def shows(self, name: str) -> bool:
        """Return whether a name (a path) shows part of anything that was found."""
        return any(core_windows(name, windows_of(self._cores())))

    def _cores(self) -> list[str]:
        return [core for hit in self._judged.hits for core in hit.core_texts()]

    def _apply(self, edits: Sequence[Edit], expected: Sequence[str], cores: Collection[str]) -> Any:
        """Make the edits in the form the content came in, and check the result."""
        nb, text = self._content.nb, self._content.text
        if text is None:
            content = apply_edits(nb, edits)
            leaves = walk_notebook(content, self._limits).leaves
            check_content(expected, leaves, cores, self._limits)
            return content
        if self.kind == "notebook":
            new = splice(text, edits)
            leaves = walk_notebook(parse(new.removeprefix("\ufeff")), self._limits).leaves
        else:
            new = apply_edits(text, edits)
            leaves = text_leaves(new)
        check_content(expected, leaves, cores, self._limits)
        return new if self._content.codec is None else encode_text(new, self._content.codec)

    def _removed(self, leaf: Leaf, cuts: Sequence[Cut], done: LeafRedaction) -> list[Removed]:
        """Say what the cuts of one leaf took out, each value once per place."""
        plain, source = bool(leaf[2] & PLAIN_MARKER), leaf[2] & CONTENT_MASK == SOURCE
        address = self._address(leaf)
        out: list[Removed] = []
        seen: set[tuple[str, str, bool]] = set()
        for cut in cuts:
            if cut.rank == REST:
                continue  # a piece of a value that is in the list anyway
            run = whole_run(cut.unit)
            if run is not None:
                text = run_text(run)
            elif cut.rank == ECHO:
                hit = self._judged.hits[cut.finding]
                text = hit.unit.text[hit.low : hit.high]
            else:
                text = done.lost(cut) or cut.unit.text[cut.low : cut.high]
            entry = (text, marker(cut, plain), cut.rank == ECHO)
            if entry in seen:
                continue
            seen.add(entry)
            out.append(Removed(cut.finding, cut.rule.id, Secret(text), address, entry[1], source, echo=entry[2]))
        return out

    def _payload_id(self, unit: Unit, rule: Rule) -> str | None:
        """Return the id of the payload that a cut in ``unit`` takes as a whole; None where cuts are exact."""
        run = whole_run(unit)
        if run is None:
            return None
        return (NO_FINGERPRINT if rule.low_entropy else fingerprint(self._key, run_text(run)))[:8]

    def _finding(self, hit: Hit) -> Finding:
        leaf = self._judged.leaves[hit.unit.leaf]
        run = whole_run(hit.unit)
        text = hit.unit.text[hit.low : hit.high] if run is None else run_text(run)
        published = NO_FINGERPRINT if hit.rule.low_entropy else fingerprint(self._key, text)
        line, column, end_line, end_column = self._position(hit, leaf)
        content = "opaque" if self.kind == "opaque" else CONTENT[leaf[2] & CONTENT_MASK]
        return Finding(
            hit.rule,
            self._address(leaf),
            content,
            line,
            column,
            end_line,
            end_column,
            published,
            hit.rule.why,
            cut=run is None and self.kind != "opaque",
        )

    def _position(self, hit: Hit, leaf: Leaf) -> tuple[int, int, int, int]:
        """Return where a hit starts and ends: in the decoded text of a field that is encoded as a whole."""
        home = text_home(hit.unit, leaf[0])
        low, high = climb(hit.unit, hit.low, hit.high, lambda unit: unit is home)
        return (*locate(home.text, low), *locate(home.text, high))

    def _address(self, leaf: Leaf) -> Address:
        cell = leaf[3]
        name = cell.id
        if name is not None and (id(cell) in self._secret_ids or self._shows(name)):
            name = None
        return Address(cell.index, name, self._field(leaf[1], cell.strip))

    def _field(self, link: Link, strip: int) -> str | None:
        return render_field(link, strip, self._secret_keys, self._shows)

    def _shows(self, name: str) -> bool:
        """Return whether a name shows part of a secret that was found anywhere."""
        if name not in self._shown:
            self._shown[name] = any(core_windows(name, self._long))
        return self._shown[name]


def walk_notebook(nb: Any, limits: Limits) -> Walk:
    """Return the leaves of a notebook."""
    walk = Walk(limits.depth)
    walk.notebook(nb)
    return walk


def text_leaves(text: str) -> list[Leaf]:
    """Return the one leaf of a plain text."""
    return [(text, None, TEXT | GENERIC, Cell(None, None, 0, None), None, None)] if text else []


def raw_leaves(text: str) -> list[Leaf]:
    """Return the leaves of what ``binary.raw`` yields: all of it to search, its long words to read otherwise too."""
    if not text:
        return []
    leaf: Leaf = (text, None, TEXT | GENERIC | RAW, Cell(None, None, 0, None), None, None)
    return [leaf, *text_leaves(words(text))]
