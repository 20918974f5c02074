"""SARIF: valid, addressed, the same on every machine and after every run, and within what code hosts take."""

from __future__ import annotations

import copy
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from jupyter_qguard.cli.report import FileReport, Report
from jupyter_qguard.cli.report_sarif import MAX_NOTIFICATIONS, MAX_RESULTS, text_of, to_sarif
from jupyter_qguard.scan import rules
from tests.cli.conftest import Run, code_cell, github_token, notebook, random_text
from tests.cli.reporting import judged, read_sarif


def row(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": "f1",
        "rule": "github-token",
        "severity": "high",
        "action": "redact",
        "fingerprint": "ab" * 32,
        "cell_id": "ab12",
        "cell_index": 3,
        "field": "source",
        "line": 2,
        "column": 14,
        "end_line": 2,
        "end_column": 58,
        "why": "a token by its prefix",
    }
    return found | changes


def prints(run: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (found["ruleId"], found["partialFingerprints"][name])
        for found in run["results"]
        for name in sorted(found["partialFingerprints"])
    ]


def test_a_finding_is_addressed_in_the_file_and_in_the_notebook(qguard: Run, work: Path) -> None:
    token = github_token()
    output = {"output_type": "display_data", "metadata": {}, "data": {"text/html": f"<b>{token}</b>"}}
    (work / "sub").mkdir()
    (work / "sub" / "a b.ipynb").write_bytes(notebook(code_cell("1"), code_cell("2", "ab12", [output])))
    done = qguard("scan", ".", "--format", "sarif")
    assert done.returncode == 1
    run = read_sarif(done.stdout)
    (found,) = run["results"]
    assert (found["ruleId"], found["level"], found["suppressions"]) == ("github-token", "error", [])
    assert run["columnKind"] == "unicodeCodePoints"
    (location,) = found["locations"]
    physical, (logical,) = location["physicalLocation"], location["logicalLocations"]
    assert physical["artifactLocation"] == {"uri": "sub/a%20b.ipynb", "uriBaseId": "%SRCROOT%"}
    line = (work / "sub" / "a b.ipynb").read_text().splitlines()[physical["region"]["startLine"] - 1]
    assert line[physical["region"]["startColumn"] - 1 : physical["region"]["endColumn"] - 1] == token
    assert logical["fullyQualifiedName"] == "cells[ab12].outputs[0].data.text/html"
    assert logical["kind"] == "cell-output"
    assert logical["properties"] == {
        "field": "outputs[0].data.text/html",
        "cellIndex": 1,
        "cellId": "ab12",
        "output": 0,
        "mime": "text/html",
    }
    assert "snippet" not in json.dumps(run)
    assert run["automationDetails"] == {"id": "qguard/"}
    assert run["invocations"][0]["executionSuccessful"] is True


def test_every_rule_says_what_it_is_and_how_bad(env: dict[str, str], work: Path) -> None:
    report = Report(
        [FileReport("a.ipynb", "redact", [row(rule=name, severity=rule.severity) for name, rule in rules.ALL.items()])]
    )
    run = read_sarif(to_sarif(report, explain=True))
    told = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in told] == sorted(rules.ALL)
    bands = {"critical": (9.0, 10.0), "high": (6.9, 8.9), "medium": (3.9, 6.9), "low": (0.0, 3.9), "info": (0.0, 3.9)}
    for rule in told:
        known = rules.ALL[rule["id"]]
        low, high = bands[known.severity]
        assert low < float(rule["properties"]["security-severity"]) <= high
        assert rule["properties"]["precision"] in {"very-high", "high", "medium", "low"}
        assert "security" in rule["properties"]["tags"]
        assert len(rule["properties"]["tags"]) <= 10
        assert known.title in rule["help"]["markdown"]
        assert "qguard rules show" in rule["help"]["text"]


def test_fingerprints_stay_when_lines_move_cells_move_and_the_notebook_runs_again(
    env: dict[str, str], work: Path
) -> None:
    one, two, three = (github_token() for _ in range(3))
    stream = {"output_type": "stream", "name": "stdout", "text": f"{three}\n"}
    cells = [code_cell("1", "c0"), code_cell(f"a = '{one}'\nb = '{two}'", "c1", [stream])]
    before = json.loads(notebook(*cells))
    after = copy.deepcopy(before)
    after["cells"][1]["execution_count"] = 12
    after["cells"][1]["source"] = f"# new lines\n\n\na = '{one}'\n\nb = '{two}'"
    after["cells"].reverse()
    after["cells"].insert(0, code_cell("a new one", "c9"))
    first = read_sarif(to_sarif(judged({"a.ipynb": json.dumps(before, indent=1).encode()}, env, work)))
    later = read_sarif(to_sarif(judged({"a.ipynb": json.dumps(after).encode()}, env, work)))
    assert len(set(prints(first))) == 6
    assert prints(first) == prints(later)
    assert first["results"][0]["locations"] != later["results"][0]["locations"]


