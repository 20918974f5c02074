"""IBM Quantum and IBM Cloud: the 44-character key and the classic 128-hex token, where they stand as credentials."""

from __future__ import annotations

import re

from ...detector import Samples
from ...finding import Rule
from ...placeholders import looks_random, mixed
from .._assign import ASSIGN, LOOSE
from .._calls import CallDetector
from .._make import token

CLOUD = Rule(
    "ibm-cloud-api-key",
    "IBM Cloud API key",
    "critical",
    "context",
    "44-character key handed to an IBM Quantum call, variable, header or request body",
)
CLASSIC = Rule(
    "ibm-quantum-classic-token",
    "IBM Quantum classic token",
    "high",
    "context",
    "128 hex digits beside a word such as token, account or IBM",
)

ENV = (
    r"(?:QISKIT_IBM_(?:RUNTIME_)?TOKEN|QISKIT_IBM_API_(?:KEY|TOKEN)|IQP_API_TOKEN|IBM_QUANTUM_(?:API_)?(?:TOKEN|KEY)|IBM_QUANTUM_PLATFORM_(?:TOKEN|API_KEY)"
    r"|IBM_CLOUD_API_?KEY|IBMCLOUD_API_?KEY|IBMQX?_(?:API_)?TOKEN|IBM_(?:API_)?(?:TOKEN|KEY)|QXToken|QX_TOKEN|QE_TOKEN)"
)
_CLOUD_KEY = r"(?<![A-Za-z0-9_-])(?P<span>[A-Za-z0-9_-]{44})(?![A-Za-z0-9_=-]|\.[A-Za-z0-9_-]{6})"
HASH_WORDS = re.compile(r"(?i)sha-?\d{3}|hexdigest|digest|checksum|hash|signature|fingerprint|blake|hmac|nonce")
_TOKEN_WORDS = re.compile(r"(?i)token|ibm|qiskit|account|api.?key|apikey|credential|secret|令牌")


_PREFIXED_HEX = re.compile(r"[A-Za-z]{3}-[0-9a-f]{40}")
"""Also 44 characters: a D-Wave token."""


def is_cloud_key(value: str) -> bool:
    """Say whether 44 characters look like a key: upper, lower, digit, no run, no other vendor's form."""
    return mixed(value) and looks_random(value) and _PREFIXED_HEX.fullmatch(value) is None


def _cloud_key(match: re.Match[str]) -> bool:
    return is_cloud_key(match["span"])


def _literal(value: str, _depth: int) -> bool:
    return is_cloud_key(value)


def _classic(match: re.Match[str]) -> bool:
    """Accept 128 hex digits that follow or precede a telling word within a line or so, and no digest's name."""
    value = match["span"]
    if not looks_random(value) or not any(c in "abcdef" for c in value) or value.strip("01") == "":
        return False
    before = match.string[max(0, match.start("span") - 200) : match.start("span")]
    after = match.string[match.end("span") : match.end("span") + 60].partition("\n")[0]
    line = before.rpartition("\n")[2]
    near = before[-80:] if len(line) < 80 else line
    if HASH_WORDS.search(line[-60:]) or HASH_WORDS.search(after):
        return False
    return _TOKEN_WORDS.search(near) is not None or _TOKEN_WORDS.search(after) is not None


