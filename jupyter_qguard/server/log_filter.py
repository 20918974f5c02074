"""Keep what Jupyter quotes of files out of the log.

jupyter_server and nbformat put pieces of notebooks into a few messages: validation errors, unreadable files, bad
request bodies, exceptions of failed saves and hooks. Those messages stay; the quotations go. Other log lines are
not looked into.
"""

from __future__ import annotations

import logging

_PLAIN = {
    "Notebook JSON is invalid": "Notebook JSON is invalid (what it holds is not quoted here)",
    "Bad JSON": "Bad JSON in a request (not quoted here)",
}
_WITH_ERROR = ("Error while saving file:", "Pre-save hook", "Post-save", "Running pre-save hook failed")


class QuoteFilter(logging.Filter):
    """Takes quotations out of the records that are known to carry them. Never drops a record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True always, the record changed in place where it quotes a file."""
        text = record.msg if isinstance(record.msg, str) else ""
        for start, instead in _PLAIN.items():
            if text.startswith(start):
                record.msg, record.args, record.exc_info, record.exc_text = instead, (), None, None
                return True
        if text.startswith(_WITH_ERROR):
            _name_exceptions(record)
        elif "Unreadable Notebook: /" in text:
            record.msg = text.split("Unreadable Notebook: /", 1)[0] + "Unreadable Notebook (not quoted here)"
        return True


def _name_exceptions(record: logging.LogRecord) -> None:
    """Replace exceptions among the arguments, and the traceback, by type names."""
    if isinstance(record.args, tuple):
        record.args = tuple(type(a).__name__ if isinstance(a, BaseException) else a for a in record.args)
    if record.exc_info:
        kind = record.exc_info[0] if isinstance(record.exc_info, tuple) else None
        record.exc_text = None
        record.exc_info = None
        if kind is not None and isinstance(record.msg, str):
            record.msg += f" ({kind.__name__.replace('%', '')})"


def install(log: logging.Logger) -> None:
    """Put the filter on a logger and on every handler that its records reach (children pass through those)."""
    quotes = QuoteFilter()
    _once(log, quotes)
    current: logging.Logger | None = log
    while current is not None:
        for handler in current.handlers:
            _once(handler, quotes)
        current = current.parent if current.propagate else None


def _once(place: logging.Filterer, quotes: QuoteFilter) -> None:
    if not any(isinstance(known, QuoteFilter) for known in place.filters):
        place.addFilter(quotes)
