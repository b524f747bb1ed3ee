"""The checks of arguments, and that no argument of any task goes without one."""

from __future__ import annotations

import inspect
import math
import uuid
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    DAG,
    Asset,
    BaseOperator,
    BaseSensorOperator,
    ObjectStoragePath,
)
from jinja2 import pass_context

from airflow_provider_campaigns.get_provider_info import get_provider_info
from airflow_provider_campaigns.operators.campaign_cleaner import (
    CampaignCleanerDeleteCampaignOperator,
    CampaignCleanerGetCampaignOperator,
    CampaignCleanerSubmitCampaignOperator,
)
from airflow_provider_campaigns.operators.instantly import (
    InstantlyAddLeadsOperator,
    InstantlyPauseCampaignOperator,
    InstantlyUpdateCampaignOperator,
)
from airflow_provider_campaigns.sensors.instantly import InstantlyBackgroundJobSensor
from airflow_provider_campaigns.tasks import arguments as checks
from airflow_provider_campaigns.tasks.arguments import check_rendered, rendered_fields, restore
from tests.support.airflow_versions import BAD_ARGUMENT, HAS_ASSET_PARTITIONS
from tests.support.responses import UUID
from tests.support.task_arguments import EXCLUDES, PARTNERS

# A check, values that it accepts and what it makes of them, values that it refuses.
CHECKS: dict[str, tuple[Any, list[tuple[Any, Any]], list[Any]]] = {
    "text": (checks.text,
             [("a", "a"), (2026, "2026"), (1.5, "1.5"), (uuid.UUID(UUID), UUID), (Decimal("1.50"), "1.50"),
              (date(2026, 11, 30), "2026-11-30")],
             ["", " ", "None", "null", "undefined", None, True, ["a"], {}]),
    "any_text": (checks.any_text, [("", ""), ("a", "a"), (5, "5")], [None, False, ["a"], b"a"]),
    "flag": (checks.flag, [(True, True), (False, False), ("True", True), (" false ", False)],
             ["yes", "no", "1", "", 1, 0, None, [], "off"]),
    "strict_flag": (checks.strict_flag, [(True, True), (False, False)], ["True", "False", 1, 0, None]),
    "choice": (checks.choice("fail", "wait"), [("wait", "wait")], ["Wait", "", None, 1, ["wait"]]),
    "duration": (checks.duration,
                 [(0, 0.0), (1.5, 1.5), (timedelta(minutes=2), 120.0), ("90", 90.0),
                  (316_224_000, 3.16224e8), (Decimal("1.5"), 1.5), ("01:00:00", 3600.0), ("PT1H30M", 5400.0),
                  ("P1D", 86_400.0), ("0:00:01.5", 1.5), ("36:00:00", 129_600.0), (" PT90S ", 90.0),
                  *((str(each), each.total_seconds()) for each in (timedelta(1), timedelta(2, 1.5)))],
                 [-1, timedelta(seconds=-1), math.nan, math.inf, 316_224_001, timedelta(days=4000), True,
                  None, "1h", "", "9" * 400, "nan", "01:30", "01:60:00", "-01:00:00", "P1M", "P1Y", "PT", "P",
                  "PT-1H", "P1D/P2D", "P1D/2020-01-01", "P11Y", "99999999:00:00", "now", "2026-11-30",
                  Decimal("NaN")]),
    "count": (checks.count, [(1, 1), (1000, 1000), ("5", 5), (2.0, 2)],
              [0, -1, True, 1.5, None, "", "five", math.inf, "9" * 400]),
    "limit": (checks.limit, [(0, 0.0), (0.5, 0.5), ("3", 3.0)],
              [-1, True, None, "", "x", math.nan, "9" * 400]),
    "path": (checks.path,
             [("a/b", "a/b"), (Path("/a/b"), "/a/b"), ("s3://conn@bucket/b", "s3://conn@bucket/b"),
              (ObjectStoragePath("file:///a/b"), "file:///a/b"), ("~/x", str(Path.home() / "x")),
              ("file://~/x", f"file://{Path.home()}/x"), ("/None-such/a", "/None-such/a")],
             ["", " ", "None", None, 5, ["x"], "/a/None", "None/a.html", "s3://b/None.html", "a/None/b"]),
    "mapping": (checks.mapping,
                [({"a": 1}, {"a": 1}), ('{"a": true}', {"a": True}), ("{'a': None}", {"a": None})],
                [None, "", "a", "[1]", [1], {1: 2}, "{1: 2}", "{" * 9999]),
    "uuid": (checks.uuid, [(UUID, UUID), (uuid.UUID(UUID), UUID)], ["", "None", None, 5, f"{UUID}/../x"]),
    "opaque_id": (checks.opaque_id,
                  [("a.b", "a.b"), (17, "17"), (uuid.UUID(UUID), UUID), (Decimal(17), "17")],
                  ["", "None", None, True, "two words", 1.5, Decimal("17.0"), ("a",), {"a"}]),
    "path_id": (checks.path_id, [("a-b_1", "a-b_1"), (17, "17"), (uuid.UUID(UUID), UUID)],
                ["", "None", None, True, "a/b", "a.b"]),
}  # fmt: skip
ACCEPTED = [
    pytest.param(check, value, expected, id=f"{name}-{at}")
    for name, (check, accepted, _) in CHECKS.items()
    for at, (value, expected) in enumerate(accepted)
]
REFUSED = [
    pytest.param(check, value, id=f"{name}-{at}")
    for name, (check, _, refused) in CHECKS.items()
    for at, value in enumerate(refused)
]


