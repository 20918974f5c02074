"""``qguard scan``: judge files, folders, the index or stdin; change nothing."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import click

from jupyter_qguard.cli import exits
from jupyter_qguard.cli.files import STDIN, read_stdin, select
from jupyter_qguard.cli.judge import Judge
from jupyter_qguard.cli.names import shown
from jupyter_qguard.cli.report import ACTIONS, FORMATS, WITH_LINES, FileReport, Report, to_json


@click.command("scan", short_help="Judge files and folders; change nothing.")
@click.argument("paths", nargs=-1, metavar="PATH...", type=click.Path())
@click.option(
    "--fail-on",
    type=click.Choice(ACTIONS[1:]),
    default="redact",
    show_default=True,
    help="Exit 1 from this action upwards.",
)
@click.option("--explain", is_flag=True, help="Add each rule's reason and the setting that decided.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True, help="How to report.")
@click.option("-o", "--output", type=click.Path(), metavar="FILE", help="Write the report to FILE.")
@click.option("--policy", "policy_file", type=click.Path(), metavar="FILE", help="Use FILE as the project's policy.")
@click.option("--baseline", "baseline_file", type=click.Path(), metavar="FILE", help="Use FILE as the baseline.")
@click.option("--no-baseline", is_flag=True, help="Judge as if nothing had been accepted.")
@click.option("--staged", is_flag=True, help="Judge what git's index will commit, not the work tree.")
@click.option("--index", is_flag=True, help="Judge PATHs as git's index holds them, changed or not (for hooks).")
@click.option("--commits", metavar="RANGE", help="Judge every file and message of the commits A..B.")
@click.option("--push", metavar="REMOTE", help="Judge what a push takes out; stdin is what git hands pre-push.")
@click.option("--path", "named", metavar="PATH", help="Judge stdin as the file PATH (for policy and kind).")
@click.option("-j", "--jobs", type=click.IntRange(1, 256), metavar="N", help="Worker processes. [default: by CPUs]")
def command(
    paths: tuple[str, ...],
    fail_on: str,
    explain: bool,
    form: str,
    output: str | None,
    policy_file: str | None,
    baseline_file: str | None,
    no_baseline: bool,
    staged: bool,
    index: bool,
    commits: str | None,
    push: str | None,
    named: str | None,
    jobs: int | None,
) -> int:
    """Judge files and folders; change nothing.

    PATH is a file, a folder (walked whole, without .git, node_modules, virtual environments and
    tools' caches; what was skipped is said) or - for stdin. Everything is judged as it would be
    on its way into a commit.
    """
    began = time.perf_counter()
    if baseline_file and no_baseline:
        raise exits.UsageError("--baseline and --no-baseline exclude one another.", "Use one of them.")
    if output and output.lower().endswith(".ipynb"):
        raise exits.UsageError("A report is no notebook, so none is written in its place.", "Give -o another suffix.")
    judge = Judge(
        Path.cwd(),
        os.environ,
        Path(policy_file) if policy_file else None,
        regions=form in WITH_LINES,
        baseline_file=Path(baseline_file) if baseline_file else None,
        use_baselines=not no_baseline,
    )
    if named is not None and STDIN not in paths:
        raise exits.UsageError("--path names what comes from stdin.", "Use it with -.")
    report = _from_git(judge, paths, staged, index, commits, push)
    if report is None:
        report = _named(judge, paths, named, jobs)
    report.fail_on = fail_on
    report.number()
    report.seconds = time.perf_counter() - began
    _write(report, form, output, explain)
    if any(item.mode == "off" for item in report.files) and report.code == exits.FOUND:
        return _bypassed(judge, report)
    return report.code


def _bypassed(judge: Judge, report: Report) -> int:
    """Let a commit pass because the policy's mode is off; a bypass is recorded, or it is none (LedgerError)."""
    from jupyter_qguard import paths
    from jupyter_qguard.cli.asked import bypass
    from jupyter_qguard.ledger.ledger import Ledger

    bypass(Ledger(paths.data_dir(judge.env), env=judge.env), report)
    exits.say("qguard: the policy's mode is off, so these findings stop nothing; this bypass is recorded.")
    return exits.CLEAN


def _named(judge: Judge, paths: tuple[str, ...], named: str | None, jobs: int | None) -> Report:
    if not paths:
        raise exits.UsageError("Nothing to judge was named.", "Name files or folders, - for stdin, or use --staged.")
    from jupyter_qguard.cli import pool

    first: list[FileReport] = []
    if STDIN in paths:
        label, below, root = judge.stdin(named)
        first.append(judge.report(read_stdin(), label, below, root))
        first[0].place = below if named is not None else ""
    selection = select([path for path in paths if path != STDIN])
    given = frozenset(shown(path) for path in paths)
    reports = pool.judge_all(judge, selection.files, given, pool.workers(jobs, selection.files))
    report = Report(first + reports, skipped=[(item.path, item.reason) for item in selection.skipped])
    if not report.files:
        report.notes.append("No files were found there.")
    return report


def _from_git(
    judge: Judge, paths: tuple[str, ...], staged: bool, index: bool, commits: str | None, push: str | None
) -> Report | None:
    """Return the report on what git holds, or None where files are asked for."""
    asked = staged + index + (commits is not None) + (push is not None)
    if not asked:
        return None
    if asked > 1:
        raise exits.UsageError("--staged, --index, --commits and --push exclude one another.", "Use one of them.")
    if STDIN in paths:
        raise exits.UsageError("What git holds is judged, so - (stdin) cannot go with it.", "Name paths, or nothing.")
    if staged or index:
        from jupyter_qguard.cli import scanindex

        return scanindex.staged(judge, paths) if staged else scanindex.indexed(judge, paths)
    if paths:
        raise exits.UsageError("--commits and --push judge whole commits, so no PATH goes with them.")
    from jupyter_qguard.cli import scancommits

    return (
        scancommits.commits(judge, commits)
        if commits is not None
        else scancommits.push(judge, push or "", read_stdin())
    )


def _write(report: Report, form: str, output: str | None, explain: bool) -> None:
    text = _render(report, form, explain=explain, colour=not output)
    if output:
        from jupyter_qguard.cli.output import write_atomically

        write_atomically(Path(output), text.encode("utf-8", "backslashreplace"))
    elif form in ("text", "json"):
        sys.stdout.write(text)
    else:  # a document in UTF-8 that says so, whatever the terminal's encoding is
        from jupyter_qguard.cli.output import to_stdout

        to_stdout(text.encode("utf-8", "backslashreplace"))


def _render(report: Report, form: str, *, explain: bool, colour: bool) -> str:
    """Return the report as text; each format is loaded only where it is asked for."""
    if form == "json":
        return to_json(report) + "\n"
    if form == "sarif":
        from jupyter_qguard.cli.report_sarif import to_sarif

        return to_sarif(report, explain=explain)
    if form == "github":
        from jupyter_qguard.cli.report_github import to_github, write_summary

        write_summary(report, os.environ)
        return to_github(report)
    if form == "junit":
        from jupyter_qguard.cli.report_junit import to_junit

        return to_junit(report)
    if form == "html":
        from jupyter_qguard.cli.report_html import to_html

        return to_html(report, explain=explain)
    from jupyter_qguard.cli.report_text import to_text, wants_colour

    return to_text(report, colour=colour and wants_colour(sys.stdout, os.environ), explain=explain)
