"""Spans of time as people write them: ``30m``, ``2h``, ``1h30m``, ``1d``."""

from __future__ import annotations

import re
from datetime import timedelta

_SPAN = re.compile(r"(?:(\d{1,4})d)?(?:(\d{1,4})h)?(?:(\d{1,5})m)?(?:(\d{1,6})s)?")


def parse_duration(text: str) -> timedelta | None:
    """Return the span, None for any text that is none. ``0`` is nought; a bare number has no unit and is none."""
    text = text.strip().lower().replace(" ", "")
    if text == "0":
        return timedelta()
    found = _SPAN.fullmatch(text)
    if not text or found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def shown_duration(span: timedelta) -> str:
    """Return ``1h30m``; seconds only where there are some."""
    left = int(span.total_seconds())
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0"