class TestChecks:
    @pytest.mark.parametrize(("check", "value", "expected"), ACCEPTED)
    def test_accepted_value_is_returned_in_its_form(self, check: Any, value: Any, expected: Any) -> None:
        assert check(value, "name_of_it") == expected
        assert type(check(value, "name_of_it")) is type(expected)
        assert check(expected, "name_of_it") == expected  # it is checked again once rendered

    @pytest.mark.parametrize(("check", "value"), REFUSED)
    def test_other_value_is_refused_with_its_name(self, check: Any, value: Any) -> None:
        with pytest.raises(ValueError, match=r"^name_of_it "):
            check(value, "name_of_it")

    def test_optional_accepts_none(self) -> None:
        assert checks.optional(checks.uuid)(None, "a") is None

    @pytest.mark.parametrize(
        ("value", "shown"),
        [
            ("https://a.example/x?sig=s3cret&b=1", "'https://a.example/x?…'"),
            ("https://me:s3cret@a.example/x", "'https://…@a.example/x'"),
            ("s3://AKIA:s3c/ret@bucket/x", "'s3://…@bucket/x'"),
            ("s3://aws_default@bucket/x", "'s3://aws_default@bucket/x'"),
            ({"url": "https://a.example/?s3cret"}, "{'url': 'https://a.example/?…'}"),
            ("x" * 100, f"'{'x' * 79}…"),
        ],
    )
    def test_error_shows_no_secret_of_a_url(self, value: Any, shown: str) -> None:
        assert checks.shown(value) == shown


def update(**arguments: Any) -> InstantlyUpdateCampaignOperator:
    return InstantlyUpdateCampaignOperator(task_id="update", campaign_id=UUID, **arguments)


def submit(**arguments: Any) -> CampaignCleanerSubmitCampaignOperator:
    html = {} if "html_path" in arguments else {"campaign_html": "<p>Hi</p>"}
    return CampaignCleanerSubmitCampaignOperator(
        **{"task_id": "submit", "campaign_name": "Spring", **html, **arguments}
    )


