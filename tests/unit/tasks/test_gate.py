"""Which downstream tasks a closed gate skips, and when it fails instead."""

from __future__ import annotations

import logging
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowSkipException, TriggerRule, task, task_group

from airflow_provider_campaigns.api.instantly import SendingCode
from airflow_provider_campaigns.exceptions import SendsInterruptedError
from airflow_provider_campaigns.rules.send_gate import Disposition, Verdict
from airflow_provider_campaigns.tasks.gate import (
    SendGateClosedError,
    check_downstream_waits,
    check_gate,
    gate_policy,
    policy_argument,
    push_result,
    refuse_eager_downstream,
    skip_downstream,
)
from tests.support.fake_airflow import TaskInstance


@task
def work() -> None: ...


class Gate:
    """Records which tasks it is to skip."""

    def __init__(self) -> None:
        self.skipped: list[str] | None = None

    def skip(self, *, tasks: Any, **_: Any) -> None:
        self.skipped = sorted(each.task_id for each in tasks)


def skipped_by(gate_task: Any, *, map_index: int | None = -1) -> list[str] | None:
    """Return the tasks that a closed gate skips; None where it skips none of them."""
    gate = Gate()
    ti = SimpleNamespace(map_index=map_index)
    context: Any = {"task": gate_task, "ti": ti, "dag_run": SimpleNamespace(logical_date=None)}
    with pytest.raises(AirflowSkipException, match=r"^The gate is not open\.$"):
        skip_downstream(gate, context, SendGateClosedError)  # type: ignore[arg-type]
    return gate.skipped


def before(*trigger_rules: TriggerRule) -> Any:
    """Return a gate before one task for each trigger rule, and a teardown."""
    with DAG("gated", schedule=None):
        gate = work.override(task_id="gate")()
        work.override(task_id="upstream")() >> gate
        work.override(task_id="elsewhere")()
        last = gate
        for number, trigger_rule in enumerate(trigger_rules):
            following = work.override(task_id=f"send_{number}", trigger_rule=trigger_rule)()
            last >> following
            last = following
        last >> work.override(task_id="tidy")().as_teardown()
    return gate.operator


def before_mapped(trigger_rule: TriggerRule) -> Any:
    """Return a gate before a mapped task group of two tasks."""
    with DAG("gated", schedule=None):
        gate = work.override(task_id="gate")()

        @task_group
        def sends(number: int) -> None:
            for name in ("b", "a"):
                work.override(task_id=name, trigger_rule=trigger_rule)()

        gate >> sends.expand(number=[1, 2])
    return gate.operator


