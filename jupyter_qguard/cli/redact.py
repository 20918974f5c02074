"""``qguard redact``: copies without their secrets, bytes spliced, everything else untouched."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jupyter_qguard.cli import exits, output
from jupyter_qguard.cli.exits import UsageError, say
from jupyter_qguard.cli.files import STDIN, read_stdin, relative, root_of
from jupyter_qguard.cli.judge import Judge, from_look
from jupyter_qguard.cli.names import harmless, shown
from jupyter_qguard.cli.report import Report
from jupyter_qguard.errors import ConfigError, InputError, QGuardError

if TYPE_CHECKING:
    from jupyter_qguard.cli.asked import Cut, Look


@dataclass(frozen=True, slots=True)
class Source:
    """What is to be redacted: its bytes, its name for people and its path for policy."""

    data: bytes
    label: str
    path: str
    root: Path
    stamp: tuple[int, int, int] = (0, 0, 0)


@click.command("redact", short_help="Write copies of files with their secrets cut out.")
@click.argument("files", nargs=-1, metavar="FILE...", type=click.Path())
@click.option("--in-place", is_flag=True, help="Replace each FILE; values cut out of it are kept for you first.")
@click.option(
    "-o", "--output", "out", type=click.Path(), metavar="OUT", help="Write the copy of one FILE to OUT, always."
)
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if something would be cut out.")
@click.option("--path", "named", metavar="PATH", help="Judge stdin as the file PATH (for policy and kind).")
def command(files: tuple[str, ...], in_place: bool, out: str | None, check: bool, named: str | None) -> int:
    """Write copies of files with their secrets cut out.

    FILE is a notebook or text file, or - to filter stdin to stdout (git clean filter). One FILE
    without options is written to stdout. Outside the secrets every byte stays as it is. Only
    --in-place replaces anything: what it cuts out is kept first (qguard kept list).
    """
    _usable(files, in_place, out, check, named)
    code = exits.CLEAN
    for file in files:
        try:
            code = max(code, _one(file, in_place, out, check, named))
        except ConfigError:
            raise
        except BrokenPipeError:
            raise
        except QGuardError as error:
            say(f"qguard: {_label(file, named)}: {error.sentence()}")
            code = exits.FAILED
        except OSError as error:
            say(f"qguard: {_label(file, named)}: {exits.os_reason(error)}. Check the file and its permissions.")
            code = exits.FAILED
    return code


def _usable(files: tuple[str, ...], in_place: bool, out: str | None, check: bool, named: str | None) -> None:
    """Raise UsageError for options that contradict one another."""
    if not files:
        raise UsageError("No file was named.", "Name files, or - to filter stdin to stdout.")
    if in_place + check + bool(out) > 1:
        raise UsageError("--in-place, -o and --check exclude one another.", "Use one of them.")
    if STDIN in files and (in_place or len(files) > 1):
        raise UsageError("- (stdin) stands alone and cannot be replaced in place.", "Use - alone, with -o or without.")
    if named and tuple(files) != (STDIN,):
        raise UsageError("--path names what comes from stdin.", "Use it with - alone.")
    if len(files) > 1 and not in_place and not check:
        raise UsageError("Several files cannot share one output.", "Use --in-place or --check, or one file at a time.")


def _one(file: str, in_place: bool, out: str | None, check: bool, named: str | None) -> int:
    piped = file == STDIN
    filtering = piped and not check
    # Ids of a filtered file end up in git, where every machine must write the same.
    judge = Judge(Path.cwd(), os.environ, own_key=not filtering)
    source = Source(read_stdin(), *judge.stdin(named)) if piped else _read(Path(file), judge.cwd)
    look = _look(judge, source)
    chosen = look.to_cut()
    if look.scan.problem and (chosen or not filtering):
        _list(look, source)
        raise InputError(harmless(look.scan.problem), "Nothing was written; mend the notebook, or name it as text.")
    if check:
        return _check(look, source, chosen)
    if chosen and look.scan.kind == "opaque":
        _list(look, source)
        raise InputError(
            "what was found cannot be cut out of this kind of file.", "Nothing was written; remove it by hand."
        )
    target = Path(file) if in_place else (Path(out) if out and out != STDIN else None)
    if target is not None and not in_place and not piped and _same(Path(file), target):
        raise InputError("OUT is the file itself.", "Use --in-place, which keeps what it cuts out.")
    if not chosen:
        return _unchanged(source, target, in_place, piped, file)
    done = _cut(judge, look, source, chosen, in_place, record=not filtering)
    _put(done.content, source, target, in_place, file if not piped else None)
    say(f"{source.label}: {done.message}")
    return exits.CLEAN


def _look(judge: Judge, source: Source) -> Look:
    try:
        return judge.look(source.data, source.path, source.root)
    except QGuardError:
        raise
    except Exception as error:  # its text may quote the content
        where = exits.place(error)
        raise InputError(f"the scanner failed on it ({where}).", "Nothing was written. Run `qguard doctor`.") from None


def _cut(judge: Judge, look: Look, source: Source, chosen: list[int], in_place: bool, *, record: bool) -> Cut:
    from jupyter_qguard.cli import asked
    from jupyter_qguard.guard import Request

    request = Request("commit", source.path, sole_copy=in_place)
    try:
        return asked.cut(judge.guard(source.root), look, chosen, request, record=record)
    except QGuardError:
        raise
    except Exception as error:
        where = exits.place(error)
        raise InputError(f"it could not be redacted ({where}).", "Nothing was written. Run `qguard doctor`.") from None


def _check(look: Look, source: Source, chosen: list[int]) -> int:
    if not chosen:
        return exits.CLEAN
    _list(look, source, stream_out=True)
    return exits.FOUND


def _list(look: Look, source: Source, *, stream_out: bool = False) -> None:
    """Show the findings as ``scan`` does."""
    from jupyter_qguard.cli.report_text import to_text, wants_colour

    row = from_look(look, source.label, len(source.data))
    stream = sys.stdout if stream_out else sys.stderr
    if row.findings:
        report = Report([row])
        report.number()
        stream.write(to_text(report, colour=wants_colour(stream, os.environ)))


def _unchanged(source: Source, target: Path | None, in_place: bool, piped: bool, file: str) -> int:
    if in_place:
        say(f"{source.label}: nothing to cut out; left as it is.")
    elif target is None:
        output.to_stdout(source.data)
    else:
        output.write_atomically(target, source.data, like=None if piped else Path(file))
        say(f"{source.label}: nothing to cut out; {shown(target)} is an exact copy.")
    return exits.CLEAN


def _put(content: bytes, source: Source, target: Path | None, in_place: bool, like: str | None) -> None:
    if target is None:
        output.to_stdout(content)
        return
    if in_place:
        info = target.stat()
        if _stamp(info) != source.stamp:
            raise InputError("it changed while it was being judged.", "Nothing was written; try again.")
        if info.st_nlink > 1:
            say(f"{source.label}: it has other names (hard links) that still lead to the old text.")
    output.write_atomically(target, content, like=Path(like) if like else None)


def _read(path: Path, cwd: Path) -> Source:
    try:
        if path.is_dir():
            raise InputError("this is a folder.", "Name the files in it; `qguard scan` lists those with findings.")
        info = path.stat()
        data = path.read_bytes()
    except ValueError:
        raise InputError("no such file.", "Check the name.") from None
    root = root_of(path, cwd)
    return Source(data, shown(path), shown(relative(path, root, cwd)), root, _stamp(info))


def _stamp(info: os.stat_result) -> tuple[int, int, int]:
    return info.st_mtime_ns, info.st_size, info.st_ino


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _label(file: str, named: str | None) -> str:
    return shown(named) if named else ("stdin" if file == STDIN else shown(file))