def rendered(task: Any, **settings: Any) -> Any:
    """Render a task as a worker does, in a Dag with these settings, and check it."""
    with DAG("rendering", schedule=None, **settings) as dag:
        dag.add_task(task)
    params = {"none": None, "word": "None", "secret": "s3cret", "yes": True}
    task.render_template_fields({"params": params, "ti": SimpleNamespace(xcom_pull=lambda **_: None)})
    check_rendered(task)
    return task


NONE = "{{ ti.xcom_pull(task_ids='nope') }}"
# An argument with a part that is None, and the place that the error names.
WITH_NONE = [
    (submit, "campaign_html", f"<p>{NONE}</p>", "campaign_html"),
    (submit, "campaign_name", f"{NONE} sale", "campaign_name"),
    (submit, "custom_info", f"parent: {NONE}", "custom_info"),
    (submit, "webhook_url", f"https://a.example/{NONE}", "webhook_url"),
    (submit, "html_path", f"x-{{% if params.yes %}}{NONE}{{% endif %}}.html", "html_path"),
    (submit, "html_path", f"/out/{NONE}_clean.html", "html_path"),
    (
        submit,
        "settings",
        {"relative_links_base_url": f"https://a/{NONE}"},
        "settings['relative_links_base_url']",
    ),
    (update, "html", f"<p>Hi, {NONE}</p>", "html"),
    (update, "subject", f"Hi {NONE}", "subject"),
    (update, "fields", {"email_list": [f"{NONE}@acme.io"]}, "fields['email_list'][0]"),
    (update, "fields", {"email_list": {f"{NONE}@acme.io"}}, "fields['email_list']"),
    (update, "fields", {"more": {"x": {"y": f"a {NONE}"}}}, "fields['more']['x']['y']"),
]


class TestPartThatIsNone:
    @pytest.mark.parametrize(("task", "name", "template", "place"), WITH_NONE)
    @pytest.mark.parametrize("native", [False, True])
    def test_it_is_refused_with_its_expression(
        self, task: Any, name: str, template: Any, place: str, native: bool
    ) -> None:
        with pytest.raises(ValueError) as raised:  # noqa: PT011
            rendered(task(**{name: template}), render_template_as_native_obj=native)
        assert str(raised.value).startswith(
            f"{place} contains 'None', the value of \"ti.xcom_pull(task_ids='nope')\". "
        )

    @pytest.mark.parametrize("native", [False, True])
    def test_argument_that_is_none_as_a_whole_keeps_its_error(self, native: bool) -> None:
        for task, place in (
            (submit(campaign_name=f" {NONE} "), "campaign_name"),
            (update(fields={"email_list": [NONE]}), r"fields\['email_list'\]\[0\]"),
        ):
            with pytest.raises(ValueError, match=rf"^{place} was set, but it rendered to nothing"):
                rendered(task, render_template_as_native_obj=native)

    @pytest.mark.parametrize("takes_context", [False, True])
    def test_finalize_of_the_dag_decides_first(self, takes_context: bool) -> None:
        def empty(value: Any) -> Any:
            return "" if value is None else value

        def of_the_context(context: Any, value: Any) -> Any:
            return context["params"]["word"] if value is None else value

        own = pass_context(of_the_context) if takes_context else empty
        task = rendered(
            submit(campaign_name=f"a{NONE}-{{{{ 1 + 1 }}}}"), jinja_environment_kwargs={"finalize": own}
        )
        assert task.campaign_name == ("aNone-2" if takes_context else "a-2")
        assert task.get_template_env().finalize is own  # for all else that this Dag renders

    def test_filters_and_macros_of_the_dag_stay(self) -> None:
        task = rendered(
            submit(campaign_name="{{ loud('a') | twice }} {{ '2026-11-30' | string }}"),
            user_defined_macros={"loud": str.upper},
            user_defined_filters={"twice": lambda text: text * 2},
        )
        assert task.campaign_name == "AA 2026-11-30"


