"""Quantum vendors whose keys need their place to tell: IonQ, D-Wave without prefix, Azure, Rigetti, IQM …"""

from __future__ import annotations

from ...detector import Detector
from ...finding import Rule
from ...placeholders import looks_random, mixed
from .._assign import ASSIGN, mixed_random
from .._make import token
from ._vendor import vendor
from .self_identifying import AZURE_QUANTUM, DWAVE

IONQ = Rule(
    "ionq-api-key", "IonQ API key", "critical", "context", "32-character key in an IonQ call, variable or header"
)


DWAVE_UNMARKED = Rule(
    "dwave-token-unmarked", "D-Wave API token", "high", "context", "40 hex digits handed to a D-Wave call or variable"
)


def _key(value: str) -> bool:
    return mixed(value) and looks_random(value)


def _hex(value: str) -> bool:
    return looks_random(value) and any(c.isalpha() for c in value) and any(c.isdigit() for c in value)


def _rule(vendor_id: str, title: str, what: str = "api key") -> Rule:
    return Rule(vendor_id, title, "high", "context", f"{what} handed to a {title.rsplit(' ', 2)[0]} call or variable")


DETECTORS: tuple[Detector, ...] = (
    *vendor(
        IONQ,
        calls=(
            (r"IonQProvider|ionq\.Service|cirq_ionq\.Service|make_credentials_for_ionq", (0,)),
            (r"IonQDevice|IonQClient|Service", ()),
        ),
        env=r"QISKIT_IONQ_API_TOKEN|(?:CIRQ_|PENNYLANE_)?IONQ_API_(?:KEY|TOKEN)|(?i:ionq_?(?:api_?)?(?:key|token))",
        shape=r"[A-Za-z0-9]{32}",
        accept=_key,
        call_true=(
            'IonQProvider("⟦<n32>⟧")',
            'ionq.Service(api_key="⟦<n32>⟧")',
            'cirq_ionq.Service(\n    remote_host="https://api.example.org",\n    api_key="⟦<n32>⟧",\n)',
        ),
        call_false=('IonQProvider("' + "0" * 32 + '")', 'IonQProvider("<h32>")', 'Service("backend-name")'),
        env_true=(
            'os.environ["IONQ_API_KEY"]="⟦<n32>⟧"',
            "%env QISKIT_IONQ_API_TOKEN ⟦<n32>⟧",
            'getenv("IONQ_API_TOKEN", "⟦<n32>⟧")',
            "ionq_key = '⟦<n32>⟧'",
        ),
        env_false=('os.environ["IONQ_API_KEY"] = "' + "0" * 32 + '"', "IONQ_API_KEY=$KEY"),
    ),
    token(
        IONQ,
        IONQ.title,
        r"(?:(?i:apiKey)\s{1,4}|(?i:ionq[\w.\- ]{0,24}(?:token|key|secret))[^\n]{0,40}?[\"'=])"
        r"(?P<span>[A-Za-z0-9]{32})(?![A-Za-z0-9_/+=-])",
        anchor=(r"(?i)apiKey\s{1,4}[A-Za-z0-9]{32}", r"(?i)ionq[\w.\- ]{0,24}(?:token|key|secret)"),
        accept=mixed_random,
        true=(
            'headers={"Authorization": "apiKey ⟦<n32>⟧"}',
            'parser.add_argument("--ionq-token", default="⟦<n32>⟧")',
        ),
        false=("apiKey " + "0" * 32, "ionq token: <h32>"),
    ),
    *vendor(
        DWAVE_UNMARKED,
        calls=((r"DWaveSampler|DWaveCliqueSampler|LeapHybrid\w{0,30}|Client\.from_config|Client|load_config", ()),),
        env=r"DWAVE_API_TOKEN|DWAVE_TOKEN|SAPI_TOKEN",
        shape=r"(?:[A-Za-z]{2,6}-)?[0-9a-f]{40}",
        accept=lambda value: _hex(value[-40:]),
        call_true=(
            'DWaveSampler(endpoint="https://x", token="⟦<h40>⟧", solver="a")',
            'LeapHybridSampler(token="⟦JUL-<h40>⟧")',
        ),
        call_false=('Client.from_config(token="ABC-123456789012345678901234567890")', 'Client(sha="<h40>")'),
        env_true=("%env DWAVE_API_TOKEN=⟦<h40>⟧",),
        env_false=("DWAVE_API_TOKEN=" + "a" * 40,),
    ),
    token(
        DWAVE,
        DWAVE.title,
        rf"(?i:(?:access|refresh|id)[ _]token){ASSIGN}(?P<span>[A-Za-z0-9]{{2,6}}-[0-9a-f]{{40}})(?![A-Za-z0-9])",
        anchor=r"(?i)(?:access|refresh|id)[ _]token",
        true=("access_token: ⟦abc-<h40>⟧",),
        false=("abc-<h40>",),
    ),
    token(
        AZURE_QUANTUM,
        AZURE_QUANTUM.title,
        rf"(?i:x-ms-quantum-api-key){ASSIGN}(?P<span>[A-Za-z0-9_+/=-]{{20,120}})",
        anchor=r"(?i)x-ms-quantum-api-key",
        accept=mixed_random,
        true=('headers={"x-ms-quantum-api-key": "⟦<w60>⟧"}', '-H "x-ms-quantum-api-key: ⟦<w86>⟧"'),
        false=('"x-ms-quantum-api-key": key',),
    ),
    *vendor(
        Rule(
            "azure-credential",
            "Azure credential",
            "high",
            "context",
            "secret handed to an Azure identity call or variable",
        ),
        calls=((r"ClientSecretCredential", (2,)), (r"AzureKeyCredential", (0,))),
        env=r"AZURE_CLIENT_SECRET|AZURE_QUANTUM_API_KEY",
        keywords=r"client_secret|key|credential",
        call_true=('ClientSecretCredential("<uuid>", "<uuid>", "⟦<n34>⟧")', 'AzureKeyCredential("⟦<w60>⟧")'),
        call_false=('ClientSecretCredential(tenant_id="<uuid>", client_id="<uuid>", client_secret="<secret>")',),
        env_true=("AZURE_CLIENT_SECRET=⟦<n34>⟧",),
        env_false=("AZURE_CLIENT_SECRET=$SECRET", "AZURE_CLIENT_SECRET: the secret"),
    ),
    *vendor(
        _rule("rigetti-token", "Rigetti QCS token", "refresh token"),
        calls=((r"RefreshToken|build_oauth_session", (0,)),),
        env=r"RIGETTI_REFRESH_TOKEN|QCS_REFRESH_TOKEN",
        call_true=('RefreshToken("⟦<w43>⟧")',),
        call_false=('RefreshToken("<refresh token>")',),
        env_true=("RIGETTI_REFRESH_TOKEN=⟦<w43>⟧",),
        env_false=("RIGETTI_REFRESH_TOKEN=$TOKEN",),
    ),
    *vendor(
        _rule("quantinuum-credential", "Quantinuum Nexus credential", "password or token"),
        calls=((r"login_with_credentials", (1,)), (r"login_with_token", (0,))),
        env=r"NEXUS_QA_USER_PASSWORD|NEXUS_PASSWORD|HQS_PASSWORD|NEXUS_MANAGED_TOKENS",
        call_true=('qnx.login_with_credentials("me@example.org", "⟦Pa55-<n12>⟧")',),
        call_false=("qnx.login()", 'qnx.login_with_credentials(user, "your-password")'),
        env_true=("HQS_PASSWORD=⟦Pa55-<n12>⟧",),
        env_false=("HQS_PASSWORD=getpass()",),
    ),
    *vendor(
        _rule("iqm-token", "IQM token", "token"),
        calls=((r"IQMProvider|IQMClient|IQMClient\.from_url|save_iqm_credentials", ()),),
        env=r"IQM_TOKEN|IQM_API_(?:KEY|TOKEN)",
        call_true=('IQMProvider("https://iqm.example.org", quantum_computer="e", token="⟦<B64>⟧")',),
        call_false=('IQMProvider(url, token="<token here>")',),
        env_true=("%env IQM_TOKEN=⟦<B64>⟧",),
        env_false=('export IQM_TOKEN="<token here>"', "export IQM_TOKEN=$(curl x)"),
    ),
    *vendor(
        _rule("pasqal-credential", "Pasqal credential", "password or token"),
        calls=((r"PasqalCloud|PasqalCloudClient|SDK|PasswordGrantTokenProvider", (1,)),),
        near="pasqal",
        env=r"PASQAL_PASSWORD|PASQAL_PULSER_ACCESS_TOKEN|PASQAL_TOKEN",
        call_true=(
            'PasqalCloud(username="me@example.org", password="⟦Ab!Pw-<n11>⟧", project_id="<uuid>")',
            'from pasqal_cloud import SDK\nSDK("me@example.org", "⟦Ab!Pw-<n11>⟧")',
        ),
        call_false=(
            'SDK("key-1", "eu-central-1")',
            'SDK("me", getpass())',
            "PasqalCloud(username=..., password=..., project_id=...)",
        ),
        env_true=('os.environ["PASQAL_PASSWORD"] = "⟦Ab!Pw-<n11>⟧"',),
        env_false=('os.environ["PASQAL_PASSWORD"]',),
    ),
    *vendor(
        _rule("xanadu-token", "Xanadu Cloud token", "token"),
        calls=(
            (r"store_account", (0,)),
            (r"Settings|Connection", ()),
        ),
        env=r"XANADU_CLOUD_(?:REFRESH|ACCESS)_TOKEN|sf_token|SF_API_TOKEN",
        keywords=r"(?i)(?:refresh|access)_token|authentication_token",
        call_true=('sf.store_account("⟦<w60>⟧")', 'xcc.Settings(REFRESH_TOKEN="⟦<w60>⟧")'),
        call_false=("Settings(REFRESH_TOKEN=None, ACCESS_TOKEN=None)", 'Connection("a-host-name")'),
        env_true=('qml.device("strawberryfields.remote", sf_token="⟦<w60>⟧")', "XANADU_CLOUD_REFRESH_TOKEN=⟦<w60>⟧"),
        env_false=("sf_token=my_token",),
    ),
)
