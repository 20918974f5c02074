"""Times for people, in the local zone."""

from __future__ import annotations

from datetime import datetime


def when(moment: str | float) -> str:
    """Return a time (seconds since 1970, or an ISO text) as ``2027-01-31 09:30`` local time."""
    try:
        found = (
            datetime.fromisoformat(moment) if isinstance(moment, str) else datetime.fromtimestamp(moment).astimezone()
        )
    except (ValueError, OverflowError, OSError):
        return "at an unknown time"
    return found.astimezone().strftime("%Y-%m-%d %H:%M")
