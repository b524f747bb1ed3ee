"""Dags that add events to an asset, in a real Airflow in this process, and fake services for them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, Asset
from airflow.utils.session import create_session
from sqlalchemy import delete, select

from airflow_provider_campaigns.operators.campaign_cleaner import CampaignCleanerEmitCompletedOperator
from airflow_provider_campaigns.operators.instantly import InstantlyEmitHealthChangedOperator
from tests.support import watched_services
from tests.support.airflow_runs import run
from tests.support.airflow_versions import first_of
from tests.support.fake_server import FakeServer, Reply, Request

AssetEvent: Any = first_of("airflow.models.asset.AssetEvent")
AssetModel: Any = first_of("airflow.models.asset.AssetModel")
DagRun: Any = first_of("airflow.models.dagrun.DagRun")
DagBundlesManager: Any = first_of("airflow.dag_processing.bundles.manager.DagBundlesManager")

LIST, CAMPAIGNS = watched_services.LIST, "/api/v2/campaigns"
NOW = datetime.now(timezone.utc)
PAUSED, ACTIVE = 2, 1


def store(dag: DAG) -> None:
    """Store a Dag in Airflow's database, as the Dag processor does with those of a file."""
    from airflow.dag_processing.collection import update_dag_parsing_results_in_db
    from airflow.serialization.serialized_objects import LazyDeserializedDAG

    with create_session() as session:
        DagBundlesManager().sync_bundles_to_db(session=session)
        session.commit()
        stored = [LazyDeserializedDAG.from_dag(dag)]
        update_dag_parsing_results_in_db("campaigns-dags", None, stored, {}, None, set(), session=session)


def uuid(number: int) -> str:
    return f"019e18e2-a52f-78e7-96f2-{number:012}"


class Emitter:
    """A Dag with one task that adds events to an asset of its own."""

    def __init__(self, operator: Any, name: str, *, schedule: Any = None, **arguments: Any) -> None:
        self.asset = Asset(f"ledger-{name}", "x-test://" + name)
        with DAG(f"emit_{name}", schedule=schedule) as self.dag:
            self.task = operator(task_id="emit", asset=self.asset, **arguments)
        store(self.dag)

    def run(self, state: str = "success") -> list[str] | None:
        """Run the task, check its state, and return what it added."""
        with pytest.MonkeyPatch.context() as patch:  # the Dag is stored, and no other one is needed
            patch.setattr(DagBundlesManager, "get_all_dag_bundles", lambda _: ())
            _, states, returned = run(self.dag)
        assert states == {"emit": state}
        return returned["emit"]

    def keys(self) -> list[str | None]:
        """Return the partition keys of all stored events, in their order."""
        with create_session() as session:
            events = select(AssetEvent.partition_key).join(AssetEvent.asset)
            mine = events.where(AssetModel.name == self.asset.name).order_by(AssetEvent.id)
            return list(session.scalars(mine))

    def queue_run(self) -> None:
        """Create a queued Dag run of another Dag that all events until now have started."""
        with create_session() as session:
            events = select(AssetEvent).join(AssetEvent.asset).where(AssetModel.name == self.asset.name)
            run = DagRun(
                dag_id="consumer",
                run_id=f"of-{self.asset.name}",
                run_type="asset_triggered",
                run_after=NOW,
                state="queued",
            )
            run.consumed_asset_events.extend(session.scalars(events))
            session.add(run)

    def start_run(self) -> None:
        """Start the queued run."""
        with create_session() as session:
            run = select(DagRun).where(DagRun.run_id == f"of-{self.asset.name}")
            session.scalars(run).one().start_date = NOW

    def forget(self, *, events: bool = False) -> None:
        """Remove the state, as Airflow does while no Dag uses the asset; or the events, as ``db clean``."""
        from airflow.models.asset_state_store import AssetStateStoreModel

        with create_session() as session:
            asset_id = session.scalar(select(AssetModel.id).where(AssetModel.name == self.asset.name))
            table = AssetEvent if events else AssetStateStoreModel
            session.execute(delete(table).where(table.asset_id == asset_id))


class Cleaner(watched_services.Cleaner):
    """The list of an account of Campaign Cleaner."""

    def add(self, campaign_id: str, status: str = "completed", age: float = 0, name: str = "Spring") -> None:
        """Add a campaign; ``age`` is in days."""
        super().add(campaign_id, status, age=timedelta(days=age).total_seconds(), name=name)


class Instantly:
    """A workspace of Instantly."""

    def __init__(self, server: FakeServer) -> None:
        self.campaigns: dict[str, dict[str, Any]] = {}
        self.statuses: dict[str, Any] = {}
        server.respond(Reply(self._respond), path=CAMPAIGNS)

    def set(
        self,
        campaign_id: str,
        code: str | None,
        lifecycle: int = ACTIVE,
        *,
        began: str | None = None,
        age: float = 0,
    ) -> None:
        """Set a campaign's sending status; ``age`` is that of the status, in hours."""
        updated = NOW - timedelta(hours=age)
        self.campaigns[campaign_id] = {"id": campaign_id, "name": "Outreach", "status": lifecycle}
        self.statuses[campaign_id] = {
            "diagnostics": {"campaign_id": campaign_id, "status": code, "last_updated": updated.isoformat()},
            "summary": {"issue_started_at": began},
        }

    def _respond(self, request: Request) -> dict[str, Any]:
        path = request.path.partition("?")[0]
        if path.endswith("/sending-status"):
            return self.statuses[path.split("/")[4]]
        return {"items": list(self.campaigns.values())}


def completed(name: str, **arguments: Any) -> Emitter:
    return Emitter(CampaignCleanerEmitCompletedOperator, name, **arguments)


def health(name: str, **arguments: Any) -> Emitter:
    return Emitter(InstantlyEmitHealthChangedOperator, name, **arguments)
