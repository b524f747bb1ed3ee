"""Both services, of the class that the test module imports: as watchers see them, or as emitters do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.fake_server import FakeServer


@pytest.fixture
def cleaner(request: pytest.FixtureRequest, connections: FakeServer) -> Any:
    return request.module.Cleaner(connections)


@pytest.fixture
def instantly(request: pytest.FixtureRequest, connections: FakeServer) -> Any:
    return request.module.Instantly(connections)
