"""Quantum tokens that tell by themselves: Azure Quantum, Origin Quantum, Quafu, Quandela, D-Wave, Fixstars, qBraid."""

from __future__ import annotations

import re

from ...finding import Rule
from ...placeholders import looks_random
from .._make import token
from ..jwt import is_header

DWAVE = Rule(
    "dwave-token", "D-Wave Leap API token", "high", "provider", "DEV- (or another project prefix) and 40 hex digits"
)
AZURE_QUANTUM = Rule(
    "azure-quantum-api-key",
    "Azure Quantum API key",
    "critical",
    "provider",
    "86-character key with AZQU at its fixed place, or ApiKey= of a connection string",
)


def _reversed_jwt(match: re.Match[str]) -> bool:
    return is_header(match["head"][::-1]) and looks_random(match["core"])


def _quandela(match: re.Match[str]) -> bool:
    return is_header(match["head"]) and looks_random(match["core"])


DETECTORS = (
    token(
        AZURE_QUANTUM,
        AZURE_QUANTUM.title,
        r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{76}AZQU[A-Za-z0-9_-]{6}(?![A-Za-z0-9_-])",
        anchor=r"[A-Za-z0-9_-]{76}AZQU[A-Za-z0-9_-]{6}",
        true=("api_key: ⟦<w76>AZQU<n6>⟧", "'x-ms-quantum-api-key': '⟦<w76>AZQU<n6>⟧'"),
        false=("<w70>AZQU<n6>", "<w76>AZQU<n9>"),
    ),
    token(
        AZURE_QUANTUM,
        AZURE_QUANTUM.title,
        r"(?i:WorkspaceName=[^;\"'\n]{0,120};\s{0,3}ApiKey=)(?P<span>[^\s;\"'<>{}$\\]{16,200})",
        anchor=r"WorkspaceName=[^;\"'\n]*;\s*ApiKey=",
        true=(
            "SubscriptionId=<uuid>;ResourceGroupName=rg;WorkspaceName=ws;ApiKey=⟦<w60>⟧;QuantumEndpoint=https://e/;",
        ),
        false=("ResourceGroupName=rg;WorkspaceName=ws;ApiKey=<your-api-key>;", "WorkspaceName=ws;ApiKey=FakeKey;"),
    ),
    token(
        DWAVE,
        DWAVE.title,
        r"(?<![A-Za-z0-9])DEV-(?P<core>[0-9a-f]{40})(?![A-Za-z0-9_/+=-])",
        anchor=r"DEV-[0-9a-f]{40}",
        true=('Client.from_config(token="⟦DEV-<h40>⟧")', "token = ⟦DEV-<h40>⟧", "m=\x1b[0m'⟦DEV-<h40>⟧'"),
        false=("DEV-1.4.2", "DEV-" + "x" * 40, "DEV-<h12>"),
    ),
    token(
        "origin-quantum-token",
        "Origin Quantum private key token",
        r"(?<![0-9a-fA-F])30[0-9a-f]{2}02010030[0-9a-f]{2}06072a8648ce3d0201(?P<core>[0-9a-f]{30,600}(?:/[0-9a-f]{1,64})?)(?![0-9a-f])",
        anchor=r"02010030[0-9a-f]{2}06072a8648ce3d0201[0-9a-f]{30}",
        severity="critical",
        reach=(200, 800),
        why="an elliptic-curve private key (PKCS#8) in hex, as Origin Quantum issues for a token",
        true=("token: ⟦3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420<h64>⟧",),
        false=("3059301306072a8648ce3d020106082a8648ce3d03010703420004<h128>",),
    ),
    token(
        "quafu-token",
        "Quafu API token",
        r"(?<![A-Za-z0-9_.-])(?P<core>[A-Za-z0-9_-]{20,2000}\.[A-Za-z0-9_-]{8,2000})\.(?P<head>[A-Za-z0-9_-]{8,400}Jye)(?![A-Za-z0-9_.-])",
        anchor=r"\.[A-Za-z0-9_-]{8,}Jye",
        accept=_reversed_jwt,
        reach=(5000, 20),
        why="a JSON Web Token written backwards",
        true=('user.save_apitoken("⟦<jwt-reversed>⟧")', "User(api_token='⟦<jwt-reversed>⟧')"),
        false=("some.thing<w12>.<w20>Jye",),
    ),
    token(
        "quandela-token",
        "Quandela Cloud token",
        r"(?<![A-Za-z0-9])_T_(?P<head>eyJ[A-Za-z0-9_-]{6,1000})\.(?P<core>[A-Za-z0-9_-]{4,4000}\.[A-Za-z0-9_-]{16,1000})",
        anchor=r"_T_eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{4}",
        accept=_quandela,
        reach=(1200, 6000),
        true=('RemoteConfig.set_token("⟦_T_<jwt>⟧")',),
        false=("_T_eyJhbGciOi......", '"YOUR TOKEN"'),
    ),
    token(
        "fixstars-amplify-token",
        "Fixstars Amplify token",
        r"(?<![A-Za-z0-9_/+.-])AE/(?P<core>[A-Za-z0-9]{32})(?![A-Za-z0-9_/+=-])",
        anchor=r"AE/[A-Za-z0-9]{32}",
        true=('client.token = "⟦AE/<n32>⟧"', "# client.token = '⟦AE/<n32>⟧'"),
        false=("VAE/<n32>", "models/AE/<n32>", "AE/<n20>"),
    ),
    token(
        "qbraid-api-key",
        "qBraid API key",
        r"(?<![A-Za-z0-9_-])qbr_(?P<core>[0-9a-f]{32,64})(?![A-Za-z0-9_])",
        anchor=r"qbr_[0-9a-f]{32}",
        true=("api-key = ⟦qbr_<h64>⟧", "QbraidProvider('⟦qbr_<h32>⟧')"),
        false=("qbr_total", "qbr_<h8>"),
    ),
)
