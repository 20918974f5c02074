"""The ``qguard.toml`` that ``qguard init`` writes: the defaults, spelled out."""

from __future__ import annotations

_TEXT = """\
# What jupyter-qguard does with credentials it finds in this project.
# The nearest qguard.toml upward from a file counts. `qguard policy show` tells where each value comes from.
#
# Actions, strictest last: allow < warn < redact < hold < block
# A project file only tightens what system and user files say. It weakens only through [[paths]] below.
# `mode` and `on_failure` belong in the user's or the administrator's qguard.toml, not here.
version = 1

[content]               # what a finding leads to, by where it stands
source = "redact"       # code, markdown, attachments
output = "redact"       # everything a cell printed, drew or raised
metadata = "redact"     # notebook, cell and output metadata, widget state
text = "warn"           # files that are not notebooks are never rewritten: allow, warn or block
opaque = "warn"         # what could not be looked into: allow, warn or block

# A door may differ: save upload copy rename checkpoint restore download export collaborate commit
[doors]
upload = { text = "block" }
commit = { text = "block" }     # what `qguard scan`, pre-commit and CI judge as

[rules]                 # one rule may differ: `qguard rules list`. Rules that only see entropy or keywords warn.
# ibm-cloud-api-key = "block"

# [exceptions]          # reviewed exceptions: `qguard baseline`
# baseline = "ignore"           # none counts
# up_to = "redact"              # nothing stricter is lifted
# days = 366                    # an entry counts only in its last so many days

# [[paths]]             # some files may differ; gitignore-like pattern, relative to this file; the last match wins
# match = "courses/**"
# text = "allow"
# reason = "teaching keys"          # reason and owner are required to weaken
# owner = "platform@lab.example"
# expires = 2099-01-01              # from that day on the entry only tightens
"""


def starter_policy() -> str:
    """Return a commented policy file that says what the defaults say."""
    return _TEXT
