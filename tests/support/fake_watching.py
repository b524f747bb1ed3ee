"""The triggerer as watchers see it: Airflow's own shared streams, a state store, and a database of events.

:meth:`Watching.store_events` stands for the moment at which Airflow stores the events that the triggers
fired; :meth:`Watching.kill` for a triggerer that dies, with what it has not stored.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from airflow.sdk import Asset
from airflow.triggers.shared_stream import SharedStreamManager

from tests.support.airflow_versions import decrypt_kwargs, encrypt_kwargs


@dataclass
class StateStore:
    """The state of one asset; it survives the triggerer.

    :ivar failures: how many of the next calls fail.
    """

    values: dict[str, str] = field(default_factory=dict)
    writes: int = 0
    failures: int = 0

    async def aget(self, key: str, default: Any = None) -> Any:
        self._fail()
        return json.loads(self.values[key]) if key in self.values else default

    async def aset(self, key: str, value: Any) -> None:
        self._fail()
        self.writes += 1
        self.values[key] = json.dumps(value)

    def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the API server is away")


class Watching:
    """A triggerer with the watchers of some assets.

    :ivar stored: the payloads of the events that Airflow has stored, of all triggerers.
    :ivar ended: the errors with which watchers ended.
    """

    def __init__(self, *assets: Asset, stores: bool = True) -> None:
        self.assets = assets
        self.stores = stores
        self.states = {asset.name: StateStore() for asset in assets}
        self.stored: list[dict[str, Any]] = []
        self.ended: list[BaseException] = []
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start a triggerer."""
        self._manager = SharedStreamManager()
        self._fired: list[tuple[dict[str, Any], int | None]] = []
        self._tasks = [
            asyncio.create_task(self._run(number, asset)) for number, asset in enumerate(self.assets)
        ]

    async def _run(self, number: int, asset: Asset) -> None:
        watching: Any = asset.watchers[0].trigger
        _, arguments = watching.serialize()
        trigger = type(watching)(**decrypt_kwargs(encrypt_kwargs(arguments)))
        trigger.asset_state_store = self.states[asset.name]
        key = trigger.shared_stream_key()
        stream = self._manager.subscribe(trigger_id=number, trigger=trigger, key=key)
        try:
            async for event in trigger.filter_shared_stream(stream):
                seq = self._manager.bind_pending_event(trigger_id=number, key=key)
                self._fired.append((json.loads(json.dumps(event.payload)), seq))
                if self.stores:
                    self.store_events()
            self.ended.append(RuntimeError("the watcher returned"))
        except Exception as error:  # noqa: BLE001 - a test looks at it
            self.ended.append(error)
        finally:
            await self._manager.unsubscribe(number, key)

    def store_events(self) -> None:
        """Store what the triggers have fired, as Airflow does once a second."""
        fired, self._fired = self._fired, []
        self.stored += [payload for payload, _ in fired]
        self._manager.confirm_persisted([seq for _, seq in fired if seq is not None])

    async def replace(self, asset: Asset) -> None:
        """Replace the newest watcher as Airflow does after an edit: start the new one, then end the old."""
        old = self._tasks[-1]
        self._tasks.append(asyncio.create_task(self._run(len(self._tasks), asset)))
        await asyncio.sleep(0)
        old.cancel()

    async def kill(self) -> None:
        """End the triggerer."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        await self._manager.stop_all()

    async def __aenter__(self) -> Watching:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    @property
    def event_ids(self) -> list[str]:
        """The ids of the stored events."""
        return [payload["event_id"] for payload in self.stored]
