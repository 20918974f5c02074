"""Fixtures of the policy tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from tests.unit.policy.policy_world import World

# Time limits per example say more about the machine than about the code.
settings.register_profile("policy", deadline=None)
settings.load_profile("policy")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)