def test_fingerprints_are_the_same_on_every_machine_and_hold_nothing_of_key_or_secret(
    env: dict[str, str], work: Path, tmp_path: Path
) -> None:
    data = notebook(code_cell(f"a = '{github_token()}'"))
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "home").mkdir(parents=True)
    other_key = {**env, "HOME": str(elsewhere / "home"), "QGUARD_INSTALLATION_KEY": random_text(43)}
    reports = [judged({"a.ipynb": data}, env, work), judged({"a.ipynb": data}, other_key, elsewhere)]
    marks = {report.files[0].findings[0]["fingerprint"] for report in reports}
    texts = {to_sarif(report) for report in reports}
    assert len(marks) == 2
    assert len(texts) == 1
    assert not any(mark[:8] in text for mark in marks for text in texts)
    # Another value in the same place is the same alert: nothing of the value is in it.
    again = judged({"a.ipynb": notebook(code_cell(f"a = '{github_token()}'"))}, env, work)
    assert prints(read_sarif(to_sarif(again))) == prints(read_sarif(texts.pop()))


def test_fingerprints_tell_files_cells_fields_and_ordinals_apart(env: dict[str, str], work: Path) -> None:
    token = github_token()
    old = json.loads(notebook(code_cell(f"a = '{token}'; b = '{github_token()}'"), code_cell(f"a = '{token}'", "c2")))
    no_ids = json.loads(json.dumps(old).replace('"id": "c1", ', "").replace('"id": "c2", ', ""))
    no_ids["nbformat_minor"] = 4
    files = {"a.ipynb": old, "b.ipynb": old, "c.ipynb": no_ids}
    run = read_sarif(to_sarif(judged({name: json.dumps(nb).encode() for name, nb in files.items()}, env, work)))
    found = [entry["partialFingerprints"] for entry in run["results"]]
    assert len(found) == 9
    assert len({entry["primaryLocationLineHash"] for entry in found}) == 9
    assert len({entry["qguardFinding/v1"] for entry in found}) == 6, "a copied notebook has the same findings"
    assert all(re.fullmatch(r"[0-9a-f]{16}:1", entry["primaryLocationLineHash"]) for entry in found)


def test_accepted_findings_are_suppressed_with_their_reason() -> None:
    baseline = {"kind": "baseline", "reason": "teaching key", "owner": "lab@example.invalid", "expires": "2027-01-01"}
    findings = [
        row(action="allow", exception=baseline),
        row(action="allow", exception={**baseline, "kind": "pragma", "expires": None}),
        row(action="allow"),
        row(action="warn"),
        row(action="block"),
    ]
    report = Report([FileReport("a.ipynb", "block", findings, because=["", "", "paths[0].text (project qguard.toml)"])])
    results = read_sarif(to_sarif(report))["results"]
    assert [entry["level"] for entry in results] == ["note", "note", "note", "warning", "error"]
    told = [entry["suppressions"] for entry in results]
    assert [[entry["kind"] for entry in entries] for entries in told] == [
        ["external"],
        ["inSource"],
        ["external"],
        [],
        [],
    ]
    assert told[0][0]["status"] == "accepted"
    for word in ("teaching key", "lab@example.invalid", "2027-01-01"):
        assert word in told[0][0]["justification"]
    assert "None" not in told[1][0]["justification"]
    assert "paths[0].text" in told[2][0]["justification"]