DETECTORS = (
    token(
        CLASSIC,
        CLASSIC.title,
        r"(?<![0-9A-Za-z])(?P<span>[0-9a-f]{128})(?![0-9A-Za-z])",
        anchor=r"[0-9a-f]{128}",
        accept=_classic,
        true=(
            'IBMQ.save_account("⟦<h128>⟧")',
            '# IBMQ.enable_account("⟦<h128>⟧", overwrite=True)',
            "Use my token `⟦<h128>⟧` with `IBMQ.enable_account` if yours is slow.",
            "apiToken: ⟦<h128>⟧\nauthUrl: https://auth.example.org",
            "# %set_env QXToken=⟦<h128>⟧",
            'qml.device("qiskit.ibmq", wires=2, ibmqx_token="⟦<h128>⟧")',
            "{'token': '⟦<h128>⟧', 'url': 'x'}",
            'IBMProvider(\n    token="⟦<h128>⟧")',
        ),
        false=(
            'circuit_hash = "<h128>"  # sha512 of QASM',
            "sha512: <h128>",
            'assert expected_digest == "<h128>"',
            'IBMQ.enable_account("' + "x" * 128 + '")',
            "token = '" + "01" * 64 + "'",
            "<h128>",
        ),
    ),
    CallDetector(
        CLOUD,
        (
            (r"save_account|enable_account|save_ibm_credentials", (0,)),
            (r"QiskitRuntimeService|IBMProvider|IBMRuntimeService", (0, 1)),
            (r"make_credentials_for_ibm(?:q|_cloud)", (0,)),
            (r"set_ibmq_config|IBMQBackend|estimate_circuit_fidelity_ibm_fez|IAMAuthenticator", (0,)),
        ),
        r"(?i)(?:\w*token|\w*api_?key|\w*secret|\w*password|instance|auth)",
        r"[A-Za-z0-9_-]{44}",
        _literal,
        Samples(
            true=(
                'QiskitRuntimeService.save_account("⟦<w44>⟧", overwrite=True)',
                'QiskitRuntimeService(channel="ibm_cloud", token="⟦<w44>⟧")',
                'service = QiskitRuntimeService(token=("⟦<w24>⟧"\n    "<w20>"))',
                "service = QiskitRuntimeService(\n    channel=\"x\",  # the channel, mine\n    token='⟦<w44>⟧',\n)",
                '# service = QiskitRuntimeService(\n#     channel="x",\n#     token="⟦<w44>⟧")',
                "QiskitRuntimeService(instance='a', token=os.getenv('X') or '⟦<w44>⟧')",
                r"QiskitRuntimeService(token=\"⟦<w44>⟧\")",
                "QiskitRuntimeService(token=&quot;⟦<w44>⟧&quot;)",
            ),
            false=(
                'QiskitRuntimeService(token="' + "X" * 44 + '")',
                'QiskitRuntimeService(instance="crn:v1:bluemix:public:quantum-computing:<region>:a/<account_id>::")',
                'SparsePauliOp(["XYIIXXZYXIIYYZIZXIYY"])',
                'QiskitRuntimeService(token=cfg["IBM_QUANTUM_TOKEN"])',
            ),
        ),
    ),
    token(
        CLOUD,
        CLOUD.title,
        rf"(?i:{ENV}){LOOSE}{_CLOUD_KEY}",
        anchor=rf"(?i){ENV}",
        accept=_cloud_key,
        true=(
            "%env QISKIT_IBM_TOKEN=⟦<w44>⟧",
            "%set_env QISKIT_IBM_TOKEN ⟦<w44>⟧",
            'os.environ["IBM_QUANTUM_TOKEN"] = "⟦<w44>⟧"',
            'tok = os.getenv("QISKIT_IBM_TOKEN", "⟦<w44>⟧")',
            "IBM_QUANTUM_API_KEY=⟦<w44>⟧\nIBM_QUANTUM_INSTANCE=crn:v1:x",
            "export IQP_API_TOKEN=⟦<w44>⟧",
            "env: QISKIT_IBM_TOKEN=⟦<w44>⟧",
            '"IBM_QUANTUM_TOKEN": "⟦<w44>⟧"',
            'os.environ.setdefault("QISKIT_IBM_TOKEN", "⟦<w44>⟧")',
        ),
        false=("export QISKIT_IBM_TOKEN=$IBM_KEY_FROM_CI", "# %set_env QXToken=", "IBM_TOKEN = '" + "A" * 44 + "'"),
    ),
    token(
        CLOUD,
        CLOUD.title,
        rf"(?i:(?<![A-Za-z])(?:api_?key|ibm[\w-]{{0,30}}(?:token|key)|(?:token|key|secret)[\w-]{{0,12}}ibm\w{{0,10}}|api_?token|iam_?api_?key))"
        rf"{ASSIGN}{_CLOUD_KEY}",
        anchor=r"(?i)(?:api_?key|api_?token|ibm[\w-]{0,30}(?:token|key)|(?:token|key|secret)[\w-]{0,12}ibm)",
        accept=_cloud_key,
        true=(
            "-d 'grant_type=urn:ibm:params:oauth:grant-type:apikey&apikey=⟦<w44>⟧'",
            '{"name": "my key", "apikey": "⟦<w44>⟧"}',
            "ibm_token = '⟦<w44>⟧'",
            "ibm_quantum_token: str = '⟦<w44>⟧'",
            '--ibm-token", default="x"\napi_key = "⟦<w44>⟧"',
        ),
        false=('api_key = "MY_IBM_QUANTUM_API_KEY"', "apikey=" + "a" * 44, "apikey=<h44>"),
    ),
    token(
        CLOUD,
        CLOUD.title,
        rf"(?<![A-Za-z_])(?i:(?!next|page|client|pad|consistency|continuation|sync)[a-z_]{{0,40}}token){ASSIGN}{_CLOUD_KEY}",
        anchor=r"(?i)token",
        accept=_cloud_key,
        true=(
            'creds = dict(channel="ibm_quantum_platform", token="⟦<w44>⟧")',
            "{'default': {'channel': 'ibm_quantum_platform', 'token': '⟦<w44>⟧', 'url': 'x'}}",
            "def connect(token: str = '⟦<w44>⟧'): ...",
            'my_token = "⟦<w44>⟧"',
            "<tr><td>token</td><td>⟦<w44>⟧</td></tr>",
        ),
        false=("token = '<h44>'", 'next_token="<n44>"'),
    ),
)
