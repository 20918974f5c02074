"""Further quantum services: compilers, error suppression, brokers of several vendors' machines."""

from __future__ import annotations

from ...detector import Detector
from ...finding import Rule
from ...placeholders import looks_random, mixed
from .._assign import ASSIGN, QUOTE, mixed_random, strong
from .._make import token
from ._vendor import vendor


def _rule(rule_id: str, title: str) -> Rule:
    return Rule(rule_id, title, "high", "context", f"{title} handed to its SDK's call or variable")


def _alnum(value: str) -> bool:
    return mixed(value) and looks_random(value)


def _hex(value: str) -> bool:
    return looks_random(value) and any(c.isalpha() for c in value) and any(c.isdigit() for c in value)


BLUEQUBIT = _rule("bluequbit-token", "BlueQubit token")
SUPERSTAQ = _rule("superstaq-api-key", "Superstaq API key")
OTHER = Rule(
    "quantum-service-credential",
    "Credential of a quantum service",
    "high",
    "context",
    "secret handed to a quantum SDK's call or variable",
)

DETECTORS: tuple[Detector, ...] = (
    *vendor(
        BLUEQUBIT,
        calls=((r"bluequbit\.init|BQClient|bq\.init", (0,)),),
        env=r"BLUEQUBIT_API_TOKEN|BLUEQUBIT_TOKEN",
        shape=r"[A-Za-z0-9]{32}",
        accept=_alnum,
        call_true=('bluequbit.init("⟦<n32>⟧")',),
        call_false=('bluequbit.init("<token>")',),
        env_true=("BLUEQUBIT_API_TOKEN=⟦<n32>⟧",),
        env_false=("BLUEQUBIT_API_TOKEN=x",),
    ),
    token(
        BLUEQUBIT,
        BLUEQUBIT.title,
        r"(?i:authorization)[^\n]{0,12}?SDK\s(?P<span>[A-Za-z0-9]{32})(?![A-Za-z0-9])",
        anchor=r"SDK\s[A-Za-z0-9]{32}",
        accept=mixed_random,
        true=('!curl -H "Authorization: SDK ⟦<n32>⟧" https://app.example.org',),
        false=("Authorization: SDK <token>",),
    ),
    *vendor(
        _rule("qci-token", "QCI token"),
        calls=((r"QciClient|OptimizationClient", (0,)),),
        env=r"QCI_TOKEN|QCI_API_TOKEN",
        shape=r"[0-9a-f]{32}",
        accept=_hex,
        call_true=('QciClient(api_token="⟦<h32>⟧", url="https://api.example.org")',),
        call_false=('QciClient(url="<h32>")',),
        env_true=("QCI_TOKEN=⟦<h32>⟧",),
        env_false=("QCI_TOKEN=" + "0" * 32,),
    ),
    *vendor(
        SUPERSTAQ,
        calls=((r"SuperstaqProvider|(?:css|qss|cirq_superstaq|qiskit_superstaq|superstaq)\.Service", (0,)),),
        env=r"SUPERSTAQ_API_KEY",
        call_true=('SuperstaqProvider(api_key="⟦<n32>⟧")',),
        call_false=('SuperstaqProvider("MY_SUPERSTAQ_TOKEN")', 'SuperstaqProvider("tomyheart")'),
        env_true=("SUPERSTAQ_API_KEY=⟦<n32>⟧",),
        env_false=("SUPERSTAQ_API_KEY=${X}",),
    ),
    token(
        SUPERSTAQ,
        SUPERSTAQ.title,
        r"<SuperstaqProvider\(api_key=(?P<span>[^\s,)<>]{8,200})",
        anchor=r"SuperstaqProvider\(api_key=",
        accept=strong,
        true=("<SuperstaqProvider(api_key=⟦ss-<n30>⟧, name=superstaq_provider)>",),
        false=("<SuperstaqProvider(api_key=None, name=x)>",),
    ),
    *vendor(
        _rule("qctrl-api-key", "Q-CTRL API key"),
        calls=((r"authenticate_qctrl_account|cloud\.authenticate|boulderopal\.authenticate", (0,)),),
        env=r"QCTRL_API_KEY",
        call_true=('fo.authenticate_qctrl_account(api_key="⟦<n40>⟧")', 'bo.cloud.authenticate("⟦<n40>⟧")'),
        call_false=('fo.authenticate_qctrl_account(api_key=os.environ["QCTRL_API_KEY"])',),
        env_true=("QCTRL_API_KEY=⟦<n40>⟧",),
        env_false=("QCTRL_API_KEY=your-key",),
    ),
    *vendor(
        _rule("scaleway-secret-key", "Scaleway secret key"),
        calls=((r"ScalewayProvider|QaaSClient", (1,)),),
        env=r"QISKIT_SCALEWAY_SECRET_KEY|SCW_SECRET_KEY",
        keywords="secret_key",
        shape=r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        accept=looks_random,
        call_true=('ScalewayProvider(project_id="<uuid>", secret_key="⟦<uuid>⟧")',),
        call_false=('ScalewayProvider(project_id="<uuid>")',),
        env_true=("SCW_SECRET_KEY=⟦<uuid>⟧",),
        env_false=("SCW_PROJECT_ID=<uuid>",),
    ),
    *vendor(
        _rule("quantum-inspire-token", "Quantum Inspire token"),
        calls=((r"save_account|enable_account|get_token_authentication|load_account", (0,)),),
        env=r"QUANTUM_INSPIRE_(?:API_)?TOKEN|QI_TOKEN",
        keywords=r"token|user_token",
        shape=r"[0-9a-f]{40}",
        accept=_hex,
        call_true=('save_account("⟦<h40>⟧")', 'get_token_authentication("⟦<h40>⟧")'),
        call_false=('save_account("' + "a" * 40 + '")',),
        env_true=("QI_TOKEN=⟦<h40>⟧",),
        env_false=("QI_TOKEN=x",),
    ),
    *vendor(
        OTHER,
        calls=(
            (r"OQCClient|OQCProvider|AQTProvider|AliceBobRemoteProvider|AliceBobLocalProvider|QbraidProvider", (0,)),
            (
                r"strangeworks\.authenticate|sw\.authenticate|haiqu\.login|set_token|QCloud\.init_qvm",
                (0,),
            ),
            (
                r"qibo_client\.Client|RemoteConfig\.set_token|save_apitoken|DirectAccessProvider|QbraidSession(?:V1)?",
                (0,),
            ),
            (r"save_(?:aws|azure|iqm)_credentials", (0, 1, 3)),
            (r"RemoteProcessor|configure_account|DirectAccessProvider\.get_resource|BasicAuthentication", (1,)),
            (r"QPilotOSMachine|AQTDevice|AmplifyClient|FixstarsClient|OpenQuantumProvider|QudoraProvider|User", ()),
        ),
        env=(
            r"OQC_AUTH_TOKEN|OQC_PASSWORD|AQT_(?:ACCESS_)?TOKEN|AQT_CLIENT_SECRET|CLASSIQ_CLIENT_SECRET|CLASSIQ_XCH_TOKEN"
            r"|QBRAID_API_KEY|QBRAID_ACCESS_TOKEN|HAIQU_API_KEY|QORO_API_KEY|QUDORA_API_TOKEN|OPENQUANTUM_CLIENT_SECRET"
            r"|ORIGIN_API_KEY|PCVL_CLOUD_TOKEN|QUANDELA_TOKEN|STRANGEWORKS_API_KEY|NGC_API_KEY|TENSORCIRCUIT_TOKEN|ALICE_BOB_API_KEY"
        ),
        call_true=(
            'OQCClient(url="https://oqc.example.org/", authentication_token="⟦<n40>⟧")',
            'AliceBobRemoteProvider(api_key="⟦<B48>⟧")',
            'strangeworks.authenticate(api_key="⟦<n32>⟧")',
            'haiqu.login(api_access_key="⟦<n32>⟧")',
            'qibo_client.Client(token="⟦<h64>⟧")',
            'AQTProvider("⟦<n32>⟧")',
        ),
        call_false=(
            'AQTProvider("ACCESS_TOKEN")',
            "AliceBobRemoteProvider(api_key='YOUR_API_KEY')",
            'user.save_apitoken(" ")',
            'User("plain-name-1")',
        ),
        env_true=('os.environ["OQC_AUTH_TOKEN"] = "⟦<n40>⟧"', "AQT_TOKEN=⟦<n40>⟧"),
        env_false=("AQT_TOKEN=<token>", "HAIQU_API_KEY=your-key-here"),
    ),
    token(
        OTHER,
        OTHER.title,
        rf"(?i:x-api-key|x-api-token|x-auth-token|oqcs_auth|x-vault-token){ASSIGN}(?P<span>[A-Za-z0-9_+/=.-]{{20,400}})(?!{QUOTE}?\()",
        anchor=r"(?i)(?:x-api-key|x-api-token|x-auth-token|oqcs_auth|x-vault-token)",
        accept=strong,
        true=('headers = {"X-API-Key": "⟦<n40>⟧"}', '!curl -H "X-Auth-Token: ⟦<uuid>⟧" https://x'),
        false=('{"X-API-Key": api_key}', '"X-API-Key": "your-api-key-goes-here"'),
    ),
)
