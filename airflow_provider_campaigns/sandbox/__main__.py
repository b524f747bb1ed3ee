"""The command line of the sandbox."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Sequence

from airflow_provider_campaigns.sandbox.habits import HABITS, check_habits
from airflow_provider_campaigns.sandbox.options import Options
from airflow_provider_campaigns.sandbox.server import check_loopback, serve
from airflow_provider_campaigns.sandbox.state import SandboxState

_CONNECTIONS = ("campaign_cleaner", "instantly")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sandbox until SIGINT or SIGTERM; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        host = check_loopback(options.host)
    except ValueError as error:
        parser.error(str(error))
    settings = Options(
        processing_seconds=options.processing_seconds,
        credits=options.credits,
        campaign_cleaner_key=options.campaign_cleaner_key,
        campaign_cleaner_key_status=options.campaign_cleaner_key_status,
        instantly_key=options.instantly_key,
        instantly_scopes=tuple(filter(None, options.instantly_scopes.split(","))),
        unaccounted_leads=tuple(filter(None, options.unaccounted_leads.split(","))),
        habits=tuple(options.habits),
        loop_seconds=options.loop_seconds,
    )
    try:
        asyncio.run(_serve_until_signal(SandboxState(settings), host, options.port))
    except (OSError, OverflowError) as error:
        print(f"The sandbox cannot listen on {host}, port {options.port}: {error}", file=sys.stderr)
        return 1
    return 0


async def _serve_until_signal(state: SandboxState, host: str, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(state, host, port, lambda url: _announce(url, state.options), stop)


def _announce(url: str, options: Options) -> None:
    keys = (options.campaign_cleaner_key, options.instantly_key)
    exports = [_export(name, url, key) for name, key in zip(_CONNECTIONS, keys, strict=True)]
    lines = [
        f"Sandbox of Campaign Cleaner and Instantly at {url}",
        "Not a production server: it listens on loopback only and keeps its data in memory only.",
        "",
        *exports,
        "",
        f"Its data: {url}/_sandbox/state; stop it with Ctrl+C.",
    ]
    print("\n".join(lines), flush=True)


def _export(name: str, url: str, key: str | None) -> str:
    """Return the line that defines a connection, without a key that was given."""
    password = "sandbox" if key is None else "the key you gave"
    connection = json.dumps({"conn_type": name, "host": url, "password": password})
    return f"export AIRFLOW_CONN_{name.upper()}_DEFAULT='{connection}'"


def _habits(names: str) -> tuple[str, ...]:
    found = tuple(filter(None, names.split(",")))
    try:
        check_habits(found)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return found


def _loop_seconds(value: str) -> float:
    try:
        return Options(loop_seconds=float(value)).loop_seconds
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _parser() -> argparse.ArgumentParser:
    defaults = Options()
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_campaigns.sandbox",
        description="A local server with the APIs of Campaign Cleaner and Instantly, to try Dags without an "
        "account. Not a production server: it listens on loopback only, accepts any key by default, and "
        "keeps its data in memory only.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="loopback address to listen on")
    add("--port", type=int, default=8765, help="port to listen on; 0 takes a free one")
    add(
        "--processing-seconds",
        type=float,
        default=defaults.processing_seconds,
        metavar="SECONDS",
        help="how long a campaign is processing",
    )
    add("--credits", type=int, default=defaults.credits, help="how many campaigns can be submitted")
    add("--campaign-cleaner-key", metavar="KEY", help="accept only this key; unset accepts any")
    add(
        "--campaign-cleaner-key-status",
        type=int,
        choices=(200, 401),
        metavar="STATUS",
        default=defaults.campaign_cleaner_key_status,
        help="HTTP status for a wrong key: 401 or 200",
    )
    add("--instantly-key", metavar="KEY", help="accept only this key; unset accepts any")
    add("--instantly-scopes", default=",".join(defaults.instantly_scopes), metavar="SCOPES",
        help="scopes of Instantly's key, such as campaigns:read,leads:all")  # fmt: skip
    add("--unaccounted-leads", default=",".join(defaults.unaccounted_leads), metavar="EMAILS",
        help="addresses that Instantly accepts, but neither adds nor counts")  # fmt: skip
    add("--habits", type=_habits, default=(), metavar="NAMES",
        help=f"reported habits of the services that are on: {', '.join(HABITS)}")  # fmt: skip
    add("--loop-seconds", type=_loop_seconds, default=defaults.loop_seconds, metavar="SECONDS",
        help="time between two checks of a campaign by Instantly, for the habits that need it")  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
