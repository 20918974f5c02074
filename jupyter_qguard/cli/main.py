"""``qguard``: the group of commands, loaded one at a time, and the one outer ``try``.

Nothing is imported here but click: ``qguard --help`` must not pay for a scanner.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import click

from jupyter_qguard import __version__
from jupyter_qguard.cli import exits
from jupyter_qguard.errors import QGuardError

# One line per command, so that the list of commands costs no import. A test holds each line
# against the command's own help.
COMMANDS: dict[str, str] = {
    "baseline": "Accept, list, review and remove reviewed exceptions.",
    "doctor": "Check this installation and folder, and say how to mend what is wrong.",
    "export": "Write a notebook in another format, without its secrets.",
    "git": "What git runs: the filter, and hooks for a team.",
    "init": "Set a project up: policy, pre-commit entry and (asked) git filter.",
    "kept": "List, reveal or drop values that a redaction kept for you.",
    "ledger": "Show, verify or export the record of decisions; print its signed head.",
    "pause": "Report instead of redact for a limited time, on record.",
    "policy": "Show, check or explain the policy in force.",
    "redact": "Write copies of files with their secrets cut out.",
    "rules": "List or show what can be found.",
    "scan": "Judge files and folders; change nothing.",
    "scrub": "Find old copies with secrets in them; clean them with --yes.",
    "why": "Say what was taken out, when, by which rule, and where else it stands.",
}


class Interrupted(Exception):
    """Ctrl-C."""


class LazyGroup(click.Group):
    """A group that imports a command only when it is run or asked for its help."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  (click's signature)
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"jupyter_qguard.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. click would answer a closed pipe with its own code and Ctrl-C with an empty line."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise exits.Exit(exits.FAILED) from None  # nobody reads on: there is no one to tell
        except KeyboardInterrupt:
            raise Interrupted from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  (click's signature)
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 clean or done, 1 findings, 2 could not judge.",
)
@click.version_option(__version__, prog_name="qguard", message="%(prog)s %(version)s")
def group() -> None:
    """Keep credentials out of notebooks: in a shell, in pre-commit, in CI."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run ``qguard``; always leaves by ``SystemExit`` with 0, 1 or 2.

    ``argv`` are the arguments after the program's name; None takes them from ``sys.argv``.
    """
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # a library's remark is no answer, and its text is not ours to vouch for
    if sys.stdout is None or sys.stderr is None:  # started with one of them closed
        raise SystemExit(exits.FAILED)
    for stream in (sys.stdout, sys.stderr):
        _escape_unprintable(stream)
    code = _guarded(list(argv) if argv is not None else sys.argv[1:])
    ledgers = sys.modules.get("jupyter_qguard.ledger.ledger")
    if ledgers is not None:
        ledgers.close_all()  # here, since at the interpreter's end no thread can be started for a keyring
    code = max(code, _flush())
    raise SystemExit(code)


def _guarded(argv: list[str]) -> int:
    """Run the group; turn every way to fail into one sentence and a code."""
    try:
        result = group.main(args=argv, prog_name="qguard", standalone_mode=False)
        return result if isinstance(result, int) else exits.CLEAN
    except exits.Exit as leave:
        return leave.code
    except click.UsageError as error:
        return _failed(_usage(error))
    except click.ClickException:
        return _failed("The command line could not be read. Try: qguard --help")
    except (Interrupted, click.Abort, KeyboardInterrupt):
        return _failed("Interrupted; files already written are whole, the others are untouched.")
    except QGuardError as error:
        return _failed(error.sentence())
    except OSError as error:
        return _failed(f"Input or output failed: {exits.os_reason(error)}.")
    except MemoryError:
        return _failed("Out of memory. Judge fewer or smaller files at a time, or use -j 1.")
    except RecursionError:
        return _failed("The content is nested too deeply to be judged.")
    except Exception as error:
        # The exception's text could quote content, so only its kind and its place in our code are shown.
        return _failed(f"Internal error ({exits.place(error)}). Please report this line; nothing was quoted in it.")


def _failed(sentence: str) -> int:
    try:
        print(f"qguard: {sentence}", file=sys.stderr)
    except OSError:
        return exits.FAILED
    return exits.FAILED


def _usage(error: click.UsageError) -> str:
    """Return click's complaint without the values that it quotes: an argument may be a secret."""
    command = error.ctx.command_path if error.ctx else "qguard"
    advice = f"Try: {command} --help"
    if isinstance(error, click.NoSuchOption):
        return f"There is no option {error.option_name}. {advice}"
    if isinstance(error, click.MissingParameter):
        return f"{error.format_message().rstrip('.')}. {advice}"
    if isinstance(error, click.BadParameter):
        name = error.param.opts[-1] if error.param and error.param.opts else "an argument"
        kind = error.param.type if error.param else None
        choices = f" It takes one of: {', '.join(kind.choices)}." if isinstance(kind, click.Choice) else ""
        return f"The value of {name} cannot be used.{choices} {advice}"
    if "command" in error.message.lower() and isinstance(error.ctx and error.ctx.command, click.Group):
        return f"There is no such command. {advice}"
    if isinstance(error, click.BadOptionUsage):
        return f"The option {error.option_name} is used wrongly: it may lack its value. {advice}"
    return f"There are too many arguments. {advice}"


def _escape_unprintable(stream: Any) -> None:
    """A name or a character that the terminal cannot show is escaped, never a crash."""
    reconfigure: Callable[..., None] | None = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def _flush() -> int:
    """Flush what was printed while failing can still be told; a closed pipe is told to nobody."""
    code = exits.CLEAN
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError) as error:
            code = exits.FAILED
            if stream is sys.stdout and isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
                _failed(f"The output could not be written: {exits.os_reason(error)}.")
            _discard(stream)
    return code


def _discard(stream: Any) -> None:
    """Point a broken stream at nothing, so that the interpreter's own flush at exit stays silent."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
    except (OSError, ValueError):
        return
