"""Budgets of one scan: bytes and counts, never time, so that a verdict does not depend on the machine's load."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one scan may spend. Spent budgets become ``Unchecked(over_budget=True)``, never a silent pass.

    depth: JSON levels walked below the root · nesting: carriers inside carriers · members: archive members
    and PDF streams per scan · inflated_bytes: bytes that decompression and decoding may yield per scan
    (less for small contents, see ``Budget.of``) · candidates: encoded runs tried per scan.
    """

    depth: int = 128
    nesting: int = 6
    members: int = 2000
    inflated_bytes: int = 256 << 20
    candidates: int = 50_000
