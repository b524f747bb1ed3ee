"""Checks the copy of a campaign: a list of steps, each with variants."""

from __future__ import annotations

from typing import Any

from airflow_provider_campaigns.sandbox.shape import first_problem

_STEP = {"type": "string", "delay": "number", "variants": "array"}
_UNITS = ("minutes", "hours", "days")
_VARIANT = {"subject": "string", "body": "string"}


def sequences_problem(sequences: list[Any]) -> str | None:
    """Return the first problem of the ``sequences`` of a campaign, or None."""
    for position, sequence in enumerate(sequences):
        where = f"body/sequences/{position}"
        problem = first_problem(sequence, {"steps": "array"}, required=["steps"], where=where, closed=False)
        if problem:
            return problem
        for number, step in enumerate(sequence["steps"]):
            problem = _step_problem(step, f"{where}/steps/{number}")
            if problem:
                return problem
    return None


def _step_problem(step: Any, where: str) -> str | None:
    problem = first_problem(step, _STEP, required=_STEP, where=where, closed=False)
    if problem:
        return problem
    if step["type"] != "email":
        return f"{where}/type must be equal to one of the allowed values"
    if step.get("delay_unit", "days") not in _UNITS:
        return f"{where}/delay_unit must be equal to one of the allowed values"
    variants = (
        first_problem(
            variant,
            {**_VARIANT, "v_disabled": "boolean"},
            required=_VARIANT,
            where=f"{where}/variants/{number}",
            closed=False,
        )
        for number, variant in enumerate(step["variants"])
    )
    return next((problem for problem in variants if problem), None)
