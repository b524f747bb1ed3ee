"""Response bodies over both transports: decompressed alike, and read only up to the limit of the call."""

from __future__ import annotations

import contextlib
import gzip
import tracemalloc
import zlib
from dataclasses import replace

import pytest

from airflow_provider_campaigns.api import campaign_cleaner, instantly
from airflow_provider_campaigns.api.call import Call
from airflow_provider_campaigns.exceptions import ApiError, MalformedResponseError
from tests.support.fake_server import FakeServer, Reply
from tests.support.transports import SendCall

from .conftest import account_at

CREDITS = campaign_cleaner.get_credits()
GZIP = {"Content-Encoding": "gzip"}
JSON = b'{"credits": 3}'
RAW_DEFLATE = zlib.compressobj(wbits=-zlib.MAX_WBITS)
ENCODINGS = {
    "gzip": ("gzip", gzip.compress(JSON)),
    "upper case": ("GZIP", gzip.compress(JSON)),
    "x-gzip": ("x-gzip", gzip.compress(JSON)),
    "gzip twice": ("gzip, gzip", gzip.compress(gzip.compress(JSON))),
    "several members": ("gzip", gzip.compress(JSON[:9]) + gzip.compress(b"") + gzip.compress(JSON[9:])),
    "deflate": ("deflate", zlib.compress(JSON)),
    "raw deflate": ("deflate", RAW_DEFLATE.compress(JSON) + RAW_DEFLATE.flush()),
    "identity": ("identity", JSON),
}


def limited(max_bytes: int) -> Call[int]:
    """A call that takes any JSON object, up to a number of bytes."""
    return Call(campaign_cleaner.SERVICE, "GET", "/v1/x", len, max_bytes=max_bytes)


class TestCompression:
    @pytest.mark.parametrize(("encoding", "body"), ENCODINGS.values(), ids=ENCODINGS)
    def test_every_encoding_is_decoded(
        self, send_call: SendCall, server: FakeServer, encoding: str, body: bytes
    ) -> None:
        server.respond(Reply(body, headers={"Content-Encoding": encoding}))
        assert send_call(account_at(server.url), CREDITS) == 3

    def test_wrong_content_encoding_is_an_api_error(self, send_call: SendCall, server: FakeServer) -> None:
        server.respond(Reply(JSON, headers=GZIP))
        with pytest.raises(ApiError, match="my_conn"):
            send_call(account_at(server.url), CREDITS)


class TestLimit:
    def test_too_long_body_is_not_read(self, send_calls: SendCall, server: FakeServer) -> None:
        server.respond({"padding": "x" * 200_000})
        with pytest.raises(MalformedResponseError, match="100,000 bytes"):
            send_calls(account_at(server.url), limited(100_000))

    def test_too_long_body_of_a_redirect_is_not_read(self, send_calls: SendCall, server: FakeServer) -> None:
        submit = replace(campaign_cleaner.send_campaign("<p>", "n"), max_bytes=100_000)
        server.respond(Reply("x" * 5_000_000, status=307, headers={"Location": "/v1/elsewhere"}))
        with pytest.raises(MalformedResponseError, match="100,000 bytes"):
            send_calls(account_at(server.url), submit)

    @pytest.mark.parametrize("beyond", [0, 1])
    def test_limit_counts_decompressed_bytes(
        self, send_calls: SendCall, server: FakeServer, beyond: int
    ) -> None:
        body = b'{"padding": "' + b"x" * 500_000 + b'"}'
        server.respond(Reply(gzip.compress(body), headers=GZIP))
        with pytest.raises(MalformedResponseError) if beyond else contextlib.nullcontext():
            assert send_calls(account_at(server.url), limited(len(body) - beyond)) == 1

    def test_compressed_bomb_takes_little_memory(self, send_calls: SendCall, server: FakeServer) -> None:
        server.respond(Reply(gzip.compress(b" " * 60_000_000), headers=GZIP))
        tracemalloc.start()
        try:
            with pytest.raises(MalformedResponseError, match="1,000,000 bytes"):
                send_calls(account_at(server.url), limited(1_000_000))
            # Before urllib3 2.6, one piece is decompressed to 16 MiB at most.
            assert tracemalloc.get_traced_memory()[1] < 50_000_000
        finally:
            tracemalloc.stop()


def test_empty_body_is_none_or_an_error(send_calls: SendCall, server: FakeServer) -> None:
    server.respond(Reply(b"", status=204))
    any_call = instantly.request("POST", "/x")
    assert send_calls(account_at(server.url, instantly.SERVICE), any_call) is None
    with pytest.raises(MalformedResponseError, match="got nothing"):
        send_calls(account_at(server.url), CREDITS)
