"""JUnit XML: one test case per file, as GitLab, Jenkins and others read it.

Source: https://docs.gitlab.com/ci/testing/unit_test_reports/ and the schema of Jenkins' xUnit plug-in.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET  # written, never read, so there is nothing to defuse

from jupyter_qguard.cli.names import harmless
from jupyter_qguard.cli.report import FileReport, Report
from jupyter_qguard.cli.report_rows import (
    OBSERVED,
    accepted,
    advice,
    file_name,
    headline,
    observed,
    region_of,
    sentence,
    stops,
    strictness,
    unchecked_sentence,
)

_ILLEGAL = re.compile("[\ufffe\uffff]")


def to_junit(report: Report) -> str:
    """Return the report as XML. Findings below ``fail_on`` are in a case's ``system-out``; a file that could not
    be judged is an ``error`` that lists what was found in it.
    """
    root = ET.Element("testsuites", name="qguard")
    suite = ET.SubElement(root, "testsuite", name="qguard")
    properties = ET.SubElement(suite, "properties")
    for name, value in (("verdict", report.verdict), ("fail-on", report.fail_on), ("summary", headline(report))):
        ET.SubElement(properties, "property", name=name, value=_xml(value))
    failures = errors = 0
    for item in report.files:
        case = ET.SubElement(
            suite, "testcase", classname="qguard", name=_xml(item.path), file=_xml(file_name(item)), time="0"
        )
        failed = _results(report, item, case)
        errors += failed == "error"
        failures += failed == "failure"
    counts = {"tests": len(report.files), "failures": failures, "errors": errors, "skipped": 0}
    for element in (root, suite):
        for name, number in counts.items():
            element.set(name, str(number))
        element.set("time", f"{report.seconds:.3f}")
    said = [OBSERVED] if observed(report) else []
    said += [f"{path} was skipped: {reason}" for path, reason in report.skipped]
    said += report.notes
    if said:
        ET.SubElement(suite, "system-out").text = _xml("\n".join(map(harmless, said)))
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _results(report: Report, item: FileReport, case: ET.Element) -> str:
    """Fill one test case; return ``error``, ``failure`` or nothing."""
    rows = range(len(item.findings))
    stopping = [] if item.problem else [n for n in rows if stops(report, item.findings[n])]
    out = [_line(item, n) for n in rows if n not in set(stopping)]
    parts = [unchecked_sentence(part) for part in item.unchecked]
    kind = ""
    if item.problem:
        kind = "error"
        problem = ET.SubElement(case, "error", type="not-judged", message=_xml(item.problem))
        problem.text = _xml("\n".join([f"{item.path} could not be judged: {item.problem}", *out]))
        out = []
    for number in stopping:
        kind = "failure"
        row = item.findings[number]
        failure = ET.SubElement(
            case, "failure", type=_xml(row["rule"]), message=_xml(f"{row['rule']}: {sentence(item, number)}")
        )
        failure.text = _xml(_line(item, number))
    if not kind and strictness(item.verdict) >= strictness(report.fail_on):
        kind = "failure"
        text = "; ".join(parts) or "the policy stops it"
        ET.SubElement(case, "failure", type="unchecked", message="not looked into").text = _xml(text)
    out += parts
    if out:
        ET.SubElement(case, "system-out").text = _xml("\n".join(out))
    return kind


def _line(item: FileReport, number: int) -> str:
    """Return one finding as one line."""
    row = item.findings[number]
    region = region_of(item, number)
    place = f"{file_name(item)}:{region[0]}:{region[1]}" if region else file_name(item)
    action = "accepted" if accepted(row) else row["action"]
    said = f"{sentence(item, number)} {'Accepted' if accepted(row) else 'Next'}: {advice(item, number)}"
    return f"{place}: {action}: {row['rule']} ({row['severity']}): {said}"


def _xml(text: str) -> str:
    """Return text that XML 1.0 can hold, and in which GitLab sees no attachment (``[[ATTACHMENT|path]]``)."""
    lines = "\n".join(harmless(line) for line in text.split("\n"))
    return _ILLEGAL.sub("\ufffd", lines).replace("[[", "[ [")
