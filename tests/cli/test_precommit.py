"""The entry in .pre-commit-config.yaml: added once, nothing else touched."""

import textwrap

import pytest
import yaml

from jupyter_qguard.cli import precommit
from jupyter_qguard.errors import InputError

EXISTING = {
    "flush": """\
        # kept comment
        repos:
        - repo: https://example.invalid/one
          rev: v1
          hooks:
          - id: one   # and this
        """,
    "indented": """\
        default_stages: [pre-commit]
        repos:
          - repo: https://example.invalid/one
            rev: v1
            hooks:
              - id: one
        """,
    "followed by another key": """\
        repos:
          # a comment inside
          - repo: https://example.invalid/one
            rev: v1
            hooks: [{id: one}]

        # about ci
        ci:
          skip: [one]
        """,
    "empty list": "repos: []\n",
    "no list": "fail_fast: true\n",
    "no newline at the end": "repos:\n- repo: https://example.invalid/one\n  rev: v1\n  hooks: [{id: one}]",
}


@pytest.mark.parametrize("name", EXISTING)
def test_the_entry_is_added_last_and_all_else_stays(name: str) -> None:
    before = textwrap.dedent(EXISTING[name])
    after = precommit.with_entry(before)
    expected = yaml.safe_load(before)
    expected["repos"] = [*(expected.get("repos") or []), yaml.safe_load(precommit.ENTRY)[0]]
    assert yaml.safe_load(after) == expected
    assert [line for line in before.splitlines() if line != "repos: []" and line not in after.splitlines()] == []
    assert precommit.present(after)
    assert not precommit.present(before)


def test_windows_line_ends_stay() -> None:
    after = precommit.with_entry("repos:\r\n- repo: local\r\n  hooks: [{id: one}]\r\n")
    assert after.count("\n") == after.count("\r\n")


@pytest.mark.parametrize("text", ["repos: [{repo: local, hooks: []}]\n", "{repos: []}\n", "- a\n- b\n"])
def test_what_cannot_be_extended_safely_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="cannot be extended"):
        precommit.with_entry(text)


@pytest.mark.parametrize("line", ["    - id: qguard", "  - id: qguard-scan", "      id: 'qguard-redact'  # ours"])
def test_a_hook_of_ours_is_recognised(line: str) -> None:
    assert precommit.present(f"repos:\n- repo: x\n  hooks:\n{line}\n")
