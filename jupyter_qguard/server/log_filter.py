"""Keep secrets out of the log: out of messages, their arguments, exceptions, stacks and extra fields.

One filter sits at every handler that a record can reach. Loggers and handlers made later are found when they make
their first record (a record factory looks), and once more when the server starts.

Some messages of jupyter_server and nbformat quote a file, cut off anywhere; half a token is no token to a scanner.
Those quotations go as a whole; of all other lines only the secrets are taken out.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

from jupyter_qguard.server.clean_text import LONGEST, clean

UNCHECKED = "(a log message is left out here: it could not be checked for secrets)"
_PLAIN = {
    "Notebook JSON is invalid": "Notebook JSON is invalid (what it holds is not quoted here)",
    "Bad JSON": "Bad JSON in a request (not quoted here)",
}
_WITH_ERROR = ("Error while saving file:", "Pre-save hook", "Post-save", "Running pre-save hook failed")
_CUT_OFF = (
    ("Unreadable Notebook: /", "Unreadable Notebook (not quoted here)"),
    ("Notebook does not appear to be JSON:", "Notebook does not appear to be JSON (not quoted here)"),
)
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""Fields of every record; what else stands in one was given as ``extra``."""
_DONE = "qguard_checked"
_busy = threading.local()


class SecretFilter(logging.Filter):
    """Cleans each record in place, once, before its handler formats it. Never drops one, never raises."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True always; the level stays, and a record without secrets stays as it is."""
        if getattr(record, _DONE, False):
            return True
        if getattr(_busy, "now", False):  # the scanner itself logs: never look into that with the scanner
            _leave_out(record)
            return True
        _busy.now = True
        try:
            _without_quotations(record)
            _clean_record(record)
        except Exception:  # whatever it is: a message that was not checked does not go out
            _leave_out(record)
        finally:
            _busy.now = False
        record.__dict__[_DONE] = True
        return True


_FILTER = SecretFilter()


def _clean_record(record: logging.LogRecord) -> None:
    text = record.getMessage()
    done = clean(text)
    if done is not text:
        record.msg, record.args = done, ()
        record.__dict__.pop("message", None)
    if record.exc_info:
        _clean_exception(record)
    elif record.exc_text:
        record.exc_text = clean(record.exc_text)
    if record.stack_info:
        record.stack_info = clean(record.stack_info)
    for name in record.__dict__.keys() - _USUAL:
        value = record.__dict__[name]
        if value is None or isinstance(value, (bool, int, float)):
            continue
        said = value if isinstance(value, str) else repr(value)
        done = clean(said)
        if done is not said:
            record.__dict__[name] = done


def _clean_exception(record: logging.LogRecord) -> None:
    info = record.exc_info
    kind, error, trace = info if isinstance(info, tuple) else (None, None, None)
    text = "".join(_lines(kind, error, trace))
    done = clean(_uncut(text))
    if done != text:
        # Handlers that show exceptions in a way of their own would read the exception itself.
        record.exc_info, record.exc_text = None, done.rstrip("\n")
    elif record.exc_text:
        record.exc_text = clean(_uncut(record.exc_text))


def _lines(kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> Iterator[str]:
    size = 0
    for line in traceback.format_exception(kind, error, trace) if kind else ():
        yield line
        size += len(line)
        if size > LONGEST:
            return


def _without_quotations(record: logging.LogRecord) -> None:
    """Take out what is known to be a piece of somebody's file."""
    text = record.msg if isinstance(record.msg, str) else ""
    for start, instead in _PLAIN.items():
        if text.startswith(start):
            record.msg, record.args, record.exc_info, record.exc_text = instead, (), None, None
            return
    if text.startswith(_WITH_ERROR):
        _name_exceptions(record)
        return
    whole = record.getMessage()
    if (uncut := _uncut(whole)) != whole:
        record.msg, record.args = uncut, ()


def _uncut(text: str) -> str:
    """Return a text without the quotation that follows known words, up to the end of that line."""
    for words, instead in _CUT_OFF:
        while words in text:
            before, _, after = text.partition(words)
            text = before + instead + after[after.find("\n") :] if "\n" in after else before + instead
    return text


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


def _leave_out(record: logging.LogRecord) -> None:
    record.msg, record.args = UNCHECKED, ()
    record.exc_info = record.exc_text = record.stack_info = None
    for name in record.__dict__.keys() - _USUAL:
        record.__dict__[name] = None
    record.__dict__.pop("message", None)


def install(log: logging.Logger) -> None:
    """Cover a logger, every logger that exists, and those that come later. Calling it again covers what came since."""
    _cover(getattr(log, "logger", log))
    for name in list(logging.root.manager.loggerDict):
        known = logging.root.manager.loggerDict.get(name)
        if isinstance(known, logging.Logger):
            _cover(known)
    if logging.lastResort is not None:
        _once(logging.lastResort)
    made = logging.getLogRecordFactory()
    if not getattr(made, "qguard", False):
        logging.setLogRecordFactory(_watching(made))


def _watching(make: Callable[..., logging.LogRecord]) -> Callable[..., logging.LogRecord]:
    """Return a record factory that covers the handlers which a new record is about to reach."""

    def watch(name: str, *arguments: Any, **named: Any) -> logging.LogRecord:
        known = logging.root.manager.loggerDict.get(name)
        _cover(known if isinstance(known, logging.Logger) else logging.root)
        return make(name, *arguments, **named)

    watch.qguard = True  # type: ignore[attr-defined]
    return watch


def _cover(log: logging.Logger) -> None:
    """Put the filter on every handler that a logger's records reach."""
    current: logging.Logger | None = log
    while current is not None:
        for handler in current.handlers:
            if _FILTER not in handler.filters:
                _once(handler)
        current = current.parent if current.propagate else None


def _once(place: logging.Filterer) -> None:
    if _FILTER not in place.filters:
        place.addFilter(_FILTER)
