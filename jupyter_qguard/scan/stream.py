"""Scan a file too large to be held, window by window, each with the end of the one before in front of it.

A secret no longer than ``OVERLAP`` stands whole in some window, and is reported before the caller may let any of it go
(:attr:`Window.held`). Not seen: what is inside compressed members (said by :attr:`StreamScan.unseen`), a secret longer
than ``OVERLAP``, and one inside an encoded run (base64 without line breaks, say) that is longer than that.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from jupyter_qguard.scan.binary import READ, as_text, kind_of, raw
from jupyter_qguard.scan.decode import encode_text
from jupyter_qguard.scan.finding import Finding, Unchecked
from jupyter_qguard.scan.judge import TextEngine
from jupyter_qguard.scan.limits import Limits
from jupyter_qguard.scan.result import Content, FileKind, Scan, raw_leaves, text_leaves

OVERLAP: Final = 64 << 10
"""Characters (bytes of a binary file) of the window before. The longest shapes are private keys and service account
files, some 4 000 characters."""
HEAD: Final = 4096
"""Bytes from the beginning of a file that say what it is."""


@dataclass(frozen=True, slots=True)
class Window:
    """What was found in one window. ``held``: bytes at its end to keep back until the next one has been scanned.

    ``line``, ``column``: what stood before the window, in lines, and in code points of its first line.
    """

    scan: Scan
    held: int
    line: int
    column: int
    later: tuple[int, int] | None

    def placed(self, finding: Finding) -> Finding | None:
        """Return a finding of this window with its place in the file; None: the next window shows it whole."""
        if self.later is not None and (finding.line, finding.column) >= self.later:
            return None
        first, last = finding.line == 1, finding.end_line == 1
        return replace(
            finding,
            line=finding.line + self.line,
            column=finding.column + (self.column if first else 0),
            end_line=finding.end_line + self.line,
            end_column=finding.end_column + (self.column if last else 0),
        )


class StreamScan:
    """One pass over one file, or over a part of it. Give it ``feed`` after ``feed``, in order; not thread-safe.

    ``head``: the first bytes of the *file* (``HEAD`` are enough), also when the pass begins further on: there lines
    count from where it began. ``key`` makes the fingerprints. Nothing here raises for content.
    """

    def __init__(
        self,
        head: bytes,
        *,
        key: bytes | None = None,
        engine: TextEngine | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._key, self._engine, self._limits = key, engine, limits or Limits()
        codec = _codec(head)
        self.kind: FileKind = "opaque" if codec is None else "text"
        self.unseen: tuple[Unchecked, ...] = tuple(_unseen(head)) if codec is None else ()
        self._codec = codec or ""
        self._decoder = codecs.getincrementaldecoder(codec)("replace") if codec else None
        self._text, self._bytes = "", b""
        self._line = self._column = 0

    def opening(self) -> Scan:
        """Return a scan of nothing that says what of this file will not be looked into."""
        return Scan(
            self.kind, Content(), [], engine=self._engine, key=self._key, limits=self._limits, unchecked=self.unseen
        )

    def feed(self, data: bytes, *, last: bool) -> Window:
        """Scan the next bytes. ``last``: nothing comes after them, so nothing is held back."""
        return self._feed_bytes(data, last) if self._decoder is None else self._feed_text(data, last)

    def _feed_text(self, data: bytes, last: bool) -> Window:
        assert self._decoder is not None  # noqa: S101
        text = self._text + self._decoder.decode(data, last)
        scan = self._scan(text, text_leaves(text))
        gone = len(text) if last else max(0, len(text) - OVERLAP)
        kept = text[gone:]
        # a character that stands for broken bytes is longer than they were: a little more is held than need be
        held = 0 if last else len(encode_text(kept, self._codec)) + len(self._decoder.getstate()[0])
        self._text = kept
        return self._window(scan, held, text.count("\n", 0, gone), gone - text.rfind("\n", 0, gone) - 1, gone, last)

    def _feed_bytes(self, data: bytes, last: bool) -> Window:
        data = self._bytes + data
        scan = self._scan(None, [leaf for text, _ in raw(data) for leaf in raw_leaves(text)])
        gone = len(data) if last else max(0, len(data) - OVERLAP)
        kept = data[gone:]
        self._bytes = kept
        return self._window(
            scan, len(kept), data.count(b"\n", 0, gone), gone - data.rfind(b"\n", 0, gone) - 1, gone, last
        )

    def _window(self, scan: Scan, held: int, lines: int, column: int, size: int, last: bool) -> Window:
        # In binary data a hit may come from another reading of the bytes, whose lines say nothing: report it at once.
        later = None if last or self.kind == "opaque" else (1 + lines, 1 + column)
        window = Window(scan, held, self._line, self._column, later)
        self._column = column if lines else self._column + size
        self._line += lines
        return window

    def _scan(self, text: str | None, leaves: Sequence[tuple]) -> Scan:  # type: ignore[type-arg]
        return Scan(
            self.kind, Content(text=text), list(leaves), engine=self._engine, key=self._key, limits=self._limits
        )


def _codec(head: bytes) -> str | None:
    """Return how a file that begins like this is encoded, None if it is no text.

    A file of zeros to begin with (a disk image, a sparse file) is none, whatever its pattern of zeros looks like.
    """
    head = head[:HEAD]
    for cut in range(4):  # the head may end inside a character
        decoded = as_text(head[: len(head) - cut])
        if decoded is not None and decoded[1] != "latin-1":
            break
    decoded = decoded or as_text(head)
    return None if decoded is None or head.count(0) * 10 > len(head) * 6 else decoded[1]


def _unseen(head: bytes) -> list[Unchecked]:
    kind = kind_of(head)
    if kind in READ:
        return [Unchecked(None, f"is a {kind} file too large to be looked into", over_budget=True)]
    if kind == "closed":
        return [Unchecked(None, "is compressed in a way that is not read")]
    return []
