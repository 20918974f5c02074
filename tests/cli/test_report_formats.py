"""GitHub annotations, JUnit and HTML: what they say, that nothing in a notebook can say more, and never a secret."""

from __future__ import annotations

import base64
import hashlib
import itertools
import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from jupyter_qguard.cli.report import FileReport, Report
from jupyter_qguard.cli.report_github import SHOWN, SUMMARY_BYTES, summary, to_github
from jupyter_qguard.cli.report_html import MAX_FINDINGS, to_html
from jupyter_qguard.cli.report_junit import to_junit
from tests.cli.conftest import Run, code_cell, github_token, notebook, random_text
from tests.cli.reporting import RENDER, Page, commands, read_junit, read_sarif
from tests.cli.test_plaintext import planted
from tests.cli.test_report_sarif import row

MADE = ("sarif", "github", "junit", "html")
HOSTILE = [
    "</script><script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    "::error file=x::owned",
    "a%0A::error::owned",
    "a\n::error::owned",
    "a\r::set-output name=x::y",
    "##[error]owned",
    "a,line=9,title=owned",
    "a\u202e\u2066gnp.exe\u2029",
    "a\ud800b",
    "a\x00\x1b]0;owned\x07\x9b\ufffe\uffff",
    "[[ATTACHMENT|/etc/passwd]]",
    "]]><failure>&amp;&#x0;",
    "{{ 7 * 7 }}{% raw %}{0}[x](http://owned.invalid)",
    "| a | `b` **c** <!-- \\",
    "' --yes; touch owned #",
    "é😀" * 50,
]


def hostile_report() -> Report:
    """Return a report in which everything that comes from a file is hostile."""
    from jupyter_qguard.cli.names import shown

    files = []
    for text in HOSTILE:
        name = text.replace("\ud800", "\udcff")  # as Python shows a byte that is no text
        exception = {"kind": "baseline", "reason": text, "owner": text, "expires": text}
        item = FileReport(shown(name), "block", [], [{"field": text, "reason": text}], place=name)
        item.findings = [
            row(cell_id=text, field=f"metadata.{text}", why="a token"),
            row(cell_id=text, field=f"outputs[0].data.{text}", action="warn"),
            row(cell_id=None, cell_index=None, field=None, action="allow", exception=exception),
        ]
        item.because = [text, text, text]
        item.by_hand = [False, True, False]
        item.regions = [(1, 2, 1, 9), (3, 4, 5, 6), None]
        item.problem = f"problem {shown(name)}" if len(text) % 2 else ""
        files.append(item)
    report = Report(files, skipped=[(item.path, "a link") for item in files], notes=["a note"])
    report.number()
    return report


def test_no_hostile_name_is_more_than_text_in_sarif() -> None:
    run = read_sarif(to_sarif_text := RENDER["sarif"](hostile_report(), explain=True))  # type: ignore[operator]
    assert to_sarif_text.isascii()
    texts = [found["message"]["text"] for found in run["results"]]
    texts += [notice["message"]["text"] for notice in run["invocations"][0]["toolExecutionNotifications"]]
    assert not any("](" in text or re.search("[\x00-\x1f\ud800-\udfff\u202e\u2066\u2029]", text) for text in texts)
    uris = {found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for found in run["results"]}
    assert len(uris) == len(HOSTILE)
    assert all(re.fullmatch(r"[A-Za-z0-9._~%/-]+", uri) for uri in uris)


def test_no_hostile_name_is_a_command_on_github() -> None:
    text = to_github(hostile_report())
    text.encode("utf-8")
    read = commands(text)
    assert {name for name, _, _ in read} == {"error", "warning", "notice"}
    assert "##[" not in text.replace("::error ", "") or all(line.startswith("::") for line in text.splitlines())
    for name, fields, message in read:
        assert set(fields) <= {"file", "line", "endLine", "col", "title"}
        assert fields["title"].startswith("qguard")
        assert name == "notice" or fields["line"] in {"1", "3"}
        assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", message + "".join(fields.values()))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_each_hostile_name_gives_one_annotation_that_reads_back(text: str) -> None:
    from jupyter_qguard.cli.names import shown

    name = text.replace("\ud800", "\udcff")
    report = Report([FileReport(shown(name), "redact", [row(cell_id=text)], place=name, regions=[(7, 3, 7, 9)])])
    error, notice = commands(to_github(report))
    assert error[:2] == (
        "error",
        {"file": shown(name), "line": "7", "endLine": "7", "col": "3", "title": "qguard: github-token"},
    )
    assert notice[0] == "notice"


