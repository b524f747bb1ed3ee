"""Triggers of asset watchers: one for each asset, which reports what happens in an account.

- The position of a watcher is kept in the state of its asset. It is written only after Airflow has stored
  the events before it (the acknowledged mode of shared streams), so no event is lost when a triggerer dies.
  An event may then come again, with the same ``event_id``.
- Each watcher has a stream of its own. The requests are shared one level below, by all waits and watchers of
  the account.
"""

from __future__ import annotations

import asyncio
import json
import logging
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from typing import Any, ClassVar, Protocol

from airflow.triggers.base import TriggerEvent

from airflow_provider_campaigns.airflow_triggers import AssetState, BaseEventTrigger, SharedStreamProducer
from airflow_provider_campaigns.api.campaign_cleaner import CampaignStatus
from airflow_provider_campaigns.exceptions import AuthenticationError
from airflow_provider_campaigns.hooks.base import ServiceHook
from airflow_provider_campaigns.hooks.campaign_cleaner import CampaignCleanerHook
from airflow_provider_campaigns.hooks.instantly import InstantlyHook
from airflow_provider_campaigns.rules.changes import Change
from airflow_provider_campaigns.rules.completions import Completions
from airflow_provider_campaigns.rules.gate_policy import Policy
from airflow_provider_campaigns.rules.health import Health, Workspace
from airflow_provider_campaigns.transport.account import Account
from airflow_provider_campaigns.triggers.campaign_cleaner import CAMPAIGN_STATUS
from airflow_provider_campaigns.triggers.instantly import CAMPAIGN_SENDING_STATUS
from airflow_provider_campaigns.waits.shared_poller import shared_poller
from airflow_provider_campaigns.waits.watching import for_ever, lists
from airflow_provider_campaigns.waits.workspace import workspaces

__all__ = ["CampaignCleanerCompletedTrigger", "InstantlyHealthChangedTrigger"]

log = logging.getLogger(__name__)

# Keys of the asset's state: the position, and the ids of events that may not be stored yet. The name of the
# trigger follows: two files may give one name to watchers of two kinds.
POSITION, PENDING = "position:", "pending:"
# How long after a failure of Airflow's store it is read again.
STORE_RETRY_SECONDS = 10.0
# How many ids of events are kept that may not be stored: some of a dead triggerer are never fired again.
MAX_PENDING = 10_000
# Airflow stores one event after another, and gives a watcher up whose events of a poll take 300 s.
MAX_EVENTS_A_POLL = 1_000


class _Position(Protocol):
    """What a watcher has reported; see :mod:`airflow_provider_campaigns.rules.changes`."""

    def load(self, stored: Any, unconfirmed: Collection[str]) -> None:
        """Take over a stored position; None where there is none.

        :param unconfirmed: ids of events after this position that may have been stored.
        """

    def update(self, found: Any, now: datetime) -> list[Change]:
        """Take what a poll found, and return what has changed."""

    def as_json(self) -> Any:
        """Return the position as plain JSON."""


