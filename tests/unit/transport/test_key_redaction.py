"""The API key appears in no error, log, repr or value, even if the service returns it."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_campaigns.api import campaign_cleaner, instantly
from airflow_provider_campaigns.exceptions import ApiError, AuthenticationError
from tests.conftest import KEY
from tests.support.fake_server import FakeServer, Reply
from tests.support.transports import SendCall

from .conftest import account_at

CREDITS = campaign_cleaner.get_credits()
STATUS = instantly.get_sending_status("019e18e2-a52f-78e7-96f2-b33ee19bb50a")


def test_key_is_in_no_error_log_or_repr(
    send_calls: SendCall, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    account = account_at(server.url)
    server.respond(
        Reply({"error": f"what is {KEY}?"}, status=503), Reply({"error": f"bad key {KEY}"}, status=401)
    )
    with pytest.raises(AuthenticationError) as raised:
        send_calls(account, CREDITS)
    shown = [caplog.text, repr(account), str(account), str(raised.value), repr(raised.value.as_dict())]
    chained: BaseException | None = raised.value
    while chained is not None:
        shown.append(repr(chained))
        chained = chained.__cause__ or chained.__context__
    assert not [string for string in shown if KEY in string]
    assert "bad key ***" in str(raised.value)


@pytest.mark.parametrize("echo", [KEY, f"{'x' * 285} {KEY}", f"Bearer {KEY}"])
def test_echoed_key_is_removed(send_call: SendCall, server: FakeServer, echo: str) -> None:
    account = account_at(server.url, instantly.SERVICE)
    server.respond({"diagnostics": None, "summary": {"status": "healthy", "status_message": echo}})
    assert KEY[:8] not in repr(send_call(account, STATUS).raw)
    for status in (400, 503):
        server.respond(Reply({"message": echo}, status=status), path="/api")
        with pytest.raises(ApiError) as raised:
            send_call(account, STATUS)
        assert KEY[:8] not in str(raised.value)
