"""The plug-ins of detect-secrets that need a name before the value, and those that only hint (entropy, keywords)."""

from __future__ import annotations

from ._assign import QUOTED_RUN
from ._yelp_rule import always, keyword, mixed_random, new_rule, no_placeholder, plugin
from ._yelp_unicode import DIGITS_ANCHOR, FOLDED_ANCHOR
from .yelp import DIGEST_NAME, by_delimited, by_entropy, by_keyword, public_address

_SEP = r"['\"]?\]? *(?:=|:|:=|=>| +|::) *['\"]?"
_KEYWORDS = (
    r"(?:api_?key|auth_?key|service_?key|account_?key|db_?key|database_?key|priv_?key|private_?key|client_?key|db_?pass"
    r"|database_?pass|key_?pass|password|passwd|pwd|secret|contrase(?:\xc3[\xb1\x91]|n)a)"
)
_BLANK = r"[\t\v\f \x1c-\x1f\x80-\xff]"


DETECTORS = (
    plugin(
        "artifactory.ArtifactoryDetector",
        new_rule("artifactory-credential", "Artifactory credential"),
        (
            DIGITS_ANCHOR,
            r"[\s=:\"\x1c-\x1f\x80-\xff]AKC[a-zA-Z0-9]{10}",
            r"[\s=:\"\x1c-\x1f\x80-\xff]AP[0-9ABCDEF][a-zA-Z0-9]{8}",
        ),
        by_delimited,
        keep=mixed_random,
        true=("artif-key:⟦AKC<n20>⟧ ", 'pw="⟦AP6<n24>⟧"'),
        false=("APARTMENTBUILDING", " APPENDABLE "),
    ),
    plugin(
        "cloudant.CloudantDetector",
        new_rule("cloudant-credential", "Cloudant credential", "context"),
        (
            FOLDED_ANCHOR,
            r"(?i)cl(?:ou(?:dant)?)?[_-]?(?:api)?(?:key|pw|pass|token)",
            r"(?i)https?://[^\n]*cloudant\.com",
        ),
        true=('cloudant_password = "⟦<h64>⟧"',),
        false=('cloudant_password = "<h20>"',),
    ),
    plugin(
        "ibm_cloud_iam.IbmCloudIamDetector",
        new_rule("ibm-cloud-iam-key", "IBM Cloud IAM key", "context"),
        (
            FOLDED_ANCHOR,
            rf"(?i)(?:key|pwd|pw|pass|password|token){_SEP}[a-zA-Z0-9_-]{{44}}",
        ),
        keep=mixed_random,
        true=('key = "⟦<w44>⟧"', "iam_key: ⟦<w44>⟧"),
        false=('key = "' + "ZXYI" * 11 + '"', "token=<h44>"),
    ),
    plugin(
        "ibm_cos_hmac.IbmCosHmacDetector",
        new_rule("ibm-cos-hmac-secret", "IBM Cloud Object Storage HMAC secret", "context"),
        (
            FOLDED_ANCHOR,
            rf"(?i)secret[-_]?(?:access)?[-_]?key{_SEP}[a-f0-9]{{48}}",
        ),
        true=('cos_hmac_secret_access_key = "⟦<h48>⟧"',),
        false=('secret_key = "<h20>"',),
    ),
    plugin(
        "ip_public.IPPublicDetector",
        new_rule("public-ip", "Public IP address", "generic", "info"),
        (r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]",),
        keep=public_address,
        true=("host = ⟦34.12.5.9⟧:", "at ⟦52.1.2.3:8080⟧"),
        false=("127.0.0.1", "192.168.1.1", "10.0.0.1", "version 1.2.3.4.5"),
    ),
    plugin(
        "keyword.KeywordDetector",
        new_rule("secret-keyword", "Value under a secret-sounding name", "generic", "low"),
        (
            FOLDED_ANCHOR,
            rf"(?i){_KEYWORDS}[A-Za-z0-9_\x80-\xff]*[\]'\"]{{0,2}}{_BLANK}*[:=!]",
            rf"(?i){_KEYWORDS}[^\n]*['\"`];",
            rf"['\"`]{_BLANK}*[!=]{{2,3}}{_BLANK}*[A-Za-z0-9_\x80-\xff]*{_KEYWORDS}",
        ),
        by_keyword,
        keep=keyword,
        longest=2048,
        true=(
            'password = "⟦hunter-<n6>⟧"',
            "my_secret: '⟦x9<a9>⟧'",
            "if '⟦q<n7>⟧' == db_pass:",
            'private_key "⟦z<n9>⟧";',
        ),
        false=('password = ""', 'password = "your-password"', 'secret = os.environ["A_SECRET"]', 'password="${PW}"'),
    ),
    plugin(
        "private_key.PrivateKeyDetector",
        new_rule("private-key-header", "Opening line of a private key", "generic", "low"),
        (r"BEGIN (?:(?:DSA|EC|OPENSSH|PGP|RSA|SSH2 ENCRYPTED) )?PRIVATE KEY", r"PuTTY-User-Key-File-2"),
        keep=always,
        true=("-----⟦BEGIN RSA PRIVATE KEY⟧-----", "⟦PuTTY-User-Key-File-2⟧"),
        false=("BEGIN PUBLIC KEY",),
    ),
    plugin(
        "softlayer.SoftlayerDetector",
        new_rule("softlayer-credential", "SoftLayer credential", "context"),
        (
            FOLDED_ANCHOR,
            r"(?i)(?:softlayer|sl)[_-]?(?:api)?[_-]?(?:key|pw|pass|token)",
            r"(?i)api.softlayer.com/soap/v3",
        ),
        true=('softlayer_api_key = "⟦<l64>⟧"', "http://api.softlayer.com/soap/v3/⟦<l64>⟧"),
        false=('softlayer_api_key = "<l20>"',),
    ),
    plugin(
        "high_entropy_strings.Base64HighEntropyString",
        new_rule("high-entropy-string", "Random-looking string", "generic", "low"),
        (QUOTED_RUN,),
        by_entropy,
        keep=no_placeholder,
        unless=DIGEST_NAME,
        true=("x = '⟦<n60>⟧'",),
        false=("x = 'hello world'", "x = '<n12>'", "nextToken = '<n44>'", '"integrity": "sha512-<n86>=="'),
    ),
    plugin(
        "high_entropy_strings.HexHighEntropyString",
        new_rule("high-entropy-hex", "Random-looking hex string", "generic", "low"),
        (r"[\"'][0-9A-Fa-f]{9,}[\"']",),
        by_entropy,
        keep=no_placeholder,
        unless=DIGEST_NAME,
        true=("x = '⟦<h64>⟧'",),
        false=("x = '00000000000000000000'", "'sha256': '<h64>'", "x = '<h64>'  # sha256 of y", '"model_id": "<h32>"'),
    ),
)