class TestRendered:
    def test_path_object_becomes_a_template(self) -> None:
        task = submit(html_path=Path("/out/{{ run_id }}.html"))
        assert task.html_path == "/out/{{ run_id }}.html"
        task.html_path = "/out/None.html"
        with pytest.raises(ValueError, match="html_path contains 'None'"):
            check_rendered(task)

    @pytest.mark.parametrize(
        ("template", "rendered"),
        [
            ("/out/{{ params.x }}_clean.html", "/out/None_clean.html"),
            ("{{ params.x }}/a.html", " /a.html"),
            ("{{ ti.xcom_pull('path') }}", "/out/None-clean.html"),  # an f-string of another task
            ("{{ ti.xcom_pull('path') }}", "/out/.html"),
            ("{{ params.x }}.html", ".html"),
            ("/{{ params.x }}.html", "/.html"),
            ("/out/{{ params.x }}", "/out/"),
            ("{{ params.x }}/a.html", "/a.html"),
            ("/out/{{ params.x }}/a.html", "/out//a.html"),
            ("s3://{{ params.x }}/a.html", "s3:///a.html"),
            ("/out/{{ params.x }}/a.html", "/out/None/a.html"),
        ],
    )
    def test_missing_part_of_a_file_name_is_refused(self, template: str, rendered: str) -> None:
        task = submit(html_path=template)
        task.html_path = rendered
        with pytest.raises(ValueError, match="html_path contains 'None'"):
            check_rendered(task)

    @pytest.mark.parametrize(
        ("template", "rendered"),
        [
            ("/out/{{ params.x }}.html", "/out/Nonesuch.html"),
            ("/out/{{ params.x }}.html", "/out/Second_to_None.html"),
            ("/out/None_{{ params.x }}.html", "/out/None_spring.html"),
            ("/out/None_spring.html", "/out/None_spring.html"),
            ("{{ ti.xcom_pull('path') }}", "/Nones/None of the above.html"),
            ("{{ params.x }}/a.html", "s3://bucket/dir//a.html"),  # the value ends in a slash
            ("{{ params.x }}/a.html", "./a.html"),
            ("{{ params.x }}/.report", "/out/.report"),
            ("/out//{{ params.x }}.html", "/out//a.html"),
            ("{{ params.x }}", "/out/.a.html"),
        ],
    )
    def test_name_that_begins_like_none_is_accepted(self, template: str, rendered: str) -> None:
        task = submit(html_path=template)
        task.html_path = rendered
        check_rendered(task)
        assert task.html_path == rendered

    @pytest.mark.parametrize(
        ("template", "text"),
        [
            ("Second to {{ params.none | string }}", "Second to None"),
            ("Spring {{ params.word }} left", "Spring None left"),
            ("a{{ params.none or '' }}", "a"),
            ("{% if params.none %}{{ params.none }}{% endif %}a", "a"),
            ("{% set x = params.none %}a", "a"),
        ],
    )
    def test_text_with_the_word_none_is_accepted(self, template: str, text: str) -> None:
        assert rendered(submit(campaign_name=template)).campaign_name == text

    def test_missing_part_of_a_lead_shows_no_data(self) -> None:
        lead = {"email": "a@b.c", "custom_variables": {"intro": "{{ params.secret }} from {{ params.none }}"}}
        task = InstantlyAddLeadsOperator(task_id="add", campaign_id=UUID, leads=[lead])
        with pytest.raises(
            ValueError, match=r"^leads\[0\]\['custom_variables'\]\['intro'\] contains"
        ) as raised:
            rendered(task)
        assert "'params.secret', 'params.none'" in str(raised.value)
        assert "s3cret" not in str(raised.value)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("/out/a.csv", "/out/a.csv"),
            ("/out/x/../a.csv", "file:///out/a.csv"),
            ("a.csv", Path.cwd() / "a.csv"),
            ("s3://c@bucket/a.csv", "s3://c@bucket/a.csv"),
        ],
    )
    def test_two_arguments_with_one_path_are_refused(self, one: str, other: Any) -> None:
        def add(leads_path: Any) -> Any:
            return InstantlyAddLeadsOperator(
                task_id="add", campaign_id=UUID, leads_path=leads_path, bad_rows_path=one
            )

        def get(analysis_path: Any) -> Any:
            return CampaignCleanerGetCampaignOperator(
                task_id="get", campaign_id="a", analysis_path=analysis_path, output_path=one
            )

        for build, name in ((add, "bad_rows_path and leads_path"), (get, "analysis_path and output_path")):
            with pytest.raises(BAD_ARGUMENT, match=f"{name} must not be the same file"):
                build(other)
            with pytest.raises(ValueError, match=f"^{name} must not be the same file"):
                rendered(build(str(other).replace("a.csv", "{{ 'a.csv' }}")))
        add("s3://d@bucket/a.csv")

    def test_nothing_inside_a_mapping_is_refused_with_its_place(self) -> None:
        task = submit(settings={"inline_css": True, "relative_links_base_url": "{{ params.base }}"})
        task.settings = {"inline_css": True, "relative_links_base_url": "None"}
        with pytest.raises(ValueError, match=r"^settings\['relative_links_base_url'\] was set"):
            check_rendered(task)

    @pytest.mark.parametrize(
        ("rendered", "text"), [(2026, "2026"), (True, "True"), (date(2026, 1, 1), "2026-01-01")]
    )
    def test_native_object_is_a_text_again(self, rendered: Any, text: str) -> None:
        task = submit(custom_info="{{ params.x }}")
        task.custom_info = rendered
        check_rendered(task)
        assert task.custom_info == text

    @pytest.mark.parametrize("rendered", [1000.0, (10, 42), ["a"], {"a": 1}])
    def test_id_of_another_type_is_refused(self, rendered: Any) -> None:
        for name, task in {
            "campaign_id": CampaignCleanerDeleteCampaignOperator(task_id="d", campaign_id="{{ params.x }}"),
            "job_id": InstantlyBackgroundJobSensor(task_id="wait", job_id="{{ params.x }}"),
        }.items():
            setattr(task, name, rendered)
            with pytest.raises(ValueError, match=f"^{name} must be an id"):
                check_rendered(task)

    @pytest.mark.parametrize("email", ["", "None", None])
    def test_error_shows_only_the_value_that_is_nothing(self, email: Any) -> None:
        lead = {"email": "{{ params.x }}", "last_name": "{{ params.y }}", "phone": "s3cret"}
        task = InstantlyAddLeadsOperator(task_id="add", campaign_id=UUID, leads=[lead])
        task.leads = [{**lead, "email": email, "last_name": "s3cret"}]
        with pytest.raises(ValueError, match=r"^leads\[0\]\['email'\] was set") as raised:
            check_rendered(task)
        assert "s3cret" not in str(raised.value)

    def test_value_set_after_parsing_stays(self) -> None:
        task = submit(html_path="/a.html")
        task.html_path = Path("/b.html")
        check_rendered(task)
        assert task.html_path == "/b.html"

    def test_value_of_a_cluster_policy_stays(self) -> None:
        task = submit()
        task.campaign_cleaner_conn_id = "of_the_policy"
        check_rendered(task)
        assert task.campaign_cleaner_conn_id == "of_the_policy"

    def test_own_delimiters_of_the_dag_are_known(self) -> None:
        with DAG(
            "own", jinja_environment_kwargs={"variable_start_string": "[[", "comment_start_string": "[#"}
        ):
            task = InstantlyPauseCampaignOperator(task_id="pause", campaign_id="[[ params.c ]]")
            assert (
                submit(campaign_html="<p>{{firstName}} {#x</p>").campaign_html == "<p>{{firstName}} {#x</p>"
            )
            with pytest.raises(ValueError, match=r"contains '\[#'"):
                submit(task_id="other", campaign_html="<p>[#x</p>")
            with pytest.raises(ValueError, match="campaign_id must be a UUID"):
                InstantlyPauseCampaignOperator(task_id="third", campaign_id="{{ params.c }}")
        assert task.campaign_id == "[[ params.c ]]"

    def test_restored_task_makes_a_new_hook(self) -> None:
        task = submit(campaign_cleaner_conn_id="{{ var.value.conn }}")
        task.campaign_cleaner_conn_id = "now"
        assert task._hook.campaign_cleaner_conn_id == "now"
        restore(task, {"campaign_cleaner_conn_id": "before"}, None)
        assert task._hook.campaign_cleaner_conn_id == "before"
        assert rendered_fields(task)["campaign_cleaner_conn_id"] == "before"


