"""Assets that are updated when a campaign is completed, or when its health changes.

``schedule=[campaign_cleaner_completed("news")]`` starts a Dag. They need Airflow 3.3 or later. Each event is
fired at least once; one that comes again has the same ``event_id``. The functions check their arguments when
the Dag is parsed.
"""

from __future__ import annotations

import gc
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakValueDictionary

from airflow_provider_campaigns.airflow_compat import needs_airflow
from airflow_provider_campaigns.airflow_triggers import HAS_WATCHERS
from airflow_provider_campaigns.api.values import shown
from airflow_provider_campaigns.assets import CAMPAIGN_CLEANER, INSTANTLY, account_uri
from airflow_provider_campaigns.rules.gate_policy import policy_as_json
from airflow_provider_campaigns.rules.health import ON_CHOICES
from airflow_provider_campaigns.rules.many_campaigns import one_or_many
from airflow_provider_campaigns.tasks.arguments import (
    choice,
    count,
    duration,
    mapping,
    strict_flag,
    text,
    uuid,
)
from airflow_provider_campaigns.tasks.new_events import CampaignEvent, new_events
from airflow_provider_campaigns.tasks.templates import is_templated

if TYPE_CHECKING:
    from airflow.sdk import Asset

__all__ = ["CampaignEvent", "campaign_cleaner_completed", "instantly_health_changed", "new_events"]

MIN_INTERVAL = 5.0

# The assets of this process, to find a name that two of them have.
_assets: WeakValueDictionary[str, Asset] = WeakValueDictionary()


def campaign_cleaner_completed(
    name: str,
    *,
    campaign_cleaner_conn_id: str = "campaign_cleaner_default",
    name_pattern: str | None = None,
    poke_interval: timedelta | float | str = 60,
    fire_existing: bool = False,
) -> Asset:
    """Return an asset that is updated whenever a campaign of a Campaign Cleaner account is completed.

    The payload of an event has ``event_id``, ``campaign_id``, ``name``, ``from``, ``to``, ``at``, ``message``
    and ``may_repeat``.

    https://docs.campaigncleaner.com/api-reference/endpoint/get-campaign-list

    :param name: the name of the asset.
    :param campaign_cleaner_conn_id: connection of type ``campaign_cleaner``.
    :param name_pattern: only campaigns whose name fits, such as ``newsletter-*``; upper and lower case are
        the same.
    :param poke_interval: how often to poll; at least 5 seconds. All waits and watchers of an account share
        the requests.
    :param fire_existing: also fire for the campaigns that are completed at the first poll.
    :raises ValueError: an argument is not valid, or Airflow is older than 3.3.
    """
    from airflow_provider_campaigns.triggers.watchers import CampaignCleanerCompletedTrigger

    return _asset(
        CampaignCleanerCompletedTrigger,
        name,
        (CAMPAIGN_CLEANER, "completed"),
        conn_id=_plain_text(campaign_cleaner_conn_id, "campaign_cleaner_conn_id"),
        poke_interval=poke_interval,
        name_pattern=None if name_pattern is None else _plain_text(name_pattern, "name_pattern"),
        fire_existing=strict_flag(fire_existing, "fire_existing"),
    )


def instantly_health_changed(
    name: str,
    *,
    campaign_ids: Sequence[str] | None = None,
    instantly_conn_id: str = "instantly_default",
    on: Literal["disposition", "code"] = "disposition",
    stable_for: int = 1,
    poke_interval: timedelta | float | str = 300,
    policy: Mapping[str, str] | None = None,
) -> Asset:
    """Return an asset that is updated whenever the health of a campaign in Instantly changes.

    The payload of an event has the fields of :func:`campaign_cleaner_completed`, and ``code`` and
    ``needs_person``. A poll costs one request for 50 campaigns and one for each active campaign.

    https://developer.instantly.ai/api-reference/campaign/get-campaign-sending-status

    :param name: the name of the asset.
    :param campaign_ids: the campaigns; by default all of the workspace, those to come included.
    :param instantly_conn_id: connection of type ``instantly``.
    :param on: what has to change: the ``"code"``, or the ``"disposition"``, which is what the code means to a
        send gate (*open*, *wait*, *closed*, *finished*).
    :param stable_for: how many polls in a row a change has to last; more than 1 for campaigns whose health
        changes all the time.
    :param poke_interval: how often to poll; at least 5 seconds.
    :param policy: sending codes, and what they mean instead, as for the send gate.
    :raises ValueError: an argument is not valid, or Airflow is older than 3.3.
    """
    from airflow_provider_campaigns.triggers.watchers import InstantlyHealthChangedTrigger

    return _asset(
        InstantlyHealthChangedTrigger,
        name,
        (INSTANTLY, "health"),
        conn_id=_plain_text(instantly_conn_id, "instantly_conn_id"),
        poke_interval=poke_interval,
        campaign_ids=_ids(_literal(campaign_ids, "campaign_ids")),
        on=choice(*ON_CHOICES)(on, "on"),
        stable_for=count(stable_for, "stable_for"),
        policy=None
        if policy is None
        else dict(sorted(policy_as_json(mapping(_literal(policy, "policy"), "policy")).items())),
    )


def _ids(campaign_ids: Any) -> list[str] | None:
    if campaign_ids is None:
        return None
    if isinstance(campaign_ids, str) or not isinstance(campaign_ids, Collection):
        campaign_ids = [campaign_ids]
    listed = one_or_many(list(campaign_ids), "campaign_ids", uuid, lambda _: None)
    return sorted(each.lower() for each in listed)


def _literal(value: Any, name: str) -> Any:
    if is_templated(value):
        raise ValueError(f"{name}: Airflow does not render templates in a watcher, got {shown(value)}.")
    return value


def _plain_text(value: Any, name: str) -> str:
    return text(_literal(value, name), name)


def _asset(
    trigger: type[Any],
    name: str,
    observed: tuple[str, str],
    *,
    conn_id: str,
    poke_interval: Any,
    **arguments: Any,
) -> Asset:
    if not HAS_WATCHERS:
        raise ValueError(needs_airflow("A watcher", "3.3"))
    from airflow.sdk import Asset, AssetWatcher

    name = _plain_text(name, "name")
    interval = duration(_literal(poke_interval, "poke_interval"), "poke_interval")
    if interval < MIN_INTERVAL:
        raise ValueError(f"poke_interval must be at least {MIN_INTERVAL:g} seconds, got {interval:g}.")
    watching = trigger(asset=name, conn_id=conn_id, poke_interval=interval, **arguments)
    if _is_taken(name, watching):
        gc.collect()  # the other one may be of an earlier parse
        if _is_taken(name, watching):
            raise ValueError(
                f"name: another watcher updates the asset {name!r} already; choose another name."
            )
    scheme, what = observed
    uri = account_uri(scheme, conn_id, what, name)  # Airflow needs another one for each asset
    asset = Asset(name, uri, watchers=[AssetWatcher(name=name, trigger=watching)])
    _assets.setdefault(name, asset)
    return asset


def _is_taken(name: str, watching: Any) -> bool:
    known = _assets.get(name)
    return known is not None and known.watchers[0].trigger.serialize() != watching.serialize()
