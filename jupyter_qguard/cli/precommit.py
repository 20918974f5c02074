"""Adding one entry to ``.pre-commit-config.yaml`` as text, so that comments and layout survive."""

from __future__ import annotations

import re

from jupyter_qguard.errors import InputError

ENTRY = """\
- repo: local
  hooks:
    - id: qguard
      name: qguard (no credentials in what is committed)
      entry: qguard scan --index --
      language: system
      require_serial: true
"""
"""``--index``: the hook gets names, and where the git filter is set up a file and what is staged of it differ."""

_HOOK = re.compile(r"^\s*-?\s*id:\s*['\"]?(?:jupyter-)?qguard(?:-[a-z-]+)?['\"]?\s*(?:#.*)?$", re.MULTILINE)
_REPOS = re.compile(r"^repos[ \t]*:[ \t]*(?P<rest>[^\n]*)$", re.MULTILINE)
_TOP_LEVEL = re.compile(r"^[^\s#-]", re.MULTILINE)
_KEY = re.compile(r"^[A-Za-z_][\w-]*[ \t]*:", re.MULTILINE)
_CONTENT = re.compile(r"^\s*[^\s#]", re.MULTILINE)
_ITEM = re.compile(r"^(?P<indent> *)- ", re.MULTILINE)


def present(text: str) -> bool:
    """Return whether a hook of ours is already there."""
    return _HOOK.search(text) is not None


def with_entry(text: str) -> str:
    """Return the configuration with our entry as the last of ``repos``; everything else as it is.

    Raises InputError where ``repos`` is written in a way that cannot be extended as text.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    body = text.replace("\r\n", "\n")
    repos = _REPOS.search(body)
    if repos is None:
        if _CONTENT.search(body) is not None and _KEY.search(body) is None:
            raise _by_hand()
        changed = _ended(body) + "repos:\n" + ENTRY
    else:
        rest = repos["rest"].split("#")[0].strip()
        if rest == "[]":
            body = body[: repos.start()] + "repos:" + body[repos.end() :]
            repos = _REPOS.search(body)
            if repos is None:
                raise _by_hand()
        elif rest:
            raise _by_hand()
        changed = _insert(body, repos.end())
    return changed.replace("\n", newline)


def _insert(body: str, after: int) -> str:
    """Put the entry behind the last item of the list that starts at ``after``."""
    following = _TOP_LEVEL.search(body, after + 1) if after < len(body) else None
    end = following.start() if following else len(body)
    block, tail = body[:end], body[end:]
    first = _ITEM.search(block, after)
    indent = first["indent"] if first else ""
    kept = block.rstrip("\n") + "\n"
    gap = block[len(kept) :] if tail else ""
    entry = "".join(f"{indent}{line}\n" for line in ENTRY.splitlines())
    return kept + entry + gap + tail


def _ended(body: str) -> str:
    return body if not body or body.endswith("\n") else body + "\n"


def _by_hand() -> InputError:
    return InputError(
        "The list `repos` in .pre-commit-config.yaml is written in a way that cannot be extended safely.",
        "Add the hook by hand: id qguard, entry `qguard scan --index --`, language system, require_serial true.",
    )
