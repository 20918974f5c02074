"""What exporters make of notebooks, and the style sheets that their pages repeat: a quarter of a megabyte each time.

A page is scanned without those of its large ``<style>`` elements that stood in a clean page before. Only where that
finds nothing is it the answer; anything found means that the page is scanned again, whole.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterator

from jupyter_qguard.scan.scanner import Scan, scan_bytes, scan_text

LEAST = 4096
"""Characters. Smaller elements cost too little to be worth remembering; a notebook's own are mostly smaller."""
MOST = 64
"""How many style sheets are remembered, by digest."""
_OPEN, _CLOSE = "<style", "</style"


class Pages:
    """Scans pages and remembers the style sheets that were found clean. Thread-safe. Holds digests, no text."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()

    def scan(self, content: str | bytes, *, name: str, key: bytes | None) -> Scan:
        """Scan what an exporter made; as ``scan_text`` and ``scan_bytes`` do, and sooner where a page is clean."""
        if isinstance(content, bytes):
            return scan_bytes(content, name=name, key=key)
        brief = self._without_known(content)
        scanned = scan_text(brief, name=name, key=key)
        clean = not scanned.findings and not scanned.unchecked
        if clean:
            self._learn(content)
        elif brief is not content:
            scanned = scan_text(content, name=name, key=key)
        return scanned

    def _without_known(self, page: str) -> str:
        """Return the page without the style sheets that are known to be clean; the very page if it has none."""
        if not self._known:
            return page
        parts, rest = [], 0
        for start, end in _large(page):
            digest = _digest(page[start:end])
            with self._lock:
                known = digest in self._known
                if known:
                    self._known.move_to_end(digest)
            if known:
                parts.append(page[rest:start])
                rest = end
        return "".join([*parts, page[rest:]]) if parts else page

    def _learn(self, page: str) -> None:
        """Remember the style sheets of a page in which nothing was found and nothing was left unchecked."""
        for start, end in _large(page):
            digest = _digest(page[start:end])
            with self._lock:
                self._known[digest] = None
                if len(self._known) > MOST:
                    self._known.popitem(last=False)


def _large(page: str) -> Iterator[tuple[int, int]]:
    """Yield [start, end) of what stands inside each large style element, in order."""
    end = 0
    while (tag := page.find(_OPEN, end)) >= 0:
        start = page.find(">", tag) + 1
        end = page.find(_CLOSE, start)
        if not start or end < 0:
            return
        if end - start >= LEAST:
            yield start, end


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
