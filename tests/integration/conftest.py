"""Both services, as watchers see them."""

from __future__ import annotations

import pytest

from tests.support.fake_server import FakeServer
from tests.support.watched_services import Cleaner, Instantly


@pytest.fixture
def cleaner(connections: FakeServer) -> Cleaner:
    return Cleaner(connections)


@pytest.fixture
def instantly(connections: FakeServer) -> Instantly:
    return Instantly(connections)
