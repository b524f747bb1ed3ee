"""Both transports, at a fake server; pauses are noted and not made."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_campaigns.api import campaign_cleaner
from airflow_provider_campaigns.api.call import Service
from airflow_provider_campaigns.transport.account import Account
from tests.conftest import KEY
from tests.support.certificates import Certificates
from tests.support.fake_server import FakeServer
from tests.support.transports import SendCall


def account_at(url: str, service: Service = campaign_cleaner.SERVICE, **settings: Any) -> Account:
    """Return an account at a server, practically without a rate limit."""
    settings = {"timeout": 60.0, "max_requests_per_second": 1e9, **settings}
    return Account(service, "my_conn", KEY, "test/1", url, **settings)


@pytest.fixture
def pauses() -> list[float]:
    """The pauses that a transport would have made."""
    return []


@pytest.fixture
def send_calls(send_call: SendCall, pauses: list[float]) -> SendCall:
    """Send calls with either transport and with retries; its pauses are noted and not made."""
    return partial(send_call, retry=None, pauses=pauses)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def trusted(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have both transports trust the authority of the tests."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.bundle))
    return certificates.bundle


@pytest.fixture
def proxied(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    """The fake server as the proxy of the environment, with credentials in its URL."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    url = server.url.replace("http://", "http://somebody:s3cret@")
    monkeypatch.setenv("http_proxy", url)
    monkeypatch.setenv("https_proxy", url)
    return server
