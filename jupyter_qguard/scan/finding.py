"""What a scan says: addresses, spans, rules, findings. No plaintext in any of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["info", "low", "medium", "high", "critical"]
Tier = Literal["provider", "context", "generic"]
"""provider: the shape alone proves it · context: shape plus where it stands ·
generic: entropy or keyword only, may warn but never change or stop anything by default."""
Content = Literal["source", "output", "metadata", "text", "opaque"]
"""The policy's content classes (contract §8). Attachments count as source: a person put them there."""


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open [start, end) in Unicode code points of one fragment's text (not bytes, not columns)."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Address:
    """Where a fragment stands: cell (None for the notebook itself or a plain file) and field path.

    ``field`` is a path inside the cell (``source``, ``outputs[0].data.text/html``) or, with
    ``cell_index`` None, inside the notebook (``metadata.widgets…``); None for a plain file.
    """

    cell_index: int | None = None
    cell_id: str | None = None
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that can be found. ``id`` is kebab-case ``<vendor>-<kind>`` and never changes once released.

    ``low_entropy`` rules publish no fingerprint. ``url_password`` rules get the URL-safe marker.
    """

    id: str
    title: str
    severity: Severity
    tier: Tier
    why: str
    low_entropy: bool = False
    url_password: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """One region to hide: the whole secret, and inside it the random part(s) (its core).

    The core leaves out scheme, host, PEM armour and JWT header (contract §4).
    """

    span: Span
    cores: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One secret at one place, without its text. Lines and columns are 1-based code points."""

    rule: Rule
    address: Address
    content: Content
    line: int
    column: int
    end_line: int
    end_column: int
    fingerprint: str
    why: str
    cut: bool = True
    """False: stands inside something that can only be removed whole (zip, pickle, PDF, image text)."""


@dataclass(frozen=True, slots=True)
class Unchecked:
    """A part that could not be looked into, and why. Judged by policy as ``opaque``; never a silent pass."""

    field: str | None
    reason: str
    over_budget: bool = False