# Every task, with the least arguments that it needs.
ID = "e8c8af95-c033-11ed-9848-003048d8d536"
NEEDED: dict[str, dict[str, Any]] = {
    "CampaignCleanerSubmitCampaignOperator": {"campaign_html": "<p>Hi</p>", "campaign_name": "Spring"},
    "CampaignCleanerGetCampaignOperator": {"campaign_id": ID},
    "CampaignCleanerGetPdfAnalysisOperator": {"campaign_id": ID, "output_path": "/out/a.pdf"},
    "CampaignCleanerDeleteCampaignOperator": {"campaign_id": ID},
    "CampaignCleanerQualityGateOperator": {"analysis": {"a": 1}, "max_broken_links": 0},
    "InstantlySendGateOperator": {"campaign_id": UUID},
    "InstantlyAddLeadsOperator": {"campaign_id": UUID, "leads": [{"email": "a@example.com"}]},
    "InstantlyUpdateCampaignOperator": {"campaign_id": UUID, "html": "<p>Hi</p>"},
    "InstantlyActivateCampaignOperator": {"campaign_id": UUID},
    "InstantlyHealthReportOperator": {},
    "InstantlyPauseCampaignOperator": {"campaign_id": UUID},
    "CampaignCleanerEmitCompletedOperator": {"asset": Asset("a")},
    "InstantlyEmitHealthChangedOperator": {"asset": Asset("a")},
    "CampaignCleanerCampaignSensor": {"campaign_id": ID},
    "CampaignCleanerInboxTestSensor": {"job_id": ID, "timeout": 60},
    "InstantlyBackgroundJobSensor": {"job_id": ID},
}
if not HAS_ASSET_PARTITIONS:
    NEEDED = {name: needed for name, needed in NEEDED.items() if "asset" not in needed}