class TestSkipping:
    def test_all_downstream_tasks_but_teardowns_are_skipped(self) -> None:
        gate = before(TriggerRule.ALL_SUCCESS, TriggerRule.ALL_DONE)
        assert skipped_by(gate) == ["send_0", "send_1"]

    @pytest.mark.parametrize("map_index", [-1, None, 0, 1])
    def test_gate_itself_ends_as_skipped(self, map_index: int | None) -> None:
        assert skipped_by(before(TriggerRule.ALL_SUCCESS), map_index=map_index) == ["send_0"]

    @pytest.mark.parametrize(
        ("trigger_rules", "line"),
        [
            ([TriggerRule.ALL_SUCCESS, TriggerRule.ALL_DONE], "Skipping send_0, send_1."),
            ([], "Skipping nothing."),
        ],
    )
    def test_log_names_the_skipped_tasks(
        self, trigger_rules: list[TriggerRule], line: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        skipped_by(before(*trigger_rules))
        assert [record.getMessage() for record in caplog.records if "Skip" in record.getMessage()] == [line]


class TestUnskippable:
    def test_mapped_task_with_another_rule_fails_the_gate(self) -> None:
        with pytest.raises(SendGateClosedError) as raised:
            skipped_by(before_mapped(TriggerRule.NONE_FAILED))
        assert str(raised.value) == (
            "The gate is not open, and Airflow cannot skip sends.a, sends.b: with mapped tasks, only the "
            "trigger rule all_success keeps a task from running after a skipped one. Give these tasks that "
            "rule, or the gate on_closed='fail'."
        )

    def test_mapped_task_with_rule_all_success_is_skipped(self) -> None:
        assert skipped_by(before_mapped(TriggerRule.ALL_SUCCESS)) == ["sends.a", "sends.b"]

    def test_mapped_gate_fails_before_a_task_with_another_rule(self) -> None:
        with pytest.raises(SendGateClosedError, match=r"cannot skip send_1:"):
            skipped_by(before(TriggerRule.ALL_SUCCESS, TriggerRule.ALL_DONE), map_index=0)


ALWAYS, ONE = ["always", "dummy"], ["one_success", "one_failed", "one_done"]


class TestEagerRules:
    """A task with such a rule may start before the gate has decided."""

    @pytest.mark.parametrize("position", [0, 1])
    def test_rule_that_never_waits_is_refused_anywhere(self, position: int) -> None:
        rules = [TriggerRule.ALL_SUCCESS, TriggerRule.ALL_SUCCESS]
        rules[position] = TriggerRule.ALWAYS
        with pytest.raises(ValueError, match=rf"cannot hold back send_{position} \(always\): .*none_failed"):
            check_downstream_waits({"task": before(*rules)})

    @pytest.mark.parametrize("rule", sorted(set(TriggerRule) - {*ALWAYS}))
    def test_any_other_rule_right_behind_the_gate_is_accepted(self, rule: TriggerRule) -> None:
        check_downstream_waits({"task": before(rule)})

    @pytest.mark.parametrize("rule", ONE)
    def test_one_rule_is_accepted_if_all_upstreams_are_gated(self, rule: str) -> None:
        gate = before(TriggerRule.ALL_SUCCESS, TriggerRule.ALL_DONE)
        with gate.dag:
            work.override(task_id="join", trigger_rule=TriggerRule(rule))()
        gate.dag.get_task("join").set_upstream([gate, *map(gate.dag.get_task, ["send_0", "send_1"])])
        refuse_eager_downstream(gate)

    @pytest.mark.parametrize("rule", ONE)
    @pytest.mark.parametrize("beside", ["elsewhere", "upstream", "tidy"])
    def test_one_rule_is_refused_with_an_upstream_elsewhere(self, rule: str, beside: str) -> None:
        gate = before(TriggerRule.ALL_SUCCESS, TriggerRule(rule))
        gate.dag.get_task("send_1").set_upstream(gate.dag.get_task(beside))
        with pytest.raises(ValueError, match=rf"cannot hold back send_1 \({rule}\): "):
            refuse_eager_downstream(gate)

    @pytest.mark.parametrize("rule", ONE)
    def test_one_rule_of_a_mapped_task_is_refused(self, rule: str) -> None:
        with pytest.raises(ValueError, match="sends"):
            refuse_eager_downstream(before_mapped(TriggerRule(rule)))

    def test_one_rule_behind_a_gate_in_a_mapped_group_is_refused(self) -> None:
        """An earlier instance of the gate may have opened."""
        with DAG("gated", schedule=None) as dag:

            @task_group
            def launch(number: int) -> None:
                work.override(task_id="gate")()

            launch.expand(number=[1, 2]) >> work.override(trigger_rule=TriggerRule.ONE_SUCCESS)()
        with pytest.raises(ValueError, match=r"work \(one_success\)"):
            refuse_eager_downstream(dag.get_task("launch.gate"))

    def test_task_run_by_hand_is_not_checked(self) -> None:
        check_downstream_waits({})


class TestCheckGate:
    @pytest.mark.parametrize(
        ("disposition", "error"),
        [(Disposition.CLOSED, SendGateClosedError), (Disposition.WAIT, SendsInterruptedError)],
    )
    def test_gate_that_is_not_open_says_what_was_not_done(
        self, disposition: Disposition, error: type[Exception]
    ) -> None:
        verdict = Verdict(
            False, disposition, "a_code", "Why.", datetime.now(timezone.utc), campaign_name="May"
        )
        hook: Any = SimpleNamespace(get_verdict=lambda campaign_id, policy: verdict)
        with pytest.raises(error) as raised:
            check_gate(hook, "17", gate_policy("send"), "Nothing was added.")
        assert str(raised.value) == f"Campaign 'May' (17): {verdict} Nothing was added."


class TestPushResult:
    def test_result_is_pushed_as_the_xcom_of_the_task(self) -> None:
        ti: Any = TaskInstance()
        push_result({"ti": ti}, {"open": False})
        assert ti.xcoms == {"return_value": {"open": False}}

    def test_task_without_xcoms_pushes_nothing(self) -> None:
        ti: Any = TaskInstance()
        push_result({"ti": ti, "task": SimpleNamespace(do_xcom_push=False)}, {"open": False})
        assert ti.xcoms == {}

    def test_task_run_by_hand_pushes_nothing(self) -> None:
        push_result({}, {"open": False})


class TestPolicyArgument:
    @pytest.mark.parametrize(
        "value",
        [
            {"waiting_for_leads": "open"},
            {SendingCode.WAITING_FOR_LEADS: Disposition.OPEN},
            '{"waiting_for_leads": "open"}',  # as {{ ... | tojson }} renders it
            "{'waiting_for_leads': 'open'}",  # as {{ params.policy }} renders it
        ],
    )
    def test_policy_of_any_form_becomes_plain_strings(self, value: Any) -> None:
        policy = policy_argument(value, "policy")
        assert policy == {"waiting_for_leads": "open"}
        assert all(type(text) is str for pair in policy.items() for text in pair)

    @pytest.mark.parametrize(
        "value", ["healthy", 5, ["healthy"], "[1]", {"healty": "open"}, {"healthy": "yes"}]
    )
    def test_other_value_is_refused(self, value: Any) -> None:
        with pytest.raises(ValueError, match="policy"):
            policy_argument(value, "policy")