class _WatcherTrigger(BaseEventTrigger):
    """Watches an account for one asset.

    :param asset: the name of the asset, which also distinguishes this trigger from those of other assets.
    :param conn_id: the connection.
    :param poke_interval: seconds between two polls.
    """

    # The import path, written out: users' databases hold it, so moving the code must not change it.
    class_path: ClassVar[str]

    def __init__(self, *, asset: str, conn_id: str, poke_interval: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.asset = asset
        self.conn_id = conn_id
        self.poke_interval = poke_interval

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return the other arguments that this trigger has besides those of every watcher."""

    @abstractmethod
    def hook(self) -> ServiceHook:
        """Return a hook of the connection."""

    @abstractmethod
    def position(self) -> _Position:
        """Return a position that knows nothing yet."""

    @abstractmethod
    def follow(self, account: Account) -> AsyncIterator[Any]:
        """Yield what the account has, once an interval.

        :raises ApiError: a final failure.
        """

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments, as Airflow stores them."""
        common = {"asset": self.asset, "conn_id": self.conn_id, "poke_interval": self.poke_interval}
        return self.class_path, {**common, **self.settings()}

    def shared_stream_key(self) -> tuple[str, str]:
        """Return the name of this watcher's stream: no other asset shares it, nor this one before an edit."""
        return self.class_path, json.dumps(self.serialize()[1], sort_keys=True)

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> SharedStreamProducer:
        """Return what polls for this watcher."""
        return _Producer(cls(**kwargs))

    async def filter_shared_stream(self, shared_stream: AsyncIterator[_Poll]) -> AsyncIterator[TriggerEvent]:
        """Fire an event for each change, and say what to store once Airflow has stored the events."""
        state, position = _State(AssetState(self.asset_state_store), self), self.position()
        await state.load(position)
        left: list[Change] = []
        fired: list[Change] = []
        is_failing = False
        async for poll in shared_stream:
            try:
                left += position.update(poll.found, datetime.now(timezone.utc))
                is_failing = False
            except Exception:
                if not is_failing:
                    log.exception("Asset %r: a poll cannot be compared with the state.", self.asset)
                is_failing, position, left, fired = True, self.position(), [], []
                await state.load(position)
                continue
            changes, left = left[:MAX_EVENTS_A_POLL], left[MAX_EVENTS_A_POLL:]
            await state.announce(changes)
            for change in changes:
                may_repeat = change.event_id in state.unconfirmed
                yield TriggerEvent(change.as_payload(may_repeat=may_repeat))  # type: ignore[no-untyped-call]
            fired += changes
            if not left:
                poll.on_stored.append(partial(state.confirm, position.as_json(), fired))
                fired = []

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Airflow calls :meth:`filter_shared_stream` instead."""
        raise NotImplementedError("A watcher needs the shared streams of Airflow 3.3 or later.")
        yield  # makes this a generator

    async def polls(self) -> AsyncIterator[Any]:
        """Yield what the account has, also with a new key of the connection."""
        account = await self.hook().shared_account()
        while True:
            try:
                async with aclosing(self.follow(account)) as found:  # type: ignore[type-var]
                    async for each in found:
                        yield each
            except AuthenticationError:  # noqa: PERF203 - once in a long time
                rejected, account = account, await self.hook().shared_account(rejected=account)
                if account.identity == rejected.identity:
                    raise


class CampaignCleanerCompletedTrigger(_WatcherTrigger):
    """Reports each campaign of an account that is completed.

    :param name_pattern: only campaigns with such a name, as in ``newsletter-*``; None for all.
    :param fire_existing: whether the first poll reports the campaigns that are completed already.
    """

    class_path = "airflow_provider_campaigns.triggers.watchers.CampaignCleanerCompletedTrigger"

    def __init__(
        self,
        *,
        asset: str,
        conn_id: str,
        poke_interval: float,
        name_pattern: str | None = None,
        fire_existing: bool = False,
    ) -> None:
        super().__init__(asset=asset, conn_id=conn_id, poke_interval=poke_interval)
        self.name_pattern = name_pattern
        self.fire_existing = fire_existing

    def settings(self) -> dict[str, Any]:
        """Return which campaigns are reported."""
        return {"name_pattern": self.name_pattern, "fire_existing": self.fire_existing}

    def hook(self) -> CampaignCleanerHook:
        """Return a hook of the connection."""
        return CampaignCleanerHook(self.conn_id)

    def position(self) -> Completions:
        """Return a position that knows nothing yet."""
        return Completions(name_pattern=self.name_pattern, fire_existing=self.fire_existing, of=self.conn_id)

    async def follow(self, account: Account) -> AsyncIterator[Mapping[str, CampaignStatus]]:
        """Yield the list of campaigns once an interval."""
        async with (
            shared_poller(account, CAMPAIGN_STATUS) as poller,
            aclosing(lists(poller, self.poke_interval)) as found,  # type: ignore[type-var]
        ):
            async for each in found:
                yield each


class InstantlyHealthChangedTrigger(_WatcherTrigger):
    """Reports each change of health of the campaigns of a workspace.

    :param campaign_ids: the campaigns; None for all, new ones included.
    :param on: what has to change: ``"disposition"`` or ``"code"``.
    :param stable_for: how many polls in a row a change has to last.
    :param policy: sending codes, and what they mean instead of what they mean for the intent ``send``.
    """

    class_path = "airflow_provider_campaigns.triggers.watchers.InstantlyHealthChangedTrigger"

    def __init__(
        self,
        *,
        asset: str,
        conn_id: str,
        poke_interval: float,
        campaign_ids: Sequence[str] | None = None,
        on: str = "disposition",
        stable_for: int = 1,
        policy: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(asset=asset, conn_id=conn_id, poke_interval=poke_interval)
        self.campaign_ids = campaign_ids
        self.on = on
        self.stable_for = stable_for
        self.policy = policy

    def settings(self) -> dict[str, Any]:
        """Return which changes of which campaigns are reported."""
        return {
            "campaign_ids": self.campaign_ids,
            "on": self.on,
            "stable_for": self.stable_for,
            "policy": self.policy,
        }

    def hook(self) -> InstantlyHook:
        """Return a hook of the connection."""
        return InstantlyHook(self.conn_id)

    def position(self) -> Health:
        """Return a position that knows nothing yet."""
        return Health(
            Policy.of(self.policy),
            on=self.on,
            stable_for=self.stable_for,
            of=(self.conn_id, self.campaign_ids),
        )

    async def follow(self, account: Account) -> AsyncIterator[Workspace]:
        """Yield the campaigns and their statuses once an interval."""
        chosen = None if self.campaign_ids is None else frozenset(self.campaign_ids)
        async with (
            shared_poller(account, CAMPAIGN_SENDING_STATUS) as poller,
            aclosing(workspaces(poller, account, self.poke_interval, chosen)) as found,  # type: ignore[type-var]
        ):
            async for each in found:
                yield each


@dataclass
class _Poll:
    """What one poll found.

    :param on_stored: called once Airflow has stored all events of this poll.
    """

    found: Any
    on_stored: list[Callable[[], Awaitable[None]]] = field(default_factory=list)


class _Producer(SharedStreamProducer):
    """Polls for one watcher; what it yields is its own receipt."""

    def __init__(self, trigger: _WatcherTrigger) -> None:
        self._trigger = trigger

    async def open_stream(self) -> AsyncIterator[tuple[_Poll, _Poll]]:
        found = for_ever(f"Asset {self._trigger.asset!r}", self._trigger.polls)
        async with aclosing(found):  # type: ignore[type-var]
            async for each in found:
                poll = _Poll(each)
                yield poll, poll

    async def advance(self, batch: Sequence[Any]) -> None:
        for poll, outcome in batch:
            if outcome.is_clean:
                for store in poll.on_stored:
                    await store()


class _State:
    """The stored state of a watcher.

    :ivar unconfirmed: ids of events that an earlier process fired, and that may not have been stored.
    """

    def __init__(self, store: AssetState, trigger: _WatcherTrigger) -> None:
        self._store = store
        self._asset = trigger.asset
        self._kind = trigger.class_path.rpartition(".")[2]
        self._stored: Any = None
        self._pending: dict[str, None] = {}
        self.unconfirmed: frozenset[str] = frozenset()

    async def load(self, position: _Position) -> None:
        """Load the position, however long Airflow's store takes to respond."""
        while True:
            try:
                self._stored = await self._store.get(POSITION + self._kind)
                pending = await self._store.get(PENDING + self._kind)
                break
            except Exception:
                log.exception("Asset %r: its state cannot be read; trying again.", self._asset)
                await asyncio.sleep(STORE_RETRY_SECONDS)
        self._pending = dict.fromkeys(map(str, pending) if isinstance(pending, list) else ())
        self.unconfirmed = frozenset(self._pending)
        try:
            position.load(self._stored, self.unconfirmed)
        except ValueError as error:
            log.warning("Asset %r: its state is not valid, so it starts again. %s", self._asset, error)
            self._stored = None

    async def announce(self, changes: Sequence[Change]) -> None:
        """Store the ids of events before they are fired."""
        if changes:
            self._pending |= dict.fromkeys(change.event_id for change in changes)
            await self._set(PENDING + self._kind, list(self._pending)[-MAX_PENDING:])

    async def confirm(self, position: Any, changes: Sequence[Change]) -> None:
        """Store a position whose events Airflow has stored. A failure is made good by the next poll."""
        if position != self._stored and await self._set(POSITION + self._kind, position):
            self._stored = position
        if changes and position == self._stored:
            for change in changes:
                self._pending.pop(change.event_id, None)
            await self._set(PENDING + self._kind, list(self._pending)[-MAX_PENDING:])

    async def _set(self, key: str, value: Any) -> bool:
        try:
            await self._store.set(key, value)
        except Exception:
            log.exception("Asset %r: its state cannot be stored.", self._asset)
            return False
        return True
