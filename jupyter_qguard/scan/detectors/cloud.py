"""General clouds: AWS, Google, Azure storage."""

from __future__ import annotations

import re

from ..finding import Rule
from ..placeholders import looks_random, mixed
from ._assign import ASSIGN, LOOSE, mixed_random
from ._make import token

AWS_ID = Rule("aws-access-key-id", "AWS access key id", "high", "provider", "AKIA or ASIA and 16 base-32 characters")
AWS_SECRET = Rule(
    "aws-secret-access-key",
    "AWS secret access key",
    "critical",
    "context",
    "40-character key under its name or beside a key id",
)
AWS_SESSION = Rule("aws-session-token", "AWS session token", "high", "provider", "STS session token by its prefix")


def _key_id(match: re.Match[str]) -> bool:
    return not match[0].endswith("EXAMPLE") and looks_random(match[0])


def _secret_key(match: re.Match[str]) -> bool:
    value = match["span"]
    return mixed(value) and looks_random(value) and "EXAMPLE" not in value


DETECTORS = (
    token(
        AWS_ID,
        AWS_ID.title,
        r"(?<![A-Z0-9])(?:AKIA|ASIA)(?P<core>[A-Z2-7]{16})(?![A-Z0-9])",
        anchor=r"(?:AKIA|ASIA)[A-Z2-7]{16}",
        accept=_key_id,
        true=("aws_access_key_id = ⟦AKIA<216>⟧", '{"AccessKeyId": "⟦ASIA<216>⟧"}'),
        false=("AKIA<29>EXAMPLE", "AKIAAAAAAAAAAAAAAAAA"),
    ),
    token(
        AWS_SECRET,
        AWS_SECRET.title,
        rf"(?i:secret_?access_?key|aws[\w.-]{{0,16}}secret(?:_?key)?){LOOSE}(?P<span>[A-Za-z0-9/+]{{40}})(?![A-Za-z0-9/+=])",
        anchor=r"(?i)(?:secret_?access_?key|aws[\w.-]{0,16}secret)",
        accept=_secret_key,
        true=(
            'boto3.Session(aws_access_key_id="AKIA<216>", aws_secret_access_key="⟦<B40>⟧", region_name="us-east-1")',
            "%env AWS_SECRET_ACCESS_KEY=⟦<B40>⟧",
            "%env AWS_SECRET_ACCESS_KEY ⟦<B40>⟧",
            "os.environ['AWS_SECRET_ACCESS_KEY'] = '⟦<B40>⟧'",
            '{"SecretAccessKey": "⟦<B40>⟧", "Expiration": "2026-01-01T00:00:00Z"}',
            "aws_secret_access_key = ⟦<B40>⟧",
            "!aws configure set aws_secret_access_key ⟦<B40>⟧",
            "aws_secret: str = '⟦<B40>⟧'",
            r"{\"SecretAccessKey\": \"⟦<B40>⟧\"}",
        ),
        false=(
            'aws_secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"',
            "aws_secret_access_key = <h40>",
            'aws_secret_access_key=os.getenv("AWS_SECRET_ACCESS_KEY")',
        ),
    ),
    token(
        AWS_SECRET,
        AWS_SECRET.title,
        r"(?:AKIA|ASIA)[A-Z2-7]{16}(?![A-Z0-9])[^A-Za-z0-9/+]{1,12}(?:[A-Za-z_ ]{1,30}[^A-Za-z0-9/+]{1,12})?"
        r"(?P<span>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
        anchor=r"(?:AKIA|ASIA)[A-Z2-7]{16}",
        accept=_secret_key,
        true=('BraketProvider("AKIA<216>", "⟦<B40>⟧")', "AKIA<216>,⟦<B40>⟧", "AKIA<216>   ⟦<B40>⟧"),
        false=("AKIA<216> at commit <h40>",),
    ),
    token(
        AWS_SESSION,
        AWS_SESSION.title,
        r"(?<![A-Za-z0-9+/])(?:IQoJb3JpZ2lu|FwoGZXIv|FQoGZXIv)(?P<core>[A-Za-z0-9+/_-]{80,4000}={0,2})",
        anchor=r"(?:IQoJb3JpZ2lu|F[wQ]oGZXIv)[A-Za-z0-9+/_-]{80}",
        reach=(200, 4200),
        true=('os.environ["AWS_SESSION_TOKEN"] = "⟦IQoJb3JpZ2luX2Vj<B200>⟧"', "aws_session_token=⟦FwoGZXIv<B180>==⟧"),
        false=("IQoJb3JpZ2lu<B20>",),
    ),
    token(
        AWS_SESSION,
        AWS_SESSION.title,
        rf"(?i:aws_?session_?token|aws_?security_?token|session_?token){ASSIGN}(?P<span>[A-Za-z0-9+/=]{{100,4000}})",
        anchor=r"(?i)(?:session|security)_?token",
        accept=mixed_random,
        reach=(200, 4200),
        true=("os.environ['AWS_SESSION_TOKEN'] = '⟦<B160>⟧'",),
        false=("session_token = <h32>",),
    ),
    token(
        "amazon-braket-job-token",
        "Amazon Braket job token",
        rf"AMZN_BRAKET_JOB_TOKEN{ASSIGN}(?P<span>[\w./+=-]{{16,4000}})",
        anchor="AMZN_BRAKET_JOB_TOKEN",
        tier="context",
        reach=(200, 4200),
        why="value assigned to AMZN_BRAKET_JOB_TOKEN",
        true=("AMZN_BRAKET_JOB_TOKEN=⟦<n60>⟧",),
        false=('os.environ["AMZN_BRAKET_JOB_TOKEN"]',),
    ),
    token(
        "google-api-key",
        "Google API key",
        r"(?<![A-Za-z0-9_-])AIza(?P<core>[A-Za-z0-9_-]{35})(?![A-Za-z0-9_-])",
        anchor=r"AIza[A-Za-z0-9_-]{35}",
        true=("key=⟦AIza<w35>⟧", "GOOGLE_API_KEY = '⟦AIza<w35>⟧'"),
        false=("AIza<w20>", "AIza" + "x" * 35),
    ),
    token(
        "google-oauth-token",
        "Google OAuth access token",
        r"(?<![A-Za-z0-9_-])ya29\.(?P<core>[A-Za-z0-9_.-]{40,1100}[A-Za-z0-9_-])",
        anchor=r"ya29\.[A-Za-z0-9_.-]{40}",
        reach=(200, 1400),
        true=("Authorization: Bearer ⟦ya29.<w120>⟧", "t='⟦ya29.a0<w100>⟧'"),
        false=("ya29.<w12>", "ya29.xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
    ),
    token(
        "google-oauth-refresh-token",
        "Google OAuth refresh token",
        r"(?<![A-Za-z0-9_/-])1//0(?P<core>[A-Za-z0-9_-]{40,300})",
        anchor=r"1//0[A-Za-z0-9_-]{40}",
        true=('"refresh_token": "⟦1//0<w90>⟧"',),
        false=("1//0<w10>", "x = 1//0"),
    ),
    token(
        "google-oauth-client-secret",
        "Google OAuth client secret",
        r"GOCSPX-(?P<core>[A-Za-z0-9_-]{28})(?![A-Za-z0-9_-])",
        anchor=r"GOCSPX-[A-Za-z0-9_-]{28}",
        true=('"client_secret": "⟦GOCSPX-<w28>⟧"',),
        false=("GOCSPX-<w10>",),
    ),
    token(
        "azure-storage-key",
        "Azure storage account key",
        r"(?i:AccountKey|SharedAccessKey)=(?P<span>[A-Za-z0-9+/]{40,90}={0,2})",
        anchor=r"(?i)(?:AccountKey|SharedAccessKey)=[A-Za-z0-9+/]{40}",
        tier="context",
        why="AccountKey= or SharedAccessKey= of a connection string",
        true=(
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=⟦<B86>==⟧;EndpointSuffix=x",
            "SharedAccessKey=⟦<B43>=⟧",
        ),
        false=("AccountKey=<your-key>",),
    ),
    token(
        "azure-client-secret",
        "Microsoft Entra client secret",
        r"(?<![A-Za-z0-9_.~-])(?P<span>[A-Za-z0-9_.~-]{3}\dQ~[A-Za-z0-9_.~-]{31,34})(?![A-Za-z0-9_~-])",
        anchor=r"[0-9]Q~[A-Za-z0-9_.~-]{31}",
        true=('ClientSecretCredential(tenant_id=t, client_id=c, client_secret="⟦<n3>8Q~<w34>⟧")', "⟦<n3>7Q~<w31>⟧"),
        false=("<n3>8Q~<n12>",),
    ),
    token(
        "digitalocean-token",
        "DigitalOcean token",
        r"do[opr]_v1_(?P<core>[a-f0-9]{64})(?![a-f0-9])",
        anchor=r"do[opr]_v1_[a-f0-9]{64}",
        true=("DO=⟦dop_v1_<h64>⟧",),
        false=("dop_v1_<h20>",),
    ),
)
