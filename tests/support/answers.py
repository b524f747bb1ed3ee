"""A person who answers the questions of a Dag through Airflow's REST API, while ``dag.test()`` runs it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# A question as the API shows it, and the answer: a choice, and the fields of the form.
Answer = Callable[[dict[str, Any]], tuple[str, dict[str, Any]]]


class Person:
    """Answers every question.

    :ivar questions: the questions, in the order of the answers.
    """

    def __init__(self, client: Any, dag_id: str, answer: Answer) -> None:
        self._client, self._dag_id, self._answer = client, dag_id, answer
        self._stopped = threading.Event()
        self.questions: list[dict[str, Any]] = []
        self.errors: list[Exception] = []

    def run(self) -> None:
        try:
            while not self._stopped.wait(0.2):
                self._answer_all()
        except Exception as error:  # noqa: BLE001 - the test shows it
            self.errors.append(error)

    def stop(self) -> None:
        self._stopped.set()

    def _answer_all(self) -> None:
        url = f"/api/v2/dags/{self._dag_id}/dagRuns"
        found = self._client.get(f"{url}/~/hitlDetails", params={"response_received": False})
        for question in found.raise_for_status().json()["hitl_details"]:
            ti = question["task_instance"]
            if ti["state"] != "awaiting_input":
                continue
            choice, params = self._answer(question)
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
    with TestClient(app, headers={"Authorization": f"Bearer {token}"}) as client:
        person = Person(client, dag_id, answer)
        thread = threading.Thread(target=person.run, daemon=True)
        thread.start()
        try:
            yield person
        finally:
            person.stop()
            thread.join(10)
    assert person.errors == []
