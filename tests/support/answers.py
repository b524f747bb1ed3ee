"""A person who answers the questions of a Dag through Airflow's REST API, while ``dag.test()`` runs it.

It answers when ``dag.test()`` logs that it waits: before that, ``dag.test()`` may still write the state of a
task that asks, and would undo an answer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# A question as the API shows it, and the answer: a choice, and the fields of the form; None for not yet.
Answer = Callable[[dict[str, Any]], tuple[str, dict[str, Any]] | None]


class Person(logging.Handler):
    """Answers every question.

    :ivar questions: the questions, in the order of the answers.
    """

    def __init__(self, client: Any, dag_id: str, answer: Answer) -> None:
        super().__init__()
        self._client, self._dag_id, self._answer = client, dag_id, answer
        self.questions: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if str(record.msg).startswith("Waiting for Human-in-the-loop input"):
            self._answer_all()

    def _answer_all(self) -> None:
        url = f"/api/v2/dags/{self._dag_id}/dagRuns"
        found = self._client.get(f"{url}/~/hitlDetails", params={"response_received": False})
        for question in found.raise_for_status().json()["hitl_details"]:
            ti = question["task_instance"]
            if ti["state"] != "awaiting_input" or (answer := self._answer(question)) is None:
                continue
            choice, params = answer
            self._client.patch(
                f"{url}/{ti['dag_run_id']}/taskInstances/{ti['task_id']}/{ti['map_index']}/hitlDetails",
                json={"chosen_options": [choice], "params_input": params},
            ).raise_for_status()
            self.questions.append(question)


@contextmanager
def answering(dag_id: str, answer: Answer, user: str = "jane") -> Iterator[Person]:
    """Answer the questions of a Dag's runs during this block, as a user."""
    from airflow.api_fastapi.app import create_app
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from fastapi.testclient import TestClient

    app = create_app(apps="core")
    token = app.state.auth_manager.generate_jwt(SimpleAuthManagerUser(username=user, role="admin"))
    log = logging.getLogger("airflow.sdk.definitions.dag")
    with TestClient(app, headers={"Authorization": f"Bearer {token}"}) as client:
        person, level = Person(client, dag_id, answer), log.level
        log.addHandler(person)
        log.setLevel(logging.INFO)
        try:
            yield person
        finally:
            log.removeHandler(person)
            log.setLevel(level)
