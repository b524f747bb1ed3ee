"""A gate that asks, without an Airflow that shows the question: on every version of Airflow."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.fake_airflow import Store, TaskInstance


class Parked(BaseException):
    """The process of a task ended with a question.

    :ivar arguments: what the task passed to ``ask_person``.
    """

    def __init__(self, arguments: dict[str, Any]) -> None:
        super().__init__()
        self.arguments = arguments
        self.question = arguments["question"]


class AskedGate:
    """Runs a gate until it asks, and resumes it with an answer.

    :ivar asked: the question that is open.
    :ivar store: the content of the task's state store; None for an Airflow without.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def ask_person(task: Any, context: Any, question: Any, **arguments: Any) -> None:
            raise Parked({"question": question, **arguments})

        monkeypatch.setattr("airflow_provider_campaigns.tasks.asking.ask_person", ask_person)
        monkeypatch.setattr("airflow_provider_campaigns.tasks.gate.why_no_questions", lambda: None)
        self.ti = TaskInstance()
        self.asked: Parked | None = None
        self.store: dict[str, Any] | None = None

    def run(self, task: Any) -> Any:
        """Return what the gate returns; None if it asks."""
        self.task = task
        return self._until_it_asks(lambda: task.execute(self._context()))

    def answer(self, choice: str | None, *, user: str = "jane", **params: Any) -> Any:
        """Answer the open question, or let it time out; return as :meth:`run`."""
        assert self.asked is not None
        event: dict[str, Any] = {"error": "timeout", "error_type": "timeout"}
        if choice is not None:
            responder = {"id": user, "name": user.title()}
            event = {"chosen_options": [choice], "params_input": params, "responded_by_user": responder}
        kwargs = {**json.loads(json.dumps(self.asked.arguments["kwargs"])), "event": event}
        method, self.asked = self.asked.arguments["method_name"], None
        return self._until_it_asks(lambda: self.task.resume_execution(method, kwargs, self._context()))

    def _context(self) -> dict[str, Any]:
        stored = {} if self.store is None else {"task_state_store": Store(self.store)}
        return {"ti": self.ti, "task": self.task, **stored}

    def _until_it_asks(self, step: Any) -> Any:
        try:
            return step()
        except Parked as parked:
            self.asked = parked
            return None
