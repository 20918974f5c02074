"""Settings: frozen values from ``qguard.toml``, one file for server, shell and CI (contract §8).

:func:`load` reads the files that apply below a root; :meth:`Policies.effective` gives
the policy of one path; ``policy.decide`` judges findings by it. Nothing here imports
the scanner: the rule ids that exist are handed in.
"""

from __future__ import annotations

from jupyter_qguard.settings.baseline_file import BASELINE_NAME, BaselineFile, Entry
from jupyter_qguard.settings.baselines import Baselines
from jupyter_qguard.settings.check import check_file
from jupyter_qguard.settings.durations import parse_duration, shown_duration
from jupyter_qguard.settings.effective import Policy
from jupyter_qguard.settings.exceptions import Exceptions
from jupyter_qguard.settings.explain import Row
from jupyter_qguard.settings.loading import load
from jupyter_qguard.settings.pause import FILE_NAME as PAUSE_NAME
from jupyter_qguard.settings.pause import Pause
from jupyter_qguard.settings.policies import Policies
from jupyter_qguard.settings.policy_file import Problem
from jupyter_qguard.settings.stack import Query, Special, Verdict
from jupyter_qguard.settings.starter import starter_policy

__all__ = [
    "BASELINE_NAME",
    "PAUSE_NAME",
    "BaselineFile",
    "Baselines",
    "Entry",
    "Exceptions",
    "Pause",
    "Policies",
    "Policy",
    "Problem",
    "Query",
    "Row",
    "Special",
    "Verdict",
    "check_file",
    "load",
    "parse_duration",
    "shown_duration",
    "starter_policy",
]
