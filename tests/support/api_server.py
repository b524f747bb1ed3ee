"""A real API server of Airflow on the tests' own database, behind a path such as a proxy adds."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from scripts.local_airflow import MAX_WAIT, free_port, stop

COOKIE = "_token"
_TOKEN = """
import sys
from airflow.api_fastapi.app import create_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
user = SimpleAuthManagerUser(username="somebody", role=sys.argv[1] or None)
print(create_auth_manager().generate_jwt(user))
"""


@dataclass(frozen=True)
class ApiServer:
    """A running API server.

    :param url: its address, with the path and without a slash at the end.
    :param environment: its environment.
    """

    url: str
    environment: Mapping[str, str]

    def token(self, role: str) -> str:
        """Return the token of a user with a role of the simple auth manager; an empty one may do nothing."""
        command = [sys.executable, "-c", _TOKEN, role]
        done = subprocess.run(
            command, env=self.environment, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        return done.stdout.decode().split()[-1]


@contextmanager
def api_server(path: str = "") -> Iterator[ApiServer]:
    """Start an API server, and stop it afterwards.

    :param path: the path of its address.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}{path}"
    environment = os.environ | {
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__SECRET_KEY": secrets.token_hex(16),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "PYTHONWARNINGS": "ignore",
    }
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", "api-server"],
            cwd=Path(__file__).parents[2],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + MAX_WAIT
            while not _responds(url):
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise RuntimeError(f"The API server did not start: {log.read()[-3000:].decode()}")
                time.sleep(0.25)
            yield ApiServer(url, environment)
        finally:
            stop([process])


def _responds(url: str) -> bool:
    try:
        return requests.get(f"{url}/api/v2/version", timeout=5).ok
    except requests.RequestException:
        return False
