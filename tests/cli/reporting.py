"""Reports made in this process, and readers for each format: what a code host or a browser would see."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema

from jupyter_qguard.cli.judge import Judge
from jupyter_qguard.cli.report import Report
from jupyter_qguard.cli.report_github import to_github
from jupyter_qguard.cli.report_html import to_html
from jupyter_qguard.cli.report_junit import to_junit
from jupyter_qguard.cli.report_sarif import to_sarif

SCHEMA = json.loads((Path(__file__).parent / "schemas" / "sarif-2.1.0.json").read_text("utf-8"))
VALIDATOR = jsonschema.validators.validator_for(SCHEMA)(SCHEMA)
RENDER = {"sarif": to_sarif, "github": to_github, "junit": to_junit, "html": to_html}


def judged(files: Mapping[str, bytes], env: Mapping[str, str], cwd: Path, fail_on: str = "redact") -> Report:
    """Return the numbered report on contents that are on no disk."""
    judge = Judge(cwd, env, regions=True)
    report = Report([], fail_on=fail_on)
    for name, data in files.items():
        report.files.append(judge.report(data, name, name, cwd))
        report.files[-1].place = name
    report.number()
    return report


def read_sarif(text: str | bytes) -> dict[str, Any]:
    """Return the one run of a SARIF log, which must be valid."""
    log: dict[str, Any] = json.loads(text)
    problems = [error.message for error in VALIDATOR.iter_errors(log)]
    assert problems == []
    (run,) = log["runs"]
    names = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    for result in run["results"]:
        assert names[result["ruleIndex"]] == result["ruleId"]
    assert isinstance(run, dict)
    return run


def read_junit(text: str | bytes) -> ET.Element:
    """Return the suite of a JUnit file whose counts agree with its cases."""
    root = ET.fromstring(text)
    assert root.tag == "testsuites"
    (suite,) = root.findall("testsuite")
    cases = suite.findall("testcase")
    for element in (root, suite):
        assert int(element.attrib["tests"]) == len(cases)
        assert int(element.attrib["failures"]) == sum(case.find("failure") is not None for case in cases)
        assert int(element.attrib["errors"]) == sum(case.find("error") is not None for case in cases)
    assert len({case.attrib["name"] for case in cases}) == len(cases)
    for case in cases:
        kinds = [child.tag for child in case]
        assert set(kinds) <= {"failure", "error", "system-out"}
        assert kinds == sorted(kinds, key=["error", "failure", "system-out"].index)
    return suite


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """Return (command, properties, message) of each line, read as GitHub's runner does."""
    out = []
    for line in re.split(r"\r\n|\r|\n", text.removesuffix("\n")):
        line = line.lstrip()
        assert line.startswith("::"), "a line that is no command of ours"
        info, sep, data = line[2:].partition("::")
        assert sep
        name, _, rest = info.partition(" ")
        fields = dict(pair.split("=", 1) for pair in rest.strip().split(",") if pair)
        for token, code in (("\r", "%0D"), ("\n", "%0A"), (":", "%3A"), (",", "%2C"), ("%", "%25")):
            fields = {key: value.replace(code, token) for key, value in fields.items()}
            data = data if token in ":," else data.replace(code, token)
        out.append((name, fields, data))
    return out


class Page(HTMLParser):
    """What is in an HTML page: its tags with their attributes, and its text outside of the style."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text += data