# Arguments without an entry in the table: they are checked first, because other arguments follow from them.
ELSEWHERE = {"start_from_trigger", "end_from_trigger", "asset"}
NOTHING = [None, "None", "", " ", "null"]
NOT_A_FLAG = ["False", "True", "yes", 1, 0]


def tasks() -> Iterator[type[BaseOperator]]:
    info = get_provider_info()
    for listed in info["operators"] + info["sensors"]:
        for name in listed["python-modules"]:
            module = import_module(name)
            for value in (getattr(module, each) for each in getattr(module, "__all__", vars(module))):
                if hasattr(value, "template_fields") and hasattr(value, "arguments"):
                    yield value


def own_arguments(task: type[BaseOperator]) -> dict[str, Any]:
    """Return the arguments of a task besides Airflow's own, with their annotations."""
    parameters = inspect.signature(task.__init__).parameters.values()
    return {
        each.name: str(each.annotation) for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY
    }


def is_task(found: type[BaseOperator]) -> bool:
    has_airflow = HAS_ASSET_PARTITIONS or "asset" not in own_arguments(found)
    return found.__name__ in NEEDED or ("Wait" not in found.__name__ and has_airflow)


TASKS = sorted({each for each in tasks() if is_task(each)}, key=str)
EVERY = [
    pytest.param(task, name, annotation, id=f"{task.__name__}-{name}")
    for task in TASKS
    for name, annotation in own_arguments(task).items()
    if not name.startswith("_")
]