def test_no_hostile_name_is_markup_in_the_summary() -> None:
    text = summary(hostile_report())
    assert text.isascii()
    assert not re.search(r"<|`[^`]*owned|\]\(|\x1b|!\[", text)
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in table} == {7}


def test_no_hostile_name_is_more_than_text_in_junit() -> None:
    text = to_junit(hostile_report())
    suite = read_junit(text.encode())
    assert len(suite.findall("testcase")) == len(HOSTILE)
    assert "[[" not in text
    assert suite.find(".//script") is None


@pytest.mark.parametrize("explain", [True, False])
def test_no_hostile_name_is_markup_in_html(explain: bool) -> None:
    text = to_html(hostile_report(), explain=explain)
    text.encode("utf-8")
    page = Page(text)
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "img", "iframe", "object", "form", "input", "link", "base", "svg"}
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") or name in ("style", "src", "srcset") for name in attributes), tag
        assert attributes.get("href", "#").startswith("#")  # type: ignore[union-attr]
    assert "</script><script>alert(1)</script>" in page.text
    assert "49" not in page.text.split("{{ 7 * 7 }}")[1][:20]
    assert not re.search("[\x00-\x08\x0b-\x1f\ud800-\udfff\u202e\u2066]", page.text)


def test_html_is_one_file_that_loads_and_runs_nothing_and_can_be_read_by_everybody() -> None:
    text = to_html(hostile_report())
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    style = re.findall("<style>(.*?)</style>", text, re.DOTALL)[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert "url(" not in style
    assert "@import" not in style
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style
    page = Page(text)
    names = [tag for tag, _ in page.tags]
    assert dict(page.tags)["html"] == {"lang": "en"}
    assert names.count("h1") == names.count("main") == 1
    levels = [int(name[1]) for name in names if re.fullmatch("h[1-6]", name)]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert names.count("table") == names.count("caption") == names.count("thead")
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in page.tags if tag == "th")
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {
        attributes[name] for _, attributes in page.tags for name in ("href", "aria-labelledby") if name in attributes
    }
    assert {str(target).removeprefix("#") for target in targets} <= set(ids)


