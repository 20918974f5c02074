"""Adds up what pytest, jest and Playwright wrote down, and prints `N passed, M failed`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

# Written by our own run a moment ago.
from xml.etree import ElementTree


def pytest_counts(path: Path) -> tuple[int, int]:
    """Return (passed, failed) of a JUnit file; errors count as failures."""
    passed = failed = 0
    for suite in ElementTree.parse(path).getroot().iter("testsuite"):  # noqa: S314
        bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        failed += bad
        passed += int(suite.get("tests", 0)) - bad - int(suite.get("skipped", 0))
    return passed, failed


def jest_counts(path: Path) -> tuple[int, int]:
    """Return (passed, failed) of jest's JSON; a suite that did not even run counts as one failure."""
    data = json.loads(path.read_text())
    return data["numPassedTests"], data["numFailedTests"] + data["numRuntimeErrorTestSuites"]


def playwright_counts(path: Path) -> tuple[int, int]:
    """Return (passed, failed) of Playwright's JSON; a test that passed on a retry passed."""
    data = json.loads(path.read_text())
    stats = data["stats"]
    return stats["expected"] + stats["flaky"], stats["unexpected"] + len(data.get("errors", []))


RUNNERS = {
    "python.xml": pytest_counts,
    "jest.json": jest_counts,
    "browser.json": playwright_counts,
}


def main(folder: Path) -> int:
    """Print one line per runner and the sum; 1 if anything failed or left no result."""
    passed = failed = 0
    for name, counts in RUNNERS.items():
        path = folder / name
        good, bad = counts(path) if path.exists() else (0, 1)
        print(f"{path.stem}: {good} passed, {bad} failed" + ("" if path.exists() else " (no result was written)"))
        passed += good
        failed += bad
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
