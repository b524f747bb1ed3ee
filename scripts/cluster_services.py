"""PostgreSQL and Redis of one's own, from the system's packages: on 127.0.0.1, on free ports, thrown away.

Or those of somebody else, by URL: then a database of its own is made there, and dropped at the end.
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
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from local_airflow import free_port

_START_UP = 60.0
# What a crash of the machine would lose is nothing that anybody wants back.
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class MissingError(Exception):
    """A program that is needed is not there; the message says what to install."""


def program(name: str) -> str:
    """Return the path of a program, also where Debian keeps those of PostgreSQL."""
    homes = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda home: float(home.parent.name))
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *map(str, reversed(homes))])
    found = shutil.which(name, path=path)
    if found is None:
        raise MissingError(
            f"{name} is not here. Install PostgreSQL and Redis (on Debian: the packages postgresql and "
            f"redis-server), or name running ones with --postgres and --redis."
        )
    return found


def check_programs(*, postgres: bool, redis: bool) -> None:
    """Say at once what is missing.

    :raises MissingError: it is.
    """
    for name in (*(["initdb", "postgres"] if postgres else []), *(["redis-server"] if redis else [])):
        program(name)


@contextmanager
def postgres(folder: Path, given: str | None) -> Iterator[str]:
    """Give the URL of an empty database: of a server that is started here, or of one that runs.

    :param folder: where the server of one's own has its data.
    :param given: a URL of a server whose user may create databases.
    """
    if given is not None:
        with _database_at(given) as url:
            yield url
        return
    with _postgres_server(folder) as server, _database_at(server) as url:
        yield url


@contextmanager
def redis(folder: Path, given: str | None) -> Iterator[str]:
    """Give the URL of a Redis: one that is started here, or one that runs."""
    if given is not None:
        yield given
        return
    port, password = free_port(), secrets.token_hex(16)
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    settings = f'bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave ""\nappendonly no\n'
    with (folder / "redis.log").open("w") as log:
        # The settings come by stdin: the password is in no argument that others could read.
        server = subprocess.Popen(
            [program("redis-server"), "-"],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        assert server.stdin is not None  # noqa: S101
        server.stdin.write(settings.encode())
        server.stdin.close()
        _until(lambda: _ping(url), server, folder / "redis.log")
        yield url
    finally:
        _end(server, signal.SIGTERM)


@contextmanager
def _postgres_server(folder: Path) -> Iterator[str]:
    """Start a server; as an unprivileged user where this is root, since PostgreSQL refuses to run as root."""
    password = secrets.token_hex(16)
    user = _unprivileged_user()
    with _data_folder(folder, user) as data:
        word = data.parent / "password"
        word.touch(mode=0o600)
        word.write_text(password)
        who: dict[str, Any] = {}
        if user is not None:
            for path in (data.parent, word):
                os.chown(path, user.pw_uid, user.pw_gid)
            who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        # Never the user's own settings, which may name another server.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        environment["HOME"] = str(data.parent)
        common: dict[str, Any] = {"cwd": data.parent, "env": environment, **who}
        initdb = [program("initdb"), "--pgdata", str(data), "--username", "cluster", "--pwfile", str(word)]
        initdb += ["--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync"]
        made = subprocess.run(
            initdb,
            check=False,
            capture_output=True,
            text=True,
            **common,
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed:\n{made.stdout[-1000:]}{made.stderr[-2000:]}")
        word.unlink()
        port = free_port()
        url = f"postgresql://cluster:{password}@127.0.0.1:{port}/postgres"
        # No Unix socket: its path has to be short, and a checkout's need not be.
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
            _until(lambda: _answers(url), server, folder / "postgres.log")
            yield url
        finally:
            _end(server, signal.SIGINT)  # a fast shutdown, which ends its sessions


@contextmanager
def _data_folder(folder: Path, user: pwd.struct_passwd | None) -> Iterator[Path]:
    """Give the path of a data folder that the server's user can reach: here, or in a temporary folder."""
    home = folder / "postgres"
    home.mkdir()
    if user is None or _can_enter(folder, user):
        yield home / "data"
        return
    with tempfile.TemporaryDirectory(prefix="cluster-postgres-") as temporary:
        yield Path(temporary, "data")


def _can_enter(folder: Path, user: pwd.struct_passwd) -> bool:
    """Tell whether a user may go through all folders down to this one."""
    looked = subprocess.run(
        ["/usr/bin/env", "test", "-x", str(folder)],
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        check=False,
    )
    return looked.returncode == 0


def _unprivileged_user() -> pwd.struct_passwd | None:
    """Return whom to run PostgreSQL as; None stands for whoever runs this."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise MissingError("PostgreSQL refuses to run as root, and there is no user postgres or nobody here.")


@contextmanager
def _database_at(server: str) -> Iterator[str]:
    """Make an empty database on a server, and drop it afterwards."""
    name = f"campaigns_cluster_{secrets.token_hex(4)}"
    _tell(server, f'CREATE DATABASE "{name}"')
    try:
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    finally:
        with suppress(Exception):  # a server of one's own takes the database with it
            _tell(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def size_of(url: str) -> int:
    """Return how many bytes a database has."""
    with closing(_connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])


def forget(url: str, prefix: str) -> None:
    """Delete what begins with a prefix from a Redis, which may be somebody else's."""
    import redis

    with suppress(redis.RedisError), closing(redis.Redis.from_url(url)) as client:
        for key in list(client.scan_iter(match=f"{prefix}*")):
            client.delete(key)


def _tell(url: str, statement: str) -> None:
    with closing(_connect(url)) as connection:
        connection.autocommit = True
        connection.cursor().execute(statement)


def _connect(url: str) -> Any:
    import psycopg2

    told = urlsplit(url)
    return psycopg2.connect(
        host=told.hostname,
        port=told.port or 5432,
        user=unquote(told.username or ""),
        password=unquote(told.password or ""),
        dbname=told.path.strip("/") or "postgres",
        connect_timeout=5,
    )


def _answers(url: str) -> bool:
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


def _until(ready: Any, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_UP
    while not ready():
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{log.stem} did not start. {log} says:\n{log.read_text()[-2000:]}")
        time.sleep(0.2)


def _end(server: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if server.poll() is None:
        server.send_signal(number)
    try:
        server.wait(timeout=20)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