def built(task: type[BaseOperator], **arguments: Any) -> Any:
    replaced = [each for name in arguments for each in EXCLUDES.get(name, ())]
    needed = {name: value for name, value in NEEDED[task.__name__].items() if name not in replaced}
    takes = own_arguments(task)
    besides = {
        key: value for name in arguments for key, value in PARTNERS.get(name, {}).items() if key in takes
    }
    return task(**{"task_id": "a_task", **needed, **besides, **arguments})


class TestEveryTask:
    """A new argument without a check fails here."""

    @pytest.mark.parametrize(("task", "name", "annotation"), EVERY)
    def test_duration_is_also_a_string(self, task: Any, name: str, annotation: str) -> None:
        if "timedelta" not in annotation:
            return
        for written in ("5400", "01:30:00", "PT1H30M"):
            assert getattr(built(task, **{name: written}), name) == 5400
        with pytest.raises(BAD_ARGUMENT, match=rf"^{name} must be .*'90', '01:30:00' or 'PT1H30M'; got '1h'"):
            built(task, **{name: "1h"})

    def test_every_task_is_in_the_table(self) -> None:
        assert {each.__name__ for each in TASKS} == NEEDED.keys()

    @pytest.mark.parametrize("task", TASKS)
    def test_every_argument_has_a_check(self, task: Any) -> None:
        assert own_arguments(task).keys() - task.arguments.keys() <= ELSEWHERE
        own_fields = set(task.template_fields) - set(BaseSensorOperator.template_fields)
        assert own_fields <= task.arguments.keys()

    @pytest.mark.parametrize(("task", "name", "annotation"), EVERY)
    def test_rendered_to_nothing_is_refused(self, task: Any, name: str, annotation: str) -> None:
        if name not in task.template_fields:
            with pytest.raises(BAD_ARGUMENT, match=name):
                built(task, **{name: "{{ params.x }}"})
            return
        for nothing in NOTHING:
            made = built(task, **{name: "{{ params.x }}"})
            setattr(made, name, nothing)
            with pytest.raises(ValueError, match=rf"^{name} "):
                check_rendered(made)

    @pytest.mark.parametrize(("task", "name", "annotation"), EVERY)
    def test_flag_takes_only_true_and_false(self, task: Any, name: str, annotation: str) -> None:
        if annotation != "bool":
            return
        for value in NOT_A_FLAG:
            with pytest.raises(BAD_ARGUMENT, match=f"{name} must be True or False"):
                built(task, **{name: value})
        if name in task.template_fields:
            made = built(task, **{name: "{{ params.x }}"})
            setattr(made, name, "yes")
            with pytest.raises(ValueError, match=f"{name} must be True or False"):
                check_rendered(made)
            setattr(made, name, "False")
            check_rendered(made)
            assert getattr(made, name) is False

    @pytest.mark.parametrize(("task", "name", "annotation"), EVERY)
    def test_value_of_another_kind_is_refused(self, task: Any, name: str, annotation: str) -> None:
        with pytest.raises(BAD_ARGUMENT, match=name):
            built(task, **{name: object()})

    @pytest.mark.parametrize(("task", "name", "annotation"), EVERY)
    def test_error_shows_no_signature_of_a_url(self, task: Any, name: str, annotation: str) -> None:
        url = "https://files.example/a?sig=s3cret"
        names = getattr(task, "known_names", {}).get(name, ("A",))
        for value in (url, [url], *({each: wrong} for each in names for wrong in (url, [url]))):
            assert "s3cret" not in error_of(lambda value=value: built(task, **{name: value}))
            if name in task.template_fields:
                made = built(task, **{name: "{{ params.x }}"})
                setattr(made, name, value)
                assert "s3cret" not in error_of(lambda made=made: check_rendered(made))


def error_of(check: Callable[[], Any]) -> str:
    try:
        check()
    except BAD_ARGUMENT as error:
        return str(error)
    return ""
