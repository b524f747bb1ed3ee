"""PostgreSQL and Redis for one run: started on 127.0.0.1 on free ports, and removed afterwards.

With the URL of a running server, the run creates a database there and drops it at the end.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from scripts.local_airflow import free_port

_START_UP = 600.0
# The data need not survive a crash of the machine.
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class MissingError(Exception):
    """A required program is missing; the message says what to install."""


def program(name: str) -> str:
    """Return the path of a program; Debian's folder of PostgreSQL programs is searched too."""
    homes = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda home: float(home.parent.name))
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *map(str, reversed(homes))])
    found = shutil.which(name, path=path)
    if found is None:
        raise MissingError(
            f"{name} is not installed. Install PostgreSQL and Redis (on Debian: the packages postgresql and "
            f"redis-server), or use running servers with --postgres and --redis."
        )
    return found


def check_programs(*, postgres: bool, redis: bool) -> None:
    """Check that the required programs are installed.

    :raises MissingError: one is not.
    """
    for name in (*(["initdb", "postgres"] if postgres else []), *(["redis-server"] if redis else [])):
        program(name)


@contextmanager
def postgres(folder: Path, given: str | None) -> Iterator[str]:
    """Yield the URL of an empty database.

    :param folder: the folder of the data, if this starts the server.
    :param given: URL of a running server to use instead; its user may create databases.
    """
    if given is not None:
        with _database_at(given) as url:
            yield url
        return
    with _postgres_server(folder) as server, _database_at(server) as url:
        yield url


@contextmanager
def redis(folder: Path, given: str | None) -> Iterator[str]:
    """Yield the URL of a Redis; ``given`` is the URL of a running one to use instead of starting one."""
    if given is not None:
        yield given
        return
    port, password = free_port(), secrets.token_hex(16)
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    settings = f'bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave ""\nappendonly no\n'
    with (folder / "redis.log").open("w") as log:
        # The settings go to stdin: other users can read arguments, and these contain the password.
        server = subprocess.Popen(
            [program("redis-server"), "-"],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        assert server.stdin is not None
        server.stdin.write(settings.encode())
        server.stdin.close()
        _until(lambda: _ping(url), server, folder / "redis.log")
        yield url
    finally:
        _stop(server, signal.SIGTERM)


@contextmanager
def _postgres_server(folder: Path) -> Iterator[str]:
    """Start a server, as an unprivileged user if this process is root: PostgreSQL refuses to run as root."""
    password = secrets.token_hex(16)
    user = _unprivileged_user()
    with _data_folder(folder, user) as data:
        password_file = data.parent / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(password)
        identity: dict[str, Any] = {}
        if user is not None:
            for path in (data.parent, password_file):
                os.chown(path, user.pw_uid, user.pw_gid)
            identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        # The user's own PG variables may name another server.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        environment["HOME"] = str(data.parent)
        common: dict[str, Any] = {"cwd": data.parent, "env": environment, **identity}
        initdb = [program("initdb"), "--pgdata", str(data), "--username", "cluster"]
        initdb += ["--pwfile", str(password_file)]
        initdb += ["--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync"]
        done = subprocess.run(initdb, check=False, capture_output=True, text=True, **common)
        if done.returncode:
            raise RuntimeError(f"initdb failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
        password_file.unlink()
        port = free_port()
        url = f"postgresql://cluster:{password}@127.0.0.1:{port}/postgres"
        # No Unix socket: its path must be short, and the checkout's may be long.
        settings = ("listen_addresses=127.0.0.1", f"port={port}", "unix_socket_directories=")
        settings += ("max_connections=300", "shared_buffers=256MB", *_FAST)
        with (folder / "postgres.log").open("w") as log:
            server = subprocess.Popen(
                [program("postgres"), "-D", str(data), *(part for each in settings for part in ("-c", each))],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **common,
            )
        try:
            _until(lambda: _is_reachable(url), server, folder / "postgres.log")
            yield url
        finally:
            _stop(server, signal.SIGINT)  # a fast shutdown, which ends its sessions


@contextmanager
def _data_folder(folder: Path, user: pwd.struct_passwd | None) -> Iterator[Path]:
    """Yield the path of a data folder that the server's user can reach; a temporary one if need be."""
    home = folder / "postgres"
    home.mkdir()
    if user is None or _can_enter(folder, user):
        yield home / "data"
        return
    with tempfile.TemporaryDirectory(prefix="cluster-postgres-") as temporary:
        yield Path(temporary, "data")


def _can_enter(folder: Path, user: pwd.struct_passwd) -> bool:
    """Return whether a user may enter this folder and all its parents."""
    done = subprocess.run(
        ["/usr/bin/env", "test", "-x", str(folder)],
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        check=False,
    )
    return done.returncode == 0


def _unprivileged_user() -> pwd.struct_passwd | None:
    """Return the user that runs PostgreSQL; None for the user of this process."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise MissingError("PostgreSQL refuses to run as root, and there is no user postgres or nobody.")


@contextmanager
def _database_at(server: str) -> Iterator[str]:
    """Create an empty database on a server, and drop it afterwards."""
    name = f"campaigns_cluster_{secrets.token_hex(4)}"
    _execute(server, f'CREATE DATABASE "{name}"')
    try:
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    finally:
        with suppress(Exception):  # the server may be gone, and the database with it
            _execute(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def size_of(url: str) -> int:
    """Return the size of a database in bytes."""
    with closing(_connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])


def delete_keys(url: str, prefix: str) -> None:
    """Delete the keys with a prefix from a Redis, which others may use too."""
    import redis

    with suppress(redis.RedisError), closing(redis.Redis.from_url(url)) as client:
        for key in list(client.scan_iter(match=f"{prefix}*")):
            client.delete(key)


def _execute(url: str, statement: str) -> None:
    with closing(_connect(url)) as connection:
        connection.autocommit = True
        connection.cursor().execute(statement)


def _connect(url: str) -> Any:
    import psycopg2

    parts = urlsplit(url)
    return psycopg2.connect(
        host=parts.hostname,
        port=parts.port or 5432,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        dbname=parts.path.strip("/") or "postgres",
        connect_timeout=5,
    )


def _is_reachable(url: str) -> bool:
    import psycopg2

    try:
        _connect(url).close()
    except psycopg2.OperationalError:
        return False
    return True


def _ping(url: str) -> bool:
    import redis

    try:
        with closing(redis.Redis.from_url(url, socket_connect_timeout=5)) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _until(ready: Callable[[], bool], server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_UP
    while not ready():
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{log.stem} did not start. {log}:\n{log.read_text()[-2000:]}")
        time.sleep(0.2)


def _stop(server: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if server.poll() is None:
        server.send_signal(number)
    try:
        server.wait(timeout=20)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
