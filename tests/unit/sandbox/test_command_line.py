"""The command line and its server: loopback only, connections ready to paste, a clean end."""

from __future__ import annotations

import json
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from airflow_provider_campaigns import sandbox
from airflow_provider_campaigns.sandbox import running
from airflow_provider_campaigns.sandbox.__main__ import main

COMMAND = (sys.executable, "-m", "airflow_provider_campaigns.sandbox", "--port", "0")


@contextmanager
def started(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the sandbox as a user does; return the process and what it printed."""
    process = subprocess.Popen(
        [*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        lines = iter(process.stdout.readline, "")
        announced = ""
        for line in lines:
            announced += line
            if "Ctrl+C" in line:
                break
        yield process, announced
    finally:
        process.kill()
        process.communicate()


def address_in(announced: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+", announced)
    assert found is not None
    return found.group()


def test_printed_connections_work_and_sigterm_ends_it() -> None:
    options = ("--processing-seconds", "0", "--credits", "7", "--unaccounted-leads", "a@b.c,d@e.f")
    with started(*options) as (process, announced):
        assert "Not a production server" in announced
        exports = dict(
            shlex.split(line)[1].split("=", 1) for line in announced.splitlines() if "export" in line
        )
        connections = {name: json.loads(value) for name, value in exports.items()}
        url = address_in(announced)
        assert connections == {
            f"AIRFLOW_CONN_{name.upper()}_DEFAULT": {
                "conn_type": name,
                "host": url,
                "password": "sandbox",
            }
            for name in ("campaign_cleaner", "instantly")
        }
        response = requests.get(f"{url}/v1/get_credits", headers={"X-CC-API-Key": "sandbox"}, timeout=60)
        assert response.json() == {"credits": 7}
        instantly = requests.get(f"{url}/_sandbox/state", timeout=60).json()["instantly"]
        assert instantly["unaccounted_leads"] == ["a@b.c", "d@e.f"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_interrupt_ends_it_and_no_key_is_shown() -> None:
    options = (
        "--instantly-key",
        "sk-secret",
        "--campaign-cleaner-key",
        "sk-secret",
        "--instantly-scopes",
        "leads:read",
        "--habits",
        "empty_html,plain_nbsp",
        "--loop-seconds",
        "60",
    )
    with started(*options) as (process, announced):
        assert "sk-secret" not in announced
        url = address_in(announced)
        headers = {"Authorization": "Bearer sk-secret"}
        state = requests.get(f"{url}/_sandbox/state", timeout=60).json()
        assert state["habits"] == ["empty_html", "plain_nbsp"]
        assert state["instantly"]["loop_seconds"] == 60
        assert "Invalid scope" in requests.get(f"{url}/api/v2/campaigns", headers=headers, timeout=60).text
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org", ""])  # noqa: S104 - what is refused
def test_only_loopback_is_bound(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--host", host])
    assert ended.value.code == 2
    assert "loopback" in capsys.readouterr().err
    with pytest.raises(ValueError, match="loopback"):
        running(host=host)


def test_unknown_habit_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--habits", "empty_html,nonsense"])
    assert "'nonsense' is not a habit (known: " in capsys.readouterr().err


@pytest.mark.parametrize("value", ["0", "nan", "soon"])
def test_invalid_loop_time_is_refused(capsys: pytest.CaptureFixture[str], value: str) -> None:
    with pytest.raises(SystemExit):
        main(["--loop-seconds", value])
    assert "argument --loop-seconds: " in capsys.readouterr().err


def test_used_port_is_a_plain_error(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 1
        with pytest.raises(OSError, match="address already in use"):
            running(port=port)
    assert str(port) in capsys.readouterr().err


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
def test_server_runs_in_a_thread(host: str) -> None:
    server = running(host=host, credits=3)
    assert requests.get(f"{server.url}/v1/get_credits", headers={"X-CC-API-Key": "x"}, timeout=60).json() == {
        "credits": 3
    }
    server.state.credits = 1
    server.close()
    server.close()
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(server.url, timeout=60)


def test_close_does_not_wait_for_a_slow_response() -> None:
    with running() as server:
        requests.post(f"{server.url}/_sandbox/faults", json=[{"path": "/v1/", "delay": 60}], timeout=60)
        with pytest.raises(requests.exceptions.ReadTimeout):
            requests.get(f"{server.url}/v1/get_credits", timeout=(60, 0.1))


def test_every_exported_name_exists() -> None:
    for name in sandbox.__all__:
        assert getattr(sandbox, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        _ = sandbox.nothing


def test_import_loads_neither_aiohttp_nor_airflow() -> None:
    code = """
import sys
import airflow_provider_campaigns.sandbox as sandbox
print("aiohttp" in sys.modules)
sandbox.running
print("airflow" in sys.modules)
"""
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert imported.stdout.split() == ["False", "False"]