def test_what_was_not_judged_is_said(qguard: Run, work: Path) -> None:
    (work / "broken.ipynb").write_text("{")
    (work / ".venv").mkdir()
    done = qguard("scan", ".", "nowhere.ipynb", "--format", "sarif")
    assert done.returncode == 2
    (invocation,) = read_sarif(done.stdout)["invocations"]
    assert invocation["executionSuccessful"] is False
    notices = invocation["toolExecutionNotifications"]
    assert [(notice["descriptor"]["id"], notice["level"]) for notice in notices] == [
        ("not-judged", "error"),
        ("not-judged", "error"),
        ("skipped", "note"),
    ]
    assert notices[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "broken.ipynb"


def test_parts_that_were_not_looked_into_are_said() -> None:
    part = {"field": "cells[7].outputs[0].data.image/png", "reason": "broken"}
    report = Report([FileReport("a.ipynb", "warn", unchecked=[part, {"field": None, "reason": "too large"}])])
    notices = read_sarif(to_sarif(report))["invocations"][0]["toolExecutionNotifications"]
    assert [notice["descriptor"]["id"] for notice in notices] == ["unchecked", "unchecked"]
    assert notices[0]["locations"][0]["logicalLocations"] == [{"fullyQualifiedName": part["field"]}]


def test_what_code_hosts_do_not_take_is_cut_the_least_first_and_said() -> None:
    files = [
        FileReport(
            f"folder/notebook-{n}.ipynb",
            "redact",
            [row(cell_index=i, cell_id=f"{n:04x}{i:04x}", action="warn" if i % 2 else "redact") for i in range(1000)],
            regions=[(i, 1, i, 45) for i in range(1, 1001)],
        )
        for n in range(60)
    ]
    text = to_sarif(Report(files))
    assert len(gzip.compress(text.encode())) < 10_000_000
    run = json.loads(text)["runs"][0]
    assert len(run["results"]) == MAX_RESULTS
    assert {entry["level"] for entry in run["results"]} == {"error"}
    (notice,) = run["invocations"][0]["toolExecutionNotifications"]
    assert notice["descriptor"]["id"] == "cut"
    assert "35000 more findings" in notice["message"]["text"]
    order = [entry["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for entry in run["results"]]
    assert order == sorted(order, key=lambda uri: int(re.findall(r"\d+", uri)[0]))


def test_thousands_of_notifications_are_cut_and_said() -> None:
    parts = [{"field": f"metadata.x{n}", "reason": "broken"} for n in range(5000)]
    run = read_sarif(to_sarif(Report([FileReport("a.ipynb", "warn", unchecked=parts)])))
    notices = run["invocations"][0]["toolExecutionNotifications"]
    assert len(notices) == MAX_NOTIFICATIONS + 1
    assert "4000 more notifications" in notices[-1]["message"]["text"]


def test_files_of_one_name_below_two_roots_stay_apart(qguard: Run, work: Path, tmp_path: Path) -> None:
    names = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "a.ipynb").write_bytes(notebook(code_cell(f"t = '{github_token()}'")))
        names.append(str(folder))
    run = read_sarif(qguard("scan", *names, "--format", "sarif").stdout)
    uris = [found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for found in run["results"]]
    assert len(set(uris)) == 2


def test_paths_start_at_the_repository_whatever_the_current_folder(
    qguard: Run, work: Path, git: Any, tmp_path: Path
) -> None:
    (work / "sub").mkdir()
    (work / "sub" / "a.ipynb").write_bytes(notebook(code_cell(f"t = '{github_token()}'")))
    git("add", ".")
    runs = [
        read_sarif(qguard("scan", "sub", "--format", "sarif").stdout),
        read_sarif(qguard("scan", "a.ipynb", "--format", "sarif", cwd=work / "sub").stdout),
        read_sarif(qguard("scan", str(work), "--format", "sarif", cwd=tmp_path).stdout),
        read_sarif(qguard("scan", "--staged", "--format", "sarif").stdout),
    ]
    for run in runs:
        (found,) = run["results"]
        place = found["locations"][0]["physicalLocation"]["artifactLocation"]
        assert place == {"uri": "sub/a.ipynb", "uriBaseId": "%SRCROOT%"}
        assert prints(run) == prints(runs[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a [x](http://e.invalid)", "a [x] (http://e.invalid)"), ("{0}", "{{0}}"), ("outputs[0].text", "outputs[0].text")],
)
def test_a_message_holds_neither_links_nor_placeholders(text: str, expected: str) -> None:
    assert text_of(text) == {"text": expected}


def test_stdin_has_a_name(qguard: Run) -> None:
    data = notebook(code_cell(f"t = '{github_token()}'"))
    (found,) = read_sarif(qguard("scan", "-", "--format", "sarif", input=data).stdout)["results"]
    assert found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "stdin"
    done = qguard("scan", "-", "--path", "sub/x.ipynb", "--format", "sarif", input=data)
    (found,) = read_sarif(done.stdout)["results"]
    assert found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "sub/x.ipynb"
