"""Credentials inside URLs: passwords before the host, signatures of presigned links."""

from __future__ import annotations

import re

from ..finding import Rule
from ..placeholders import is_placeholder, looks_random
from ._make import token

PASSWORD = Rule(
    "url-password",
    "Password in a URL",
    "high",
    "context",
    "password between user and host of a URL",
    low_entropy=True,
    url_password=True,
)
PRESIGNED = Rule("presigned-url", "Presigned URL", "high", "provider", "signature or session token of a presigned link")

DULL = frozenset(
    [
        "user",
        "username",
        "pass",
        "passwd",
        "password",
        "pwd",
        "pw",
        "port",
        "host",
        "secret",
        "token",
        "key",
        "credentials",
        "xxx",
        "pass1234",
        "x-access-token",
        "mypassword",
        "mypass",
        "passw0rd",
        "password123",
        "pass123",
        "testpass",
        "foobar",
        "dbpass",
        "dbpassword",
        "userpass",
    ]
)


def _password(match: re.Match[str]) -> bool:
    value = match["span"]
    if len(value) < 3 or value.lower() in DULL or value.lower() == match["user"].lower():
        return False
    if re.fullmatch(r"\d{1,5}", value) and "/" in match["user"]:
        return False
    return not is_placeholder(value)


def _signature(match: re.Match[str]) -> bool:
    return looks_random(match["span"])


DETECTORS = (
    token(
        PASSWORD,
        PASSWORD.title,
        r"""[A-Za-z][A-Za-z0-9+.-]{1,30}(?<!file)://(?P<user>[^\s/?#:@"'`<>\\,()]{0,120}):(?P<span>[^\s/?#@"'`<>\\]{3,200})@(?=[\w\[$%{.-])""",
        anchor=r"""[A-Za-z0-9+.-]://[^\s/?#:@"'`<>\\,()]*:[^\s/?#@"'`<>\\]{3,800}@""",
        accept=_password,
        true=(
            'os.environ["HTTPS_PROXY"] = "http://svc:⟦hunter-<n6>⟧@proxy.example.org:3128"',
            "postgresql+psycopg2://scott:⟦t1g<n8>⟧@db/prod",
            "redis://:⟦<n20>⟧@cache:6379/0",
            "https://oauth2:⟦<n20>⟧@git.example.org/a.git",
            "amqp://me:⟦pä<n8>⟧@mq",
        ),
        false=(
            "http://user:pass@host",
            "http://USER:PASSWORD@host",
            "https://user:<password>@host/",
            "postgres://user:${DB_PASS}@host",
            "http://me:{password}@host",
            "http://host:8080/a@b",
            "see https://example.org/a:b and me@example.org",
        ),
    ),
    token(
        PRESIGNED,
        PRESIGNED.title,
        r"(?i:[?&;](?:X-Amz-Signature|X-Goog-Signature|Signature|X-Amz-Security-Token)=)(?P<span>[A-Za-z0-9%+/_=-]{27,4000})",
        anchor=r"(?i)[?&;](?:X-Amz-Signature|X-Goog-Signature|Signature|X-Amz-Security-Token)=[A-Za-z0-9%+/_=-]{27}",
        reach=(200, 4200),
        accept=_signature,
        true=(
            "https://b.s3.amazonaws.com/r.json?X-Amz-Expires=900&X-Amz-Signature=⟦<h64>⟧",
            "https://storage.googleapis.com/b/o?X-Goog-Expires=9&X-Goog-Signature=⟦<h256>⟧",
            "https://d.cloudfront.net/x?Expires=1&Signature=⟦<w171>⟧&Key-Pair-Id=K<u13>",
            "https://b.s3.amazonaws.com/r?X-Amz-Security-Token=⟦<n200>⟧&x=1",
            "a?x=1&amp;X-Amz-Signature=⟦<h64>⟧",
        ),
        false=("https://b.s3.amazonaws.com/r.json?X-Amz-Signature=...", "?Signature=<n10>"),
    ),
    token(
        PRESIGNED,
        PRESIGNED.title,
        r"[?&;]sig=(?P<span>[A-Za-z0-9%+/_-]{40,120}={0,2})",
        anchor=r"[?&;]sig=[A-Za-z0-9%+/_-]{40}",
        accept=_signature,
        true=("https://a.blob.core.windows.net/c/rawOutputData?sv=2020&se=2026-01-01&sr=b&sig=⟦<n43>%3D⟧",),
        false=("https://a.blob.core.windows.net/c/d?sv=2020&se=2026", "?sig=<n12>"),
    ),
)
