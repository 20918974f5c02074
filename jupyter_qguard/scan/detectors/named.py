"""Values whose name or call leaves no doubt, whoever the vendor is: OAuth tokens, headers, key rings, options."""

from __future__ import annotations

import re

from ..detector import Detector, Samples
from ..finding import Rule
from ..placeholders import entropy, looks_random
from ._assign import ASSIGN, strong, strong_value
from ._calls import CallDetector
from ._make import token

OAUTH = Rule(
    "oauth-token",
    "OAuth token",
    "high",
    "context",
    "random value named access, refresh, id or auth token, or client secret",
)
BEARER = Rule("bearer-token", "Bearer token", "high", "context", "random value after Authorization: Bearer or Token")
HARDCODED = Rule(
    "hardcoded-credential",
    "Credential written into the code",
    "high",
    "context",
    "random value given as a key ring entry, a command-line option or a fallback for a prompt",
)


def opaque(match: re.Match[str]) -> bool:
    """Accept long values that look random and hold both letters and digits."""
    value = match["span"]
    return (
        strong_value(value, 20)
        and looks_random(value)
        and entropy(value) > 3.0
        and any(c.isdigit() for c in value)
        and any(c.isalpha() for c in value)
    )


DETECTORS: tuple[Detector, ...] = (
    token(
        OAUTH,
        OAUTH.title,
        rf"(?i:(?:access|refresh|id|auth|authentication|bearer)[_ ]?token|client_?secret)"
        rf"{ASSIGN}(?P<span>[A-Za-z0-9_+/=.~|-]{{20,4000}})",
        anchor=(r"(?i)(?:access|refresh|id|auth|authentication|bearer)[_ ]?token", r"(?i)client_?secret"),
        accept=opaque,
        reach=(200, 4200),
        true=(
            '[credentials.default.token_payload]\nrefresh_token = "⟦<w43>⟧"',
            '{"access_token": "⟦<B64>⟧", "expires_in": 3600}',
            "authentication_token: ⟦<n40>⟧",
            "authToken='⟦<h40>⟧'",
            "Access token: ⟦<n43>⟧",
            'classiq.authenticate(client_secret="⟦<n48>⟧")',
        ),
        false=(
            "refresh_token=None",
            "refresh_token = get_refresh_token_from_the_store(1)",
            'access_token = "your-access-token-goes-here-1"',
            "auth_token = response.json()['auth_token_2']",
        ),
    ),
    token(
        BEARER,
        BEARER.title,
        r"(?i:authorization[\"'\\]{0,4}\s{0,4}[:=,]\s{0,4}(?:[brf]{0,2}[\"'\\]{1,4})?(?:bearer|token|basic)\s{1,3})"
        r"(?P<span>[A-Za-z0-9_+/=.~-]{20,4000})",
        anchor=r"(?i)authorization[\"'\\]{0,4}\s{0,4}[:=,]\s{0,4}[brf\"'\\]{0,6}(?:bearer|token|basic)\s",
        accept=opaque,
        reach=(200, 4200),
        true=(
            'headers = {"Authorization": "Bearer ⟦<n40>⟧"}',
            '!curl -H "Authorization: Bearer ⟦<w60>⟧" https://api.example.org',
            "Authorization: token ⟦<h40>⟧",
            r"{\"Authorization\": \"Bearer ⟦<n40>⟧\"}",
        ),
        false=(
            'headers = {"Authorization": f"Bearer {token}"}',
            "Authorization: Bearer <your-token-goes-here>",
            "Authorization: Bearer YOUR_ACCESS_TOKEN_GOES_HERE",
        ),
    ),
    CallDetector(
        HARDCODED,
        ((r"set_password", (2,)),),
        "password",
        r"[^\s]{8,4000}",
        lambda value, depth: depth == 1 and strong_value(value),
        Samples(
            true=('keyring.set_password("my-service", "default", "⟦<w40>⟧")',),
            false=('keyring.set_password("my-service", "default", getpass())',),
        ),
    ),
    token(
        HARDCODED,
        HARDCODED.title,
        r"(?i:getpass\([^()\n]{0,80}\)\s{0,3}or\s{1,3})[\"'](?P<span>[^\s\"'\\]{8,400})[\"']",
        anchor=r"getpass\(",
        accept=strong,
        true=("tok = getpass('key: ') or '⟦<n32>⟧'",),
        false=("tok = getpass() or 'your-token'",),
    ),
    token(
        HARDCODED,
        HARDCODED.title,
        r"(?<![A-Za-z0-9-])--[a-z-]{0,24}(?i:api-?key|token|secret|password|access-key)"
        r"(?:=|\s{1,3}|[\"'],\s{0,6}(?:[^\n\"']{0,60}?default\s{0,2}=\s{0,2})?)[\"']?(?P<span>[A-Za-z0-9_+/=.~!@%^*-]{16,400})",
        anchor=r"--[a-z-]{0,24}(?:api-?key|token|secret|password|access-key)",
        accept=opaque,
        true=(
            "!tool submit --api-key ⟦<n32>⟧ job.qasm",
            'subprocess.run(["tool", "--token", "⟦<n40>⟧"])',
            'parser.add_argument("--token", type=str, default="⟦<w44>⟧")',
            "jupyter lab --IdentityProvider.token=x --api-key=⟦<n24>⟧",
        ),
        false=("--token $TOKEN", '"--token", help="the token to use for it"', "--api-key YOUR_API_KEY_GOES_HERE"),
    ),
)
