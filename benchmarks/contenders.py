"""What is measured: this provider's triggers, those of two peers, and a loop that only sends the requests.

Each contender is a function from the number of a wait to a coroutine. The coroutine waits until the server
reports that wait as done, and returns whether it ended correctly. Connections are environment variables, see
:func:`connections`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.server import HOST, RunningServer, cleaner_id, instantly_id

KEY = "benchmark"
# Far above the rate of this benchmark, so that the rate limit does not affect the result.
REQUESTS_PER_SECOND = 5000
_HOUR = 3600.0

Wait = Callable[[int], Awaitable[bool]]


@dataclass(frozen=True)
class Contender:
    """One contender.

    :param title: its name in the tables.
    :param ours: whether it belongs to this provider.
    :param make: returns its wait, given the interval in seconds and the URL of the service.
    :param plain: whether it supports plain HTTP.
    """

    title: str
    ours: bool
    make: Callable[[float, str], Wait]
    plain: bool = True


def connections(server: RunningServer, *, tls: bool) -> dict[str, str]:
    """Return the connections of all contenders as environment variables."""
    url = server.url(tls=tls)
    port = server.ports["tls" if tls else "plain"]
    extra = {"max_requests_per_second": REQUESTS_PER_SECOND}
    by_id: dict[str, dict[str, Any]] = {
        "campaign_cleaner_default": {"conn_type": "campaign_cleaner", "host": url, "extra": extra},
        "instantly_default": {"conn_type": "instantly", "host": url, "extra": extra},
        "http_default": {"conn_type": "http", "host": url.rpartition(":")[0], "port": port},
        # The dbt Cloud hook always uses https://.
        "dbt_cloud_default": {
            "conn_type": "dbt_cloud",
            "host": f"{HOST}:{server.ports['tls']}",
            "login": "1",
        },
    }
    return {
        f"AIRFLOW_CONN_{name.upper()}": json.dumps({"password": KEY, **connection})
        for name, connection in by_id.items()
    }


def _campaign_cleaner(interval: float, _: str) -> Wait:
    from airflow_provider_campaigns.triggers.campaign_cleaner import CampaignCleanerCampaignTrigger

    async def wait(number: int) -> bool:
        event = await _first_event(
            CampaignCleanerCampaignTrigger(
                campaign_id=cleaner_id(number),
                campaign_cleaner_conn_id="campaign_cleaner_default",
                paused="fail",
                poke_interval=interval,
                deadline=time.time() + _HOUR,
            )
        )
        return bool(event["outcome"] == "done" and event["status"] == "completed")

    return wait


def _instantly(interval: float, _: str) -> Wait:
    from airflow_provider_campaigns.triggers.instantly import InstantlySendGateTrigger

    async def wait(number: int) -> bool:
        event = await _first_event(
            InstantlySendGateTrigger(
                campaign_id=instantly_id(number),
                instantly_conn_id="instantly_default",
                max_status_age=_HOUR,
                poke_interval=interval,
                deadline=time.time() + _HOUR,
            )
        )
        return bool(event["outcome"] == "done" and event["status"]["open"])

    return wait


def _http(interval: float, _: str) -> Wait:
    from airflow.providers.http.triggers.http import HttpSensorTrigger

    async def wait(number: int) -> bool:
        trigger = HttpSensorTrigger(
            endpoint=f"wait/{number}", http_conn_id="http_default", method="GET", poke_interval=interval
        )
        return (await _first_event(trigger)) is True

    return wait


def _dbt_cloud(interval: float, _: str) -> Wait:
    from airflow.providers.dbt.cloud.triggers.dbt import DbtCloudRunJobTrigger

    async def wait(number: int) -> bool:
        trigger = DbtCloudRunJobTrigger(
            conn_id="dbt_cloud_default",
            run_id=number,
            end_time=time.time() + _HOUR,
            poll_interval=interval,
            account_id=1,
        )
        return bool((await _first_event(trigger))["status"] == "success")

    return wait


_bare_session: list[Any] = []


def _bare_aiohttp(interval: float, url: str) -> Wait:
    """Do the minimum of Instantly's waits: the same requests over the same number of connections."""
    import aiohttp

    async def wait(number: int) -> bool:
        if not _bare_session:
            _bare_session.append(
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(limit=20),
                    headers={"Authorization": f"Bearer {KEY}", "Accept": "application/json"},
                )
            )
        address = f"{url}/api/v2/campaigns/{instantly_id(number)}/sending-status"
        while True:
            async with _bare_session[0].get(address) as response:
                code = json.loads(await response.read())["diagnostics"]["status"]
            if code == "healthy":
                return True
            await asyncio.sleep(interval)

    return wait


async def _first_event(trigger: Any) -> Any:
    """Run a trigger until its event, as the triggerer does."""
    try:
        async for event in trigger.run():
            return event.payload
    finally:
        await trigger.cleanup()
    return None


CONTENDERS: dict[str, Contender] = {
    "campaign_cleaner": Contender("ours: Campaign Cleaner", ours=True, make=_campaign_cleaner),
    "instantly": Contender("ours: Instantly", ours=True, make=_instantly),
    "bare": Contender("bare aiohttp loop, Instantly's requests", ours=False, make=_bare_aiohttp),
    "http": Contender("http: HttpSensorTrigger", ours=False, make=_http),
    "dbt_cloud": Contender("dbt-cloud: DbtCloudRunJobTrigger", ours=False, make=_dbt_cloud, plain=False),
}
