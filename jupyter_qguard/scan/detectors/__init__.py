"""Every detector of this version, one file per family."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module

from ..detector import Detector

FAMILIES = (
    "forges",
    "cloud",
    "models",
    "packages",
    "pem",
    "jwt",
    "urls",
    "quantum.self_identifying",
    "quantum.ibm",
    "quantum.vendors",
    "quantum.services",
    "quantum.nearby",
    "named",
    "yelp_rules",
    "yelp_context",
)
"""Modules of this package, each with a tuple ``DETECTORS``; of two that claim the same span the earlier wins."""


@lru_cache(maxsize=1)
def all_detectors() -> tuple[Detector, ...]:
    """Return all detectors. Imports no third-party package; regexes compile at their first candidate."""
    detectors: list[Detector] = []
    for family in FAMILIES:
        detectors.extend(import_module(f"{__name__}.{family}").DETECTORS)
    return tuple(detectors)
