"""Checks the schedule and the steps of a campaign. Instantly has a closed list of time zones."""

from __future__ import annotations

import re
from typing import Any

from airflow_provider_campaigns.sandbox.exchange import first_problem

_TIMEZONES = frozenset(
    """
    Etc/GMT+12 Etc/GMT+11 Etc/GMT+10 America/Anchorage America/Dawson America/Creston America/Chihuahua
    America/Boise America/Belize America/Chicago America/Bahia_Banderas America/Regina America/Bogota
    America/Detroit America/Indiana/Marengo America/Caracas America/Asuncion America/Glace_Bay
    America/Campo_Grande America/Anguilla America/Santiago America/St_Johns America/Sao_Paulo
    America/Argentina/La_Rioja America/Araguaina America/Godthab America/Montevideo America/Bahia
    America/Noronha America/Scoresbysund Atlantic/Cape_Verde Africa/Casablanca America/Danmarkshavn
    Europe/Isle_of_Man Atlantic/Canary Africa/Abidjan Arctic/Longyearbyen Europe/Belgrade Africa/Ceuta
    Europe/Sarajevo Africa/Algiers Africa/Windhoek Asia/Nicosia Asia/Beirut Africa/Cairo Asia/Damascus
    Europe/Bucharest Africa/Blantyre Europe/Helsinki Europe/Istanbul Asia/Jerusalem Africa/Tripoli
    Asia/Amman Asia/Baghdad Europe/Kaliningrad Asia/Aden Africa/Addis_Ababa Europe/Kirov Europe/Astrakhan
    Asia/Tehran Asia/Dubai Asia/Baku Indian/Mahe Asia/Tbilisi Asia/Yerevan Asia/Kabul Antarctica/Mawson
    Asia/Yekaterinburg Asia/Karachi Asia/Kolkata Asia/Colombo Asia/Kathmandu Antarctica/Vostok Asia/Dhaka
    Asia/Rangoon Antarctica/Davis Asia/Novokuznetsk Asia/Hong_Kong Asia/Krasnoyarsk Asia/Brunei
    Australia/Perth Asia/Taipei Asia/Choibalsan Asia/Irkutsk Asia/Dili Asia/Pyongyang Australia/Adelaide
    Australia/Darwin Australia/Brisbane Australia/Melbourne Antarctica/DumontDUrville Australia/Currie
    Asia/Chita Antarctica/Macquarie Asia/Sakhalin Pacific/Auckland Etc/GMT-12 Pacific/Fiji Asia/Anadyr
    Asia/Kamchatka Etc/GMT-13 Pacific/Apia
    """.split()  # noqa: SIM905 - a table of names reads better than a hundred literals
)
_WINDOW = {"name": "string", "timing": "object", "days": "object", "timezone": "string"}
_TIMING = {"from": "string", "to": "string"}
_CLOCK_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_STEP = {"type": "string", "delay": "number", "variants": "array"}
_UNITS = ("minutes", "hours", "days")
_VARIANT = {"subject": "string", "body": "string"}


def schedule_problem(schedule: dict[str, Any]) -> str | None:
    """Return the first problem of a ``campaign_schedule``, or None."""
    where = "body/campaign_schedule"
    problem = first_problem(
        schedule, {"schedules": "array"}, required=["schedules"], where=where, closed=False
    )
    if problem:
        return problem
    if not schedule["schedules"]:
        return f"{where}/schedules must NOT have fewer than 1 items"
    problems = (
        _window_problem(window, f"{where}/schedules/{position}")
        for position, window in enumerate(schedule["schedules"])
    )
    return next((problem for problem in problems if problem), None)


def _window_problem(window: Any, where: str) -> str | None:
    problem = first_problem(window, _WINDOW, required=_WINDOW, where=where, closed=False)
    if problem:
        return problem
    timing = window["timing"]
    problem = first_problem(timing, _TIMING, required=_TIMING, where=f"{where}/timing", closed=False)
    if problem:
        return problem
    for name in _TIMING:
        if not _CLOCK_TIME.fullmatch(timing[name]):
            return f'{where}/timing/{name} must match pattern "^{_CLOCK_TIME.pattern}$"'
    if window["timezone"] not in _TIMEZONES:
        return f"{where}/timezone must be equal to one of the allowed values"
    return None


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
