"""What triggers have in each supported version of Airflow. Few Dag files import this."""

from __future__ import annotations

from typing import Any

from airflow.triggers.base import BaseTrigger

try:
    from airflow.triggers.base import BaseEventTrigger
    from airflow.triggers.shared_stream import SharedStreamProducer
except ImportError:  # before Airflow 3.3
    BaseEventTrigger, SharedStreamProducer = BaseTrigger, object  # type: ignore[assignment, misc]

__all__ = [
    "HAS_WATCHERS",
    "TRIGGERER_RENDERS_TEMPLATES",
    "AssetState",
    "BaseEventTrigger",
    "SharedStreamProducer",
]

# Whether the triggerer renders the templates of a task that starts there: Airflow 3.3 and later.
TRIGGERER_RENDERS_TEMPLATES = hasattr(BaseTrigger, "render_template_fields")

# Whether a trigger knows when Airflow has stored its events: Airflow 3.3 and later.
HAS_WATCHERS = hasattr(BaseEventTrigger, "create_shared_stream_producer")


class AssetState:
    """The state of a watcher's asset, from an event loop.

    :param accessors: what Airflow gives the trigger.
    """

    def __init__(self, accessors: Any) -> None:
        self._accessors = accessors

    async def get(self, key: str) -> Any:
        """Return a value; None where there is none."""
        return await self._call("get", key)

    async def set(self, key: str, value: Any) -> None:
        """Store a value, which is plain JSON."""
        await self._call("set", key, value)

    async def _call(self, name: str, *values: Any) -> Any:
        if hasattr(self._accessors, f"a{name}"):
            return await getattr(self._accessors, f"a{name}")(*values)
        from asgiref.sync import sync_to_async  # Airflow 3.3.0 and 3.3.1

        return await sync_to_async(getattr(self._accessors, name))(*values)
