"""Code forges: GitHub and GitLab tokens."""

from __future__ import annotations

from ..finding import Rule
from ._make import token

GITHUB = Rule(
    "github-token", "GitHub token", "high", "provider", "GitHub token by its prefix (ghp_, gho_, github_pat_ …)"
)
GITLAB = Rule("gitlab-token", "GitLab token", "high", "provider", "GitLab token by its prefix (glpat-, glrt- …)")

DETECTORS = (
    token(
        GITHUB,
        GITHUB.title,
        r"gh[pousr]_(?P<core>[A-Za-z0-9]{36,255})(?![A-Za-z0-9])",
        anchor=r"gh[pousr]_[A-Za-z0-9]{36}",
        true=(
            "token = '⟦ghp_<n36>⟧'",
            "1m⟦ghs_<n36>⟧\x1b[0m",
            "https://⟦ghu_<n36>⟧@github.com/a/b",
            "q_⟦ghr_<n40>⟧",
        ),
        false=("ghp_<n20>", "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "[REDACTED:github-token:<h8>]"),
    ),
    token(
        GITHUB,
        GITHUB.title,
        r"github_pat_(?P<core>[A-Za-z0-9]{22}_[A-Za-z0-9]{59,200})",
        anchor=r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
        true=("git clone https://me:⟦github_pat_<n22>_<n59>⟧@github.com/o/r.git",),
        false=("github_pat_<n22>_<n20>",),
    ),
    token(
        GITHUB,
        GITHUB.title,
        r"ghs_(?:[A-Za-z0-9]+_)?eyJ[\w-]{8,}\.(?P<core>[\w-]{8,}\.[\w-]{20,})",
        anchor=r"ghs_(?:[A-Za-z0-9]{1,40}_)?eyJ[\w-]{8,}\.[\w-]{8}",
        reach=(2400, 4000),
        true=("GH = '⟦ghs_<jwt>⟧'", "GH = '⟦ghs_<d6>_<jwt>⟧'"),
        false=("ghs_eyJhbGciOiJSUzI1NiJ9...",),
    ),
    token(
        GITLAB,
        GITLAB.title,
        r"gl(?:pat|dt|ft|soat|rt|rtr|oas|imt|ptt|agent|cbt|ffct|wt|kas)-(?P<core>[A-Za-z0-9_.-]{19,1024}[A-Za-z0-9_])",
        anchor=r"gl(?:pat|dt|ft|soat|rt|rtr|oas|imt|ptt|agent|cbt|ffct|wt|kas)-[A-Za-z0-9_.-]{20}",
        reach=(400, 1400),
        true=(
            "TOKEN=⟦glpat-<w20>⟧",
            "t = '⟦glrt-<w24>⟧'",
            "⟦glptt-<h40>⟧",
            "k='⟦gloas-<h64>⟧'",
            "⟦glpat-<w27>.<l2>.<l9>⟧",
        ),
        false=("glpat-xxxxxxxxxxxxxxxxxxxx", "glpat-<n10>"),
    ),
    token(
        GITLAB,
        GITLAB.title,
        r"(?<![A-Za-z0-9])GR1348941(?P<core>[A-Za-z0-9_-]{20,50})(?!\w)",
        anchor=r"GR1348941[A-Za-z0-9_-]{20}",
        true=("--registration-token ⟦GR1348941<w20>⟧",),
        false=("GR1348941<n9>",),
    ),
)
