"""Keys of weak shape whose call is hidden (aliases, dictionaries, variables): their vendor is named nearby."""

from __future__ import annotations

import re

from ...detector import Accept, Detector
from ...placeholders import looks_random, mixed
from .._assign import ASSIGN, CREDENTIAL_NAME, QUOTED_RUN, names_no_secret, strong_value
from .._make import token
from .ibm import CLASSIC, CLOUD, HASH_WORDS, is_cloud_key
from .services import BLUEQUBIT, OTHER
from .vendors import DWAVE_UNMARKED, IONQ

NEAR = 400
"""Code points on either side in which the vendor must be named."""
_QUOTED = r"(?<![A-Za-z0-9])[\"'`]"
_OTHERS = (
    r"braket|azure\.quantum|rigetti|pyquil|qcs|quantinuum|qnexus|pytket|iqm|pasqal|pulser|xanadu|strawberryfields|xcc|quandela|perceval"
    r"|alice_?bob|aqt|oqc|superstaq|qctrl|q-ctrl|boulderopal|fireopal|qbraid|strangeworks|scaleway|haiqu|qibo|quafu"
    r"|originq|pyqpanda|tensorcircuit|spinq|quantum-?inspire|classiq|qci|infleqtion|fixstars|amplify"
)


def near(words: str, accept: Accept) -> Accept:
    """Accept only where one of ``words`` stands within ``NEAR`` code points and no digest's name just before."""
    search = re.compile(rf"(?i)(?<![a-z])(?:{words})").search

    def judge(match: re.Match[str]) -> bool:
        if not accept(match):
            return False
        start, end = match.span("span")
        text = match.string
        if HASH_WORDS.search(text, max(0, start - 40), start):
            return False
        return search(text, max(0, start - NEAR), start) is not None or search(text, end, end + NEAR) is not None

    return judge


def _mixed(match: re.Match[str]) -> bool:
    return mixed(match["span"]) and looks_random(match["span"])


def _hex(match: re.Match[str]) -> bool:
    value = match["span"]
    return looks_random(value) and any(c.isalpha() for c in value) and any(c.isdigit() for c in value)


def _named(match: re.Match[str]) -> bool:
    value = match["span"]
    if names_no_secret(match.string, match.start()):
        return False
    return strong_value(value, 16) and looks_random(value) and any(c.isdigit() for c in value)


_NAME = rf"(?i:{CREDENTIAL_NAME})"
_NAME_ANCHOR = r"(?i)(?:token|api[_-]?key|secret|access[_-]?key)"

_PROSE = r"(?i:(?:token|key|secret)(?:\s(?:is|was))?\s{0,2}[:=]?\s{1,3})"
_PROSE_ANCHOR = r"(?i)(?:token|key|secret)(?:\s(?:is|was))?\s{0,2}[:=]?\s{1,3}[A-Za-z0-9_-]{32}"

