"""Which rule each plug-in of detect-secrets is, where to look for it, and how its whole secret is spelled."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..detector import Samples, TokenDetector
from ..finding import Rule, Severity, Tier
from ..placeholders import is_placeholder, looks_random, mixed
from . import cloud, forges, jwt, models, packages, urls
from ._yelp_unicode import UNICODE_ANCHOR
from .yelp import (
    Pairs,
    PluginDetector,
    by_delimited,
    by_entropy,
    by_first_of_run,
    by_keyword,
    by_regex,
    by_whole,
    first_regex,
    public_address,
    second_regex,
)

_SEP = r"['\"]?\]? *(?:=|:|:=|=>| +|::) *['\"]?"
_KEYWORDS = (
    r"(?:api_?key|auth_?key|service_?key|account_?key|db_?key|database_?key|priv_?key|private_?key|client_?key|db_?pass"
    r"|database_?pass|key_?pass|password|passwd|pwd|secret|contrase(?:\xc3[\xb1\x91]|n)a)"
)
_BLANK = r"[\t\v\f \x1c-\x1f\x80-\xff]"


def _shared(detectors: tuple[TokenDetector, ...], rule_id: str) -> Rule:
    return next(detector.rule for detector in detectors if detector.rule.id == rule_id)


def _aws(value: str) -> bool:
    return looks_random(value) and not value.endswith(("EXAMPLE", "EXAMPLEKEY")) and (len(value) == 20 or mixed(value))


def _keyword(value: str) -> bool:
    """Accept a value that is no stand-in, no reference to something else and no prose."""
    return len(value) >= 4 and not is_placeholder(value) and re.search(r"[()\[\]{}$%]|\.\w+\.", value) is None


def _mixed(value: str) -> bool:
    return mixed(value) and looks_random(value)


def _artifactory(value: str) -> bool:
    return looks_random(value) and mixed(value)


def _url_password(value: str) -> bool:
    return len(value) >= 3 and not is_placeholder(value) and value.lower() not in urls.DULL


def _always(_value: str) -> bool:
    return True


def _plugin(
    name: str,
    rule: Rule,
    anchors: tuple[str, ...],
    find: Callable[[str, str], Pairs] = by_regex,
    *,
    keep: Callable[[str], bool] = looks_random,
    extend: str = "",
    true: tuple[str, ...],
    false: tuple[str, ...] = (),
    longest: int = 16_384,
) -> PluginDetector:
    return PluginDetector(rule, (*anchors, UNICODE_ANCHOR), name, find, keep, extend, Samples(true, false), longest)


_WHY: dict[Tier, str] = {
    "provider": "the shape alone tells",
    "context": "the name before it tells",
    "generic": "a hint",
}


def _rule(rule_id: str, title: str, tier: Tier = "provider", severity: Severity = "high") -> Rule:
    return Rule(rule_id, title, severity, tier, f"{title}: {_WHY[tier]}", low_entropy=tier == "generic")


DETECTORS = (
    _plugin(
        "artifactory.ArtifactoryDetector",
        _rule("artifactory-credential", "Artifactory credential"),
        (
            r"[\s=:\"\x1c-\x1f\x80-\xff]AKC[a-zA-Z0-9]{10}",
            r"[\s=:\"\x1c-\x1f\x80-\xff]AP[0-9ABCDEF][a-zA-Z0-9]{8}",
        ),
        by_delimited,
        keep=_artifactory,
        true=("artif-key:⟦AKC<n20>⟧ ", 'pw="⟦AP6<n24>⟧"'),
        false=("APARTMENTBUILDING", " APPENDABLE "),
    ),
    _plugin(
        "aws.AWSKeyDetector",
        cloud.AWS_ID,
        (r"(?:A3T[A-Z0-9]|ABIA|ACCA|AKIA|ASIA)[0-9A-Z]{16}",),
        first_regex,
        keep=_aws,
        true=("id = ⟦ABIA<u16>⟧",),
        false=("AKIAIOSFODNN7EXAMPLE",),
    ),
    _plugin(
        "aws.AWSKeyDetector",
        cloud.AWS_SECRET,
        (r"(?i)aws[^\n]*['\"][0-9a-zA-Z/+]{40}['\"]",),
        second_regex,
        keep=_aws,
        true=("aws_key = '⟦<B40>⟧'",),
        false=("aws_key = '<h40>'",),
    ),
    _plugin(
        "azure_storage_key.AzureStorageKeyDetector",
        _shared(cloud.DETECTORS, "azure-storage-key"),
        (r"AccountKey=[a-zA-Z0-9+/=]{40}",),
        true=("⟦AccountKey=<B86>==⟧",),
        false=("AccountKey=<B20>",),
    ),
    _plugin(
        "basic_auth.BasicAuthDetector",
        urls.PASSWORD,
        (r"://[^:/?#\[\]@!$&'()*+,;=\s]+:[^:/?#\[\]@!$&'()*+,;=\s]+@",),
        keep=_url_password,
        true=("https://me:⟦<n14>⟧@host",),
        false=("https://user:pass@host", "https://me@host:80/"),
    ),
    _plugin(
        "cloudant.CloudantDetector",
        _rule("cloudant-credential", "Cloudant credential", "context"),
        (r"(?i)cl(?:ou(?:dant)?)?[_-]?(?:api)?(?:key|pw|pass|token)", r"(?i)https?://[^\n]*cloudant\.com"),
        true=('cloudant_password = "⟦<h64>⟧"', "https://me:⟦<h64>⟧@me.cloudant.com"),
        false=('cloudant_password = "<h20>"',),
    ),
    _plugin(
        "discord.DiscordBotTokenDetector",
        _rule("discord-bot-token", "Discord bot token"),
        (r"[MNO][a-zA-Z0-9_-]{23,25}\.[a-zA-Z0-9_-]{6}\.[a-zA-Z0-9_-]{27}",),
        keep=_mixed,
        extend="a-zA-Z0-9_-",
        true=("DISCORD='⟦M<n23>.<n6>.<n27>⟧'", "⟦N<n25>.<n6>.<n38>⟧"),
        false=("M<a23>.method.<a27>",),
    ),
    _plugin(
        "github_token.GitHubTokenDetector",
        forges.GITHUB,
        (r"gh[pousr]_[A-Za-z0-9_]{36}",),
        by_whole,
        extend="A-Za-z0-9_",
        true=("⟦ghp_<n36>⟧", "⟦gho_<n40>⟧"),
        false=("ghp_<n12>",),
    ),
    _plugin(
        "gitlab_token.GitLabTokenDetector",
        forges.GITLAB,
        (
            r"gl(?:pat|dt|ft|soat|rt|imt|ptt|agent|oas)-[A-Za-z0-9_-]{20}",
            r"GR1348941[A-Za-z0-9_-]{20}",
            r"glcbt-[A-Za-z0-9_-]{20}",
        ),
        by_whole,
        true=("⟦glpat-<n20>⟧", "⟦glcbt-1f_<n20>⟧", "⟦GR1348941<n20>⟧"),
        false=("glpat-<n9>",),
    ),
    _plugin(
        "ibm_cloud_iam.IbmCloudIamDetector",
        _rule("ibm-cloud-iam-key", "IBM Cloud IAM key", "context"),
        (rf"(?i)(?:key|pwd|pw|pass|password|token){_SEP}[a-zA-Z0-9_-]{{44}}",),
        keep=_mixed,
        true=('key = "⟦<w44>⟧"', "iam_token: ⟦<w44>⟧"),
        false=('key = "' + "ZXYI" * 11 + '"', "token=<h44>"),
    ),
    _plugin(
        "ibm_cos_hmac.IbmCosHmacDetector",
        _rule("ibm-cos-hmac-secret", "IBM Cloud Object Storage HMAC secret", "context"),
        (rf"(?i)secret[-_]?(?:access)?[-_]?key{_SEP}[a-f0-9]{{48}}",),
        true=('cos_hmac_secret_access_key = "⟦<h48>⟧"',),
        false=('secret_key = "<h20>"',),
    ),
    _plugin(
        "ip_public.IPPublicDetector",
        _rule("public-ip", "Public IP address", "generic", "info"),
        (r"[^A-Za-z0-9_.][0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}",),
        keep=public_address,
        true=("host = ⟦34.12.5.9⟧:", "at ⟦52.1.2.3:8080⟧"),
        false=("127.0.0.1", "192.168.1.1", "10.0.0.1", "version 1.2.3.4.5"),
    ),
    _plugin(
        "jwt.JwtTokenDetector",
        _shared(jwt.DETECTORS, "json-web-token"),
        (r"eyJ[A-Za-z0-9_=-]+\.[A-Za-z0-9_=-]",),
        by_first_of_run(r"eyJ[A-Za-z0-9\-_=]+"),
        keep=jwt.is_token,
        extend=r"A-Za-z0-9_.+/=-",
        true=("t=⟦<jwt>⟧",),
        false=("eyJhbGciOiJIUzI1NiJ9.x",),
    ),
    _plugin(
        "keyword.KeywordDetector",
        _rule("secret-keyword", "Value under a secret-sounding name", "generic", "low"),
        (
            rf"(?i){_KEYWORDS}[A-Za-z0-9_\x80-\xff]*[\]'\"]{{0,2}}{_BLANK}*[:=!]",
            rf"(?i){_KEYWORDS}[^\n]*['\"`];",
            rf"['\"`]{_BLANK}*[!=]{{2,3}}{_BLANK}*[A-Za-z0-9_\x80-\xff]*{_KEYWORDS}",
        ),
        by_keyword,
        keep=_keyword,
        longest=2048,
        true=(
            'password = "⟦hunter-<n6>⟧"',
            "my_secret: '⟦x9<a9>⟧'",
            "if '⟦q<n7>⟧' == db_pass:",
            'private_key "⟦z<n9>⟧";',
        ),
        false=('password = ""', 'password = "your-password"', 'secret = os.environ["A_SECRET"]', 'password="${PW}"'),
    ),
    _plugin(
        "mailchimp.MailchimpDetector",
        _rule("mailchimp-key", "Mailchimp API key"),
        (r"[0-9a-z]{32}-us[0-9]",),
        true=("⟦<h32>-us12⟧",),
        false=("<h30>-us1",),
    ),
    _plugin(
        "npm.NpmDetector",
        _shared(packages.DETECTORS, "npm-token"),
        (r":_authToken=",),
        by_first_of_run(r"//"),
        true=("//registry.example.org/:_authToken=⟦npm_<n36>⟧", "//r.example.org/:_authToken=⟦<uuid>⟧"),
        false=("//registry.example.org/:_authToken=${NPM_TOKEN}",),
    ),
    _plugin(
        "openai.OpenAIDetector",
        _shared(models.DETECTORS, "openai-api-key"),
        (r"T3BlbkFJ[A-Za-z0-9]{20}",),
        by_first_of_run(r"sk-[A-Za-z0-9\-_]*"),
        extend="A-Za-z0-9_-",
        true=("⟦sk-<n20>T3BlbkFJ<n20>⟧", "⟦sk-proj-<n20>T3BlbkFJ<n20>⟧"),
        false=("sk-<n8>T3BlbkFJ<n8>",),
    ),
    _plugin(
        "private_key.PrivateKeyDetector",
        _rule("private-key-header", "Opening line of a private key", "generic", "low"),
        (r"BEGIN (?:(?:DSA|EC|OPENSSH|PGP|RSA|SSH2 ENCRYPTED) )?PRIVATE KEY", r"PuTTY-User-Key-File-2"),
        keep=_always,
        true=("-----⟦BEGIN RSA PRIVATE KEY⟧-----", "⟦PuTTY-User-Key-File-2⟧"),
        false=("BEGIN PUBLIC KEY",),
    ),
    _plugin(
        "pypi_token.PypiTokenDetector",
        _shared(packages.DETECTORS, "pypi-token"),
        (r"pypi-Ag(?:EIcHlwaS5vcmc|ENdGVzdC5weXBpLm9yZw)[A-Za-z0-9_-]{70}",),
        true=("⟦pypi-AgEIcHlwaS5vcmc<w90>⟧",),
        false=("pypi-AgEIcHlwaS5vcmc<w9>",),
    ),
    _plugin(
        "sendgrid.SendGridDetector",
        _shared(packages.DETECTORS, "sendgrid-key"),
        (r"SG\.[a-zA-Z0-9_-]{22}\.[a-zA-Z0-9_-]{43}",),
        true=("⟦SG.<n22>.<n43>⟧",),
        false=("SG.<n22>.<n4>",),
    ),
    _plugin(
        "slack.SlackDetector",
        packages.SLACK,
        (r"(?i)xox[abposr]-[0-9]+-",),
        first_regex,
        extend="A-Za-z0-9-",
        true=("⟦xoxb-<d12>-<d12>-<n24>⟧",),
        false=("xoxb-", "xoxb-1-x"),
    ),
    _plugin(
        "slack.SlackDetector",
        _shared(packages.DETECTORS, "slack-webhook"),
        (r"(?i)hooks\.slack\.com/services/T[a-zA-Z0-9_]",),
        second_regex,
        extend="A-Za-z0-9_",
        true=("⟦https://hooks.slack.com/services/T<u8>/B<u8>/<n24>⟧",),
        false=("https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",),
    ),
    _plugin(
        "softlayer.SoftlayerDetector",
        _rule("softlayer-credential", "SoftLayer credential", "context"),
        (r"(?i)(?:softlayer|sl)[_-]?(?:api)?[_-]?(?:key|pw|pass|token)", r"(?i)api.softlayer.com/soap/v3"),
        true=('softlayer_api_key = "⟦<l64>⟧"', "http://api.softlayer.com/soap/v3/⟦<l64>⟧"),
        false=('softlayer_api_key = "<l20>"',),
    ),
    _plugin(
        "square_oauth.SquareOAuthDetector",
        _rule("square-oauth-secret", "Square OAuth secret"),
        (r"sq0csp-[0-9A-Za-z\\_-]{43}",),
        extend=r"0-9A-Za-z_-",
        true=("⟦sq0csp-<n43>⟧",),
        false=("sq0csp-<n8>",),
    ),
    _plugin(
        "stripe.StripeDetector",
        _shared(packages.DETECTORS, "stripe-key"),
        (r"[rs]k_live_[0-9a-zA-Z]{24}",),
        extend="0-9a-zA-Z",
        true=("⟦sk_live_<n24>⟧", "⟦rk_live_<n99>⟧"),
        false=("sk_live_<n8>",),
    ),
    _plugin(
        "telegram_token.TelegramBotTokenDetector",
        _rule("telegram-bot-token", "Telegram bot token"),
        (r"[0-9]{8,10}:[0-9A-Za-z_-]{35}",),
        keep=_mixed,
        extend="0-9A-Za-z_-",
        true=("bot = '⟦<d9>:AA<n33>⟧'",),
        false=("<d9>:<a20>",),
    ),
    _plugin(
        "twilio.TwilioKeyDetector",
        _rule("twilio-key", "Twilio key"),
        (r"(?:AC|SK)[a-z0-9]{32}",),
        true=("⟦SK<h32>⟧", "⟦AC<h32>⟧"),
        false=("AC<h12>",),
    ),
    _plugin(
        "high_entropy_strings.Base64HighEntropyString",
        _rule("high-entropy-string", "Random-looking string", "generic", "low"),
        (r"[\"'][A-Za-z0-9+/\\_=-]{23,}[\"']",),
        by_entropy,
        true=("x = '⟦<n60>⟧'",),
        false=("x = 'hello world'", "x = '<n12>'"),
    ),
    _plugin(
        "high_entropy_strings.HexHighEntropyString",
        _rule("high-entropy-hex", "Random-looking hex string", "generic", "low"),
        (r"[\"'][0-9A-Fa-f]{9,}[\"']",),
        by_entropy,
        true=("x = '⟦<h64>⟧'",),
        false=("x = '00000000000000000000'",),
    ),
)