def luminance(colour: str) -> float:
    colour = colour.strip("#")
    parts = [int((colour * 2 if len(colour) == 3 else colour)[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    if len(colour) == 3:
        parts = [int(c * 2, 16) / 255 for c in colour]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_html_has_enough_contrast_in_light_dark_and_print() -> None:
    style = (Path(__file__).parents[2] / "jupyter_qguard" / "cli" / "report_html.css").read_text("utf-8")
    schemes = [
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+)", block)) for block in re.findall(r":root \{(.*?)\}", style, re.S)
    ]
    assert len(schemes) == 3
    for scheme in schemes:
        pairs = [(front, back) for front in ("ink", "soft", "link") for back in ("page", "panel")]
        pairs += [
            (kind, back) for kind in ("bad", "warn", "good", "calm") for back in ("page", "panel", f"{kind}-panel")
        ]
        pairs += [("ink", f"{kind}-panel") for kind in ("bad", "warn", "good", "calm")]
        for front, back in pairs:
            light, dark = sorted((luminance(scheme[front]), luminance(scheme[back])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (front, back)


def test_github_shows_the_worst_ten_and_says_how_many_more(tmp_path: Path) -> None:
    rows = [row(rule="github-token", action="redact") for _ in range(14)] + [row(action="block", severity="critical")]
    rows += [row(action="warn") for _ in range(12)]
    read = commands(to_github(Report([FileReport("a.ipynb", "block", rows, place="a.ipynb")])))
    assert [name for name, _, _ in read] == ["error"] * SHOWN + ["warning"] * SHOWN + ["notice"]
    assert "5 more errors and 2 more warnings" in read[-1][2]


def test_github_says_nothing_bad_of_clean_files(qguard: Run, work: Path) -> None:
    (work / "a.ipynb").write_bytes(notebook(code_cell("1 + 1")))
    done = qguard("scan", ".", "--format", "github")
    assert (done.returncode, done.stdout) == (0, b"::notice title=qguard::1 file: 0 findings at or above redact.\n")


def test_the_step_summary_is_added_to_what_is_there(qguard: Run, work: Path, tmp_path: Path) -> None:
    token = github_token()
    (work / "a.ipynb").write_bytes(notebook(code_cell(f"t = '{token}'")))
    page = tmp_path / "summary.md"
    page.write_text("# before\n")
    done = qguard("scan", ".", "--format", "github", extra={"GITHUB_STEP_SUMMARY": str(page)})
    assert done.returncode == 1
    text = page.read_text()
    assert text.startswith("# before\n## qguard\n")
    line = next(n for n, line in enumerate((work / "a.ipynb").read_text().splitlines(), start=1) if token in line)
    assert f"| redact | github-token | a.ipynb | {line} |" in text
    assert token[4:12] not in text
    # Other formats leave it alone.
    qguard("scan", ".", "--format", "sarif", extra={"GITHUB_STEP_SUMMARY": str(page)})
    assert page.read_text() == text


def test_a_summary_that_cannot_be_written_changes_no_exit_code(qguard: Run, work: Path) -> None:
    (work / "a.ipynb").write_bytes(notebook(code_cell(f"t = '{github_token()}'")))
    done = qguard("scan", "a.ipynb", "--format", "github", extra={"GITHUB_STEP_SUMMARY": str(work)})
    assert done.returncode == 1
    assert b"GITHUB_STEP_SUMMARY could not be written" in done.stderr
    assert [name for name, _, _ in commands(done.stdout.decode())] == ["error", "notice"]


def test_a_summary_stays_below_what_github_takes() -> None:
    long = "é" * 4000
    files = [FileReport(long, "redact", [row(field=long) for _ in range(300)], place=long)]
    text = summary(Report(files))
    assert len(text) <= SUMMARY_BYTES + 1000
    assert "more findings: run" in text


def test_junit_has_a_case_per_file_and_a_failure_per_finding(qguard: Run, work: Path) -> None:
    two = f"a = '{github_token()}'\nb = '{github_token()}'"
    (work / "a.ipynb").write_bytes(notebook(code_cell(two)))
    (work / "b.ipynb").write_bytes(notebook(code_cell("1")))
    (work / "broken.ipynb").write_text(f"{{ '{github_token()}'")
    (work / "hint.py").write_text(f"password = '{random_text(24)}'\n")
    done = qguard("scan", ".", "--format", "junit", "-o", "report.xml")
    assert (done.returncode, done.stdout) == (2, b"")
    suite = read_junit((work / "report.xml").read_bytes())
    cases = {case.attrib["name"]: case for case in suite.findall("testcase")}
    told = {name: [child.tag for child in case] for name, case in cases.items()}
    assert told == {
        "a.ipynb": ["failure", "failure"],
        "b.ipynb": [],
        "broken.ipynb": ["error"],
        "hint.py": ["system-out"],
    }
    failure = cases["a.ipynb"].find("failure")
    assert failure is not None
    assert failure.attrib["type"] == "github-token"
    line = next(n for n, line in enumerate((work / "a.ipynb").read_text().splitlines(), start=1) if "ghp_" in line)
    assert (failure.text or "").startswith(f"a.ipynb:{line}:")
    assert "github-token" in (cases["broken.ipynb"].find("error").text or "")  # type: ignore[union-attr]


def test_fail_on_decides_what_is_an_error() -> None:
    item = FileReport("a.ipynb", "warn", [row(action="warn")], place="a.ipynb")
    for fail_on, kind, tag in (("warn", "error", "failure"), ("redact", "warning", "system-out")):
        report = Report([item], fail_on=fail_on)
        assert commands(to_github(report))[0][0] == kind
        (case,) = read_junit(to_junit(report)).findall("testcase")
        assert [child.tag for child in case] == [tag]


def test_a_part_that_stops_a_file_is_told_where_nothing_was_found() -> None:
    item = FileReport("a.ipynb", "block", unchecked=[{"field": "metadata.x", "reason": "too deep"}], place="a.ipynb")
    report = Report([item])
    assert report.code == 1
    (name, fields, message), _ = commands(to_github(report))
    assert (name, fields["title"], message) == (
        "error",
        "qguard: not looked into",
        "metadata.x was not looked into: too deep",
    )
    (case,) = read_junit(to_junit(report)).findall("testcase")
    assert case.find("failure") is not None
    assert "The policy stops this" in Page(to_html(report)).text


def test_html_says_everything_a_reviewer_asks(qguard: Run, work: Path) -> None:
    (work / "a.ipynb").write_bytes(notebook(code_cell("1"), code_cell(f"t = '{github_token()}'", "c2")))
    (work / "clean.ipynb").write_bytes(notebook(code_cell("1")))
    (work / "node_modules").mkdir()
    (work / "qguard.toml").write_text("version = 1\n")
    done = qguard("scan", ".", "--format", "html", "--explain", extra={"SOURCE_DATE_EPOCH": "1700000000"})
    assert done.returncode == 1
    text = " ".join(Page(done.stdout.decode()).text.split())
    line = next(n for n, line in enumerate((work / "a.ipynb").read_text().splitlines(), start=1) if "ghp_" in line)
    for said in (
        "1 finding to act on",
        "3 files: 1 finding at or above redact.",
        "2023-11-14 22:13 UTC",
        "Cell 2 (c2)",
        "GitHub token",
        "qguard redact --in-place a.ipynb",
        f"(in the raw file: a.ipynb:{line})",
        "In its place will stand [REDACTED:github-token:",
        "Policy: redact, because of content.source (default)",
        "node_modules: a tool's own folder",
        "2 files with nothing to say",
        "enforce",
    ):
        assert said in text, said


def test_html_lists_exceptions_with_reason_owner_and_expiry() -> None:
    exception = {"kind": "baseline", "reason": "teaching key", "owner": "lab", "expires": "2027-01-01"}
    report = Report([FileReport("a.ipynb", "allow", [row(action="allow", exception=exception)])])
    assert report.code == 0
    text = " ".join(Page(to_html(report)).text.split())
    assert "Passes: nothing to act on" in text
    assert re.search(
        r"github-token ?a\.ipynb ?cell 4 \(ab12\) source 2:14 ?baseline ?teaching key ?lab ?2027-01-01", text
    )


@pytest.mark.parametrize("form", MADE)
def test_why_an_exception_does_not_count_is_said(form: str) -> None:
    found = row(not_excepted="it ran out on 2026-01-01")
    report = Report([FileReport("a.ipynb", "redact", [found], place="a.ipynb")])
    text = RENDER[form](report)  # type: ignore[operator]
    assert "Not excepted: it ran out on 2026-01-01" in text.replace("%3A", ":")


def test_html_of_very_many_findings_is_cut_the_least_first_and_says_so() -> None:
    rows = [row(action="warn") for _ in range(MAX_FINDINGS)] + [row(action="block", rule="aws-access-key-id")]
    text = to_html(Report([FileReport("a.ipynb", "block", rows)]))
    assert "1 finding left out" in text
    assert text.count('<article class="finding">') == MAX_FINDINGS
    assert '<span class="badge block">block</span> <strong>' in text


@pytest.mark.parametrize("form", MADE)
def test_in_observe_mode_reports_say_that_nothing_was_stopped(form: str, qguard: Run, work: Path, home: Path) -> None:
    folder = home / ".jupyter"
    folder.mkdir()
    (folder / "qguard.toml").write_text('version = 1\nmode = "observe"\n')
    (work / "a.ipynb").write_bytes(notebook(code_cell(f"t = '{github_token()}'")))
    done = qguard("scan", ".", "--format", form, extra={"JUPYTER_CONFIG_DIR": str(folder)})
    assert done.returncode == 1
    assert "bserve: nothing was stopped" in done.stdout.decode()


@pytest.mark.parametrize("form", MADE)
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_no_secret_is_in_any_report(form: str, jobs: str, qguard: Run, work: Path, home: Path) -> None:
    tokens = planted(work)
    page = home / "summary.md"
    done = qguard("scan", ".", "--format", form, "--explain", "-j", jobs, extra={"GITHUB_STEP_SUMMARY": str(page)})
    assert done.returncode == 2
    said = [done.stdout, done.stderr, *(path.read_bytes() for path in home.rglob("*") if path.is_file())]
    for token in tokens:
        core = token[4:]
        assert not any(core[n : n + 8].encode() in text for text in said for n in range(len(core) - 7))


@pytest.mark.parametrize("form", MADE)
def test_a_report_is_the_same_with_one_worker_and_with_two(form: str, qguard: Run, work: Path) -> None:
    for n in range(12):
        (work / f"n{n}.ipynb").write_bytes(notebook(*(code_cell(f"t = '{github_token()}'", f"c{i}") for i in range(n))))
    fixed = {"SOURCE_DATE_EPOCH": "1700000000"}
    one, two = (qguard("scan", ".", "--format", form, "-j", jobs, extra=fixed).stdout for jobs in ("1", "2"))
    timeless = [re.sub(rb' time="[0-9.]+"', b"", text) for text in (one, two)]
    assert timeless[0] == timeless[1]
    assert len(one) > 500


@pytest.mark.parametrize("form", MADE)
def test_a_report_is_written_whole_or_not_at_all(form: str, qguard: Run, work: Path) -> None:
    (work / "a.ipynb").write_bytes(notebook(code_cell("1")))
    target = work / "out"
    target.write_text("before")
    target.chmod(0o640)
    done = qguard("scan", "a.ipynb", "--format", form, "-o", "out")
    assert (done.returncode, done.stdout) == (0, b"")
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert target.read_bytes().endswith(b"\n")
    done = qguard("scan", "a.ipynb", "--format", form, "-o", "nowhere/out")
    assert done.returncode == 2
    assert b"nowhere" in done.stderr
    assert sorted(path.name for path in work.iterdir()) == ["a.ipynb", "out"]


@pytest.mark.parametrize("form", MADE)
def test_names_that_are_no_text_are_reported(form: str, qguard: Run, work: Path) -> None:
    data = notebook(code_cell(f"t = '{github_token()}'", "a\nb"))
    for name in (b"bad\xff.ipynb", b"new\nline.ipynb", "rtl\u202e.ipynb".encode()):
        (work / os.fsdecode(name)).write_bytes(data)
    done = qguard("scan", ".", "--format", form)
    assert done.returncode == 1
    text = done.stdout.decode("utf-8")
    assert text.count("github-token") >= 3
    if form == "sarif":
        uris = {
            found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
            for found in read_sarif(text)["results"]
        }
        assert uris == {"bad%FF.ipynb", "new%0Aline.ipynb", "rtl%E2%80%AE.ipynb"}


def test_formats_are_loaded_only_where_they_are_asked_for(env: dict[str, str], work: Path) -> None:
    import subprocess
    import sys

    (work / "a.ipynb").write_bytes(notebook(code_cell("1")))
    for form in ("text", "json"):
        code = (
            "import sys\nfrom jupyter_qguard.cli.main import main\n"
            f"try:\n main(['scan', 'a.ipynb', '--format', '{form}', '-o', 'out'])\nexcept SystemExit:\n pass\n"
            "print(*sorted(name for name in sys.modules if name in ('jinja2', 'xml.etree.ElementTree')"
            " or name.startswith('jupyter_qguard.cli.report_') and not name.endswith('_text')))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=work, env=env, check=True
        )
        assert done.stdout.strip() == "", form


def corpus() -> list[Path]:
    folder = os.environ.get("QGUARD_CORPUS", "")
    return sorted(Path(folder).glob("*.ipynb")) if folder else []


def test_real_notebooks_go_into_every_format(env: dict[str, str], work: Path) -> None:
    from tests.cli.reporting import judged

    paths = corpus()
    if not paths:
        pytest.skip("QGUARD_CORPUS names no folder with notebooks")
    files: dict[str, Any] = {path.name: path.read_bytes() for path in paths}
    report = judged(files, env, work)
    assert len(report.files) == len(paths)
    assert not any(item.problem for item in report.files)
    read_sarif(RENDER["sarif"](report))  # type: ignore[operator]
    commands(to_github(report))
    read_junit(to_junit(report))
    Page(to_html(report))