DETECTORS: tuple[Detector, ...] = (
    token(
        CLOUD,
        CLOUD.title,
        rf"{_QUOTED}(?P<span>[A-Za-z0-9_-]{{44}})[\"'`]",
        anchor=QUOTED_RUN,
        reach=(60, 4),
        accept=near(r"ibm|qiskit", lambda match: is_cloud_key(match["span"])),
        true=(
            'from qiskit_ibm_runtime import QiskitRuntimeService as Q\nQ("ibm_cloud", "⟦<w44>⟧")',
            'my = "⟦<w44>⟧"\nservice = QiskitRuntimeService(token=my)',
            "IBM gave me the key `⟦<w44>⟧` yesterday",
        ),
        false=('from qiskit import x\nsha256 = "<w44>"', 'y = "<w44>"', 'qiskit: op = "' + "XYZI" * 11 + '"'),
    ),
    token(
        IONQ,
        IONQ.title,
        rf"{_QUOTED}(?P<span>[A-Za-z0-9]{{32}})[\"'`]",
        anchor=QUOTED_RUN,
        reach=(60, 4),
        accept=near(r"ionq", _mixed),
        true=(
            'from qiskit_ionq import IonQProvider as P\nP("⟦<n32>⟧")',
            'qml.device("ionq.simulator", wires=2, api_key="⟦<n32>⟧")',
            "{'backend': 'ionq_qpu', 'api_key': '⟦<n32>⟧'}",
        ),
        false=('ionq job "<h32>"', 'x = "<n32>"'),
    ),
    token(
        CLOUD,
        CLOUD.title,
        rf"{_PROSE}(?P<span>[A-Za-z0-9_-]{{44}})(?![A-Za-z0-9_=-])",
        anchor=_PROSE_ANCHOR,
        accept=near(r"ibm|qiskit", lambda match: is_cloud_key(match["span"])),
        true=("my IBM token is ⟦<w44>⟧, do not share", "IBM Cloud key: ⟦<w44>⟧"),
        false=("the token is <w44>", "IBM token is " + "a" * 44),
    ),
    token(
        IONQ,
        IONQ.title,
        rf"{_PROSE}(?P<span>[A-Za-z0-9]{{32}})(?![A-Za-z0-9_=-])",
        anchor=_PROSE_ANCHOR,
        accept=near(r"ionq", _mixed),
        true=("IonQ key: ⟦<n32>⟧",),
        false=("IonQ key: <h32>",),
    ),
    token(
        BLUEQUBIT,
        BLUEQUBIT.title,
        rf"{_QUOTED}(?P<span>[A-Za-z0-9]{{32}})[\"'`]",
        anchor=QUOTED_RUN,
        reach=(60, 4),
        accept=near(r"bluequbit", _mixed),
        true=('import bluequbit\nbq = connect("⟦<n32>⟧")',),
        false=('import bluequbit\njob = "<h32>"',),
    ),
    token(
        DWAVE_UNMARKED,
        DWAVE_UNMARKED.title,
        rf"{_NAME}{ASSIGN}(?P<span>(?:[A-Za-z]{{2,6}}-)?[0-9a-f]{{40}})(?![A-Za-z0-9_-])",
        anchor=_NAME_ANCHOR,
        accept=near(r"d-?wave|leap|sapi|ocean", _hex),
        true=("[defaults]\nendpoint = https://cloud.dwavesys.com/sapi/\ntoken = ⟦jul-<h40>⟧", 'leap_token = "⟦<h40>⟧"'),
        false=('dwave commit_sha = "<h40>"', 'token = "<h12>"  # dwave'),
    ),
    token(
        CLASSIC,
        CLASSIC.title,
        r"(?<![0-9A-Za-z])(?P<span>[0-9a-f]{128})(?![0-9A-Za-z])",
        anchor=r"[0-9a-f]{128}",
        accept=near(r"ibmq|ibm_quantum|ibmqx|qxtoken|save_account|enable_account", _hex),
        true=('from qiskit import IBMQ\nt = "⟦<h128>⟧"\nIBMQ.enable_account(t)',),
        false=("<h128>",),
    ),
    token(
        OTHER,
        OTHER.title,
        rf"{_NAME}{ASSIGN}(?P<span>[A-Za-z0-9_+/=.~!@%^*-]{{16,400}})",
        anchor=_NAME_ANCHOR,
        accept=near(_OTHERS, _named),
        true=(
            'import perceval as pcvl\ntoken = "⟦<n40>⟧"',
            "superstaq_client = _Client(remote_host='x', api_key='⟦<n30>⟧')",
            '"iqm": {"api_token": "⟦<B60>⟧"}',
        ),
        false=(
            'import perceval\ntoken = "your-token-goes-here"',
            "import pytket\ntoken = os.environ['PYTKET_TOKEN_1']",
            'token = "<n40>"',
            'braket.search(nextToken="<n40>")',
            "import pytket\napi_key = 'https://nexus.example.org/v1'",
        ),
    ),
)
