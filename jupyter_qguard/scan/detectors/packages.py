"""Package registries, messaging, payment, mail and secret stores: tokens with a prefix of their own."""

from __future__ import annotations

import re

from ..finding import Rule
from ..placeholders import looks_random
from ._make import token

SLACK = Rule("slack-token", "Slack token", "high", "provider", "Slack token by its prefix (xoxb-, xapp- …)")


def _slack(match: re.Match[str]) -> bool:
    tail = match["core"].rsplit("-", 1)[-1]
    return looks_random(match["core"]) and len(tail) >= 10


DETECTORS = (
    token(
        "npm-token",
        "npm access token",
        r"(?<![A-Za-z0-9])npm_(?P<core>[A-Za-z0-9]{36})(?![A-Za-z0-9])",
        anchor=r"npm_[A-Za-z0-9]{36}",
        true=("//registry.example.org/:_authToken=⟦npm_<n36>⟧",),
        false=("npm_<n10>", "npm_config_registry_and_some_more_long_words"),
    ),
    token(
        "pypi-token",
        "Package index upload token",
        r"pypi-(?P<core>AgE[A-Za-z0-9_-]{50,1000})",
        anchor=r"pypi-AgE[A-Za-z0-9_-]{50}",
        reach=(200, 1200),
        true=("password = ⟦pypi-AgEIcHlwaS5vcmc<w120>⟧", "TWINE_PASSWORD=⟦pypi-AgENdGVzdC5weXBpLm9yZw<w90>⟧"),
        false=("pypi-AgEI<w8>",),
    ),
    token(
        "rubygems-token",
        "RubyGems API key",
        r"(?<![A-Za-z0-9])rubygems_(?P<core>[a-f0-9]{48})(?![a-f0-9])",
        anchor=r"rubygems_[a-f0-9]{48}",
        true=(":rubygems_api_key: ⟦rubygems_<h48>⟧",),
        false=("rubygems_<h10>",),
    ),
    token(
        "docker-token",
        "Docker Hub token",
        r"(?<![A-Za-z0-9_])dckr_(?:pat|oat)_(?P<core>[A-Za-z0-9_-]{27,40})",
        anchor=r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{27}",
        true=("docker login -p ⟦dckr_pat_<w27>⟧",),
        false=("dckr_pat_<w8>",),
    ),
    token(
        SLACK,
        SLACK.title,
        r"(?<![A-Za-z0-9])xox[abeoprs]-(?:\d-)?(?P<core>[A-Za-z0-9-]{24,400})",
        anchor=r"xox[abeoprs]-[A-Za-z0-9-]{24}",
        accept=_slack,
        true=("SLACK='⟦xoxb-<d12>-<d12>-<n24>⟧'", "⟦xoxp-<d11>-<d11>-<d11>-<h32>⟧", "⟦xoxe-1-<n146>⟧"),
        false=("xoxb-your-token-goes-here-please-now", "xoxb-xxxxxxxxxxxx-xxxxxxxxxxxx-xxxxxxxxxxxxxxxxxxxxxxxx"),
    ),
    token(
        SLACK,
        SLACK.title,
        r"xapp-\d-(?P<core>[A-Za-z0-9]{8,16}-\d{8,16}-[a-f0-9]{32,80})",
        anchor=r"xapp-[0-9]-[A-Za-z0-9]{8,16}-[0-9]{8,16}-[a-f0-9]{32}",
        true=("app = '⟦xapp-1-A<u10>-<d13>-<h64>⟧'",),
        false=("xapp-1-A<u10>",),
    ),
    token(
        "slack-webhook",
        "Slack webhook",
        r"(?i:https?://)?hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/(?P<core>[A-Za-z0-9_+]{8,12}/[A-Za-z0-9_]{8,40}/[A-Za-z0-9_/]{20,60})",
        anchor=r"hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/[A-Za-z0-9_+]{8}",
        true=("requests.post('⟦https://hooks.slack.com/services/T<u8>/B<u8>/<n24>⟧')",),
        false=(
            "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
            "https://hooks.slack.com/services/",
        ),
    ),
    token(
        "discord-webhook",
        "Discord webhook",
        r"(?i:https?://)?(?:ptb\.|canary\.)?discord(?:app)?\.com/api/webhooks/(?P<core>\d{17,20}/[A-Za-z0-9_-]{60,80})",
        anchor=r"discord(?:app)?\.com/api/webhooks/[0-9]{17}",
        true=("⟦https://discord.com/api/webhooks/<d18>/<w68>⟧",),
        false=("https://discord.com/api/webhooks/<d18>/token",),
    ),
    token(
        "stripe-key",
        "Stripe live key",
        r"(?<![A-Za-z0-9])(?:sk|rk)_live_(?P<core>[A-Za-z0-9]{16,250})|(?<![A-Za-z0-9])whsec_(?P<core2>[A-Za-z0-9+/]{32,64}={0,2})",
        anchor=(r"[sr]k_live_[A-Za-z0-9]{16}", r"whsec_[A-Za-z0-9+/]{32}"),
        severity="critical",
        true=("stripe.api_key = '⟦sk_live_<n24>⟧'", "⟦rk_live_<n99>⟧", "whs='⟦whsec_<n32>⟧'"),
        false=("sk_live_xxxxxxxxxxxxxxxxxxxxxxxx", "pk_live_<n24>"),
    ),
    token(
        "stripe-test-key",
        "Stripe test key",
        r"(?<![A-Za-z0-9])(?:sk|rk)_test_(?P<core>[A-Za-z0-9]{16,250})",
        anchor=r"[sr]k_test_[A-Za-z0-9]{16}",
        severity="low",
        true=("stripe.api_key = '⟦sk_test_<n24>⟧'",),
        false=("sk_test_<n6>",),
    ),
    token(
        "sendgrid-key",
        "SendGrid API key",
        r"(?<![A-Za-z0-9_-])SG\.(?P<core>[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43})(?![A-Za-z0-9_-])",
        anchor=r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}",
        true=("SENDGRID_API_KEY=⟦SG.<w22>.<w43>⟧",),
        false=("SG.<w22>",),
    ),
    token(
        "mailgun-key",
        "Mailgun key",
        r"(?<![A-Za-z0-9-])key-(?P<core>[a-f0-9]{32})(?![A-Za-z0-9])",
        anchor=r"key-[a-f0-9]{32}",
        true=("MAILGUN='⟦key-<h32>⟧'",),
        false=("key-<h8>", "cache-key-<h32>"),
    ),
    token(
        "vault-token",
        "HashiCorp Vault token",
        r"(?<![A-Za-z0-9_])hv[sbr]\.(?P<core>[A-Za-z0-9_-]{24,300})",
        anchor=r"hv[sbr]\.[A-Za-z0-9_-]{24}",
        severity="critical",
        true=("VAULT_TOKEN=⟦hvs.<w90>⟧", "hvac.Client(token='⟦hvs.<n24>⟧')", "⟦hvb.<w138>⟧"),
        false=("hvs.<n10>", "hvs.this_is_a_method_name_in_code"),
        accept=lambda match: looks_random(match["core"]) and any(c.isdigit() for c in match["core"]),
    ),
    token(
        "vault-token",
        "HashiCorp Vault token",
        r"(?i:vault[\w .]{0,16}token|hvac)[^\n]{0,60}?(?<![A-Za-z0-9_.])(?P<span>s\.[A-Za-z0-9]{24})(?![A-Za-z0-9])",
        anchor=r"s\.[A-Za-z0-9]{24}",
        severity="critical",
        true=("VAULT_TOKEN=⟦s.<n24>⟧",),
        false=("results.<n24>",),
    ),
    token(
        "doppler-token",
        "Doppler token",
        r"(?<![A-Za-z0-9_])dp\.(?:ct|pt|st|sa|scim|audit)\.(?:[a-z0-9_-]{2,35}\.)?(?P<core>[A-Za-z0-9]{40,44})(?![A-Za-z0-9])",
        anchor=r"dp\.(?:ct|pt|st|sa|scim|audit)\.[A-Za-z0-9_.-]{40}",
        true=("DOPPLER_TOKEN=⟦dp.pt.<n43>⟧",),
        false=("dp.pt.<n10>",),
    ),
    token(
        "shopify-token",
        "Shopify token",
        r"(?<![A-Za-z0-9_])shp(?:at|ca|pa|ss)_(?P<core>[a-fA-F0-9]{32})(?![A-Za-z0-9])",
        anchor=r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}",
        true=("SHOP=⟦shpat_<h32>⟧",),
        false=("shpat_<h8>",),
    ),
    token(
        "linear-api-key",
        "Linear API key",
        r"(?<![A-Za-z0-9_])lin_(?:api|oauth)_(?P<core>[A-Za-z0-9]{32,64})(?![A-Za-z0-9])",
        anchor=r"lin_(?:api|oauth)_[A-Za-z0-9]{32}",
        true=("LINEAR=⟦lin_api_<n40>⟧",),
        false=("lin_api_<n8>",),
    ),
    token(
        "notion-token",
        "Notion token",
        r"(?<![A-Za-z0-9_])(?:ntn_(?P<core>[A-Za-z0-9]{40,50})|secret_(?P<core2>[A-Za-z0-9]{43}))(?![A-Za-z0-9_])",
        anchor=(r"ntn_[A-Za-z0-9]{40}", r"secret_[A-Za-z0-9]{43}"),
        true=("NOTION=⟦ntn_<n46>⟧", "auth='⟦secret_<n43>⟧'"),
        false=("ntn_<n8>", "secret_<a43>_name"),
    ),
)
