"""What Airflow discovers, held against the schema files that ship in Airflow, and against Airflow itself."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest
from airflow.providers.common.compat.sdk import DAG, BaseOperator, BaseOperatorLink, BaseSensorOperator
from packaging.version import Version

import airflow_provider_campaigns
from airflow_provider_campaigns import __version__
from airflow_provider_campaigns.get_provider_info import get_provider_info
from tests.support.airflow_versions import AIRFLOW, needs

INFO = get_provider_info()
TYPES = {kind["connection-type"]: kind for kind in INFO["connection-types"]}


def schema(name: str) -> Any:
    return json.loads((Path(airflow.__file__).parent / name).read_text())


def modules_of(kind: str) -> set[str]:
    """The public modules of one of the package's folders, by what is in the folder."""
    folder = f"{next(iter(airflow_provider_campaigns.__path__))}/{kind}"
    names = {module.name for module in pkgutil.iter_modules([folder]) if not module.name.startswith("_")}
    return {f"airflow_provider_campaigns.{kind}.{name}" for name in names}


def public_tasks() -> list[type[BaseOperator]]:
    """Every operator and sensor that a Dag may use."""
    modules = [
        importlib.import_module(name) for kind in ("operators", "sensors") for name in modules_of(kind)
    ]
    found = [
        each
        for module in modules
        for name, each in vars(module).items()
        if inspect.isclass(each) and each.__module__ == module.__name__ and issubclass(each, BaseOperator)
        if not name.startswith("_")
    ]
    return sorted(found, key=lambda each: each.__name__)


TASKS = public_tasks()
each_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.__name__)


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_description_is_what_airflow_expects() -> None:
    jsonschema.validate(INFO, schema("provider_info.schema.json"))


def test_the_description_follows_the_stricter_schema_of_a_provider_too() -> None:
    """That of provider.yaml, which knows the connection form; what only Apache's releases need is added."""
    connection_types = schema("provider.yaml.schema.json")["properties"]["connection-types"]
    jsonschema.validate(INFO["connection-types"], connection_types)


@pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES)
def test_the_form_is_complete(kind: dict[str, Any]) -> None:
    behaviour = kind["ui-field-behaviour"]
    translated = {name.replace("-", "_"): value for name, value in behaviour.items()}
    jsonschema.validate(translated, schema("customized_form_field_behaviours.schema.json"))
    assert set(behaviour["hidden-fields"]) == {"schema", "login", "port", "extra"}
    assert behaviour["relabeling"]["password"] == "API key"
    for field in kind["conn-fields"].values():
        assert field["label"]
        assert field["description"]
        jsonschema.Draft7Validator.check_schema(field["schema"])


@pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES)
def test_the_hook_says_of_the_form_what_the_description_says(kind: dict[str, Any]) -> None:
    module, _, name = kind["hook-class-name"].rpartition(".")
    hook = getattr(importlib.import_module(module), name)
    assert (hook.conn_type, hook.hook_name) == (kind["connection-type"], kind["hook-name"])
    assert hook.get_ui_field_behaviour() == {
        "hidden_fields": kind["ui-field-behaviour"]["hidden-fields"],
        "relabeling": kind["ui-field-behaviour"]["relabeling"],
        "placeholders": kind["ui-field-behaviour"]["placeholders"],
    }


def test_everything_that_is_named_can_be_imported() -> None:
    for section in ("hooks", "operators", "sensors", "triggers"):
        for entry in INFO[section]:
            for module in entry["python-modules"]:
                importlib.import_module(module)


def test_the_description_imports_nothing() -> None:
    code = (
        "import sys; import __future__, typing; before = set(sys.modules);"
        "from airflow_provider_campaigns.get_provider_info import get_provider_info; get_provider_info();"
        "print(sorted(set(sys.modules) - before))"
    )
    assert run(sys.executable, "-c", code).strip() == str(
        ["airflow_provider_campaigns", "airflow_provider_campaigns.get_provider_info"]
    )


def test_the_api_knows_no_airflow() -> None:
    code = (
        "import sys;"
        "import airflow_provider_campaigns.api.campaign_cleaner, airflow_provider_campaigns.api.instantly,"
        "airflow_provider_campaigns.rules.send_gate, airflow_provider_campaigns.rules.polling,"
        "airflow_provider_campaigns.transport.blocking, airflow_provider_campaigns.transport.aio;"
        "print([name for name in sys.modules if name.split('.')[0] == 'airflow'])"
    )
    assert run(sys.executable, "-c", code).strip() == "[]"


def test_parsing_a_dag_loads_no_http_library() -> None:
    code = (
        "import sys; from airflow.providers.common.compat.sdk import BaseSensorOperator;"
        "before = set(sys.modules);"
        "import airflow_provider_campaigns.operators.campaign_cleaner,"
        "airflow_provider_campaigns.operators.instantly, airflow_provider_campaigns.sensors.campaign_cleaner;"
        "new = set(sys.modules) - before;"
        "print([name for name in ('requests', 'aiohttp', 'urllib3', 'jinja2', 'sqlalchemy') if name in new])"
    )
    assert run(sys.executable, "-c", code).strip() == "[]"


def test_airflow_knows_the_provider_and_its_connection_types() -> None:
    def listed(*command: str) -> list[dict[str, str]]:
        told = run(sys.executable, "-m", "airflow", "providers", *command, "--output", "json")
        return json.loads(told[told.index("[{") :])  # Airflow 3.0 logs into it

    (provider,) = [row for row in listed("list") if row["package_name"] == INFO["package-name"]]
    assert provider["version"] == __version__
    hooks = {row["connection_type"]: row for row in listed("hooks")}
    for connection_type, kind in TYPES.items():
        row = hooks[connection_type]
        assert row["class"] == kind["hook-class-name"]
        assert row["hook_name"] == kind["hook-name"]
        assert row["package_name"] == INFO["package-name"]
        assert row["conn_id_attribute_name"] == f"{connection_type}_conn_id"


@needs(AIRFLOW.release[:2] != (3, 0), "Airflow 3.0 shows a plain form where Flask AppBuilder is missing")
def test_airflow_builds_the_form_without_the_hook() -> None:
    """Asks what the connection page of Airflow's UI asks."""
    pytest.importorskip(
        "airflow.api_fastapi.core_api.services.ui.connections", reason="Airflow 2 has no such UI"
    )
    code = (
        "import json, sys;"
        "from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService;"
        "forms = [meta.model_dump(mode='json') for meta in HookMetaService.hook_meta_data()];"
        "imported = [name for name in sys.modules if name.startswith('airflow_provider_campaigns.hooks.')];"
        "print(json.dumps([forms, imported]))"
    )
    forms, imported = json.loads(run(sys.executable, "-c", code).splitlines()[-1])
    by_type = {form["connection_type"]: form for form in forms}
    for connection_type, kind in TYPES.items():
        form = by_type[connection_type]
        assert form["hook_name"] == kind["hook-name"]
        assert form["standard_fields"]["password"]["title"] == "API key"
        assert form["standard_fields"]["login"]["hidden"]
        extras = {name: field["schema"]["title"] for name, field in form["extra_fields"].items()}
        assert extras == {name: field["label"] for name, field in kind["conn-fields"].items()}
    if Version("3.3") <= AIRFLOW:  # from then on, Airflow reads the description
        assert imported == []


@pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES)
def test_each_hook_describes_its_form_itself(kind: dict[str, Any]) -> None:
    """Airflow before 3.2 looks into the class's own members, not into those that it inherits."""
    module, _, name = kind["hook-class-name"].rpartition(".")
    hook = getattr(importlib.import_module(module), name)
    assert {"get_ui_field_behaviour", "get_connection_form_widgets"} <= vars(hook).keys()


@pytest.mark.parametrize("kind", ["hooks", "operators", "sensors", "triggers"])
def test_every_module_is_listed_once(kind: str) -> None:
    listed = [module for entry in INFO[kind] for module in entry["python-modules"]]
    assert sorted(listed) == sorted(modules_of(kind))
    integrations = {each["integration-name"] for each in INFO["integrations"]}
    assert {entry["integration-name"] for entry in INFO[kind]} <= integrations


def test_every_link_is_listed_and_can_be_imported() -> None:
    links = importlib.import_module("airflow_provider_campaigns.links")
    public = {
        f"{links.__name__}.{name}"
        for name, each in vars(links).items()
        if inspect.isclass(each) and each.__module__ == links.__name__ and issubclass(each, BaseOperatorLink)
        if not name.startswith("_")
    }
    assert set(INFO["extra-links"]) == public
    used = {f"{type(link).__module__}.{type(link).__name__}" for task in TASKS for link in links_of(task)}
    assert used == public


def test_airflow_registers_the_links() -> None:
    code = (
        "from airflow.providers_manager import ProvidersManager;"
        "print(*ProvidersManager().extra_links_class_names)"
    )
    assert set(INFO["extra-links"]) <= set(run(sys.executable, "-c", code).split())


def links_of(task: type[BaseOperator]) -> tuple[BaseOperatorLink, ...]:
    return tuple(vars(task).get("operator_extra_links", ()))


def arguments_of(task: type[BaseOperator]) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(inspect.unwrap(task.__init__)).parameters
    return {
        name: each
        for name, each in parameters.items()
        if name != "self" and each.kind is not inspect.Parameter.VAR_KEYWORD
    }


def test_the_tasks_are_those_that_the_package_is_for() -> None:
    names = {task.__name__ for task in TASKS}
    assert {
        "CampaignCleanerSubmitCampaignOperator",
        "CampaignCleanerGetCampaignOperator",
        "CampaignCleanerGetPdfAnalysisOperator",
        "CampaignCleanerDeleteCampaignOperator",
        "CampaignCleanerQualityGateOperator",
        "CampaignCleanerCampaignSensor",
        "CampaignCleanerInboxTestSensor",
        "InstantlySendGateOperator",
        "InstantlyAddLeadsOperator",
        "InstantlyBackgroundJobSensor",
    } <= names
    assert all(
        name.endswith("Sensor" if issubclass(task, BaseSensorOperator) else "Operator")
        for name, task in zip(sorted(names), TASKS, strict=True)
    )


@each_task
class TestEveryTask:
    def test_documents_each_argument_and_no_other(self, task: type[BaseOperator]) -> None:
        documented = re.findall(r"^\s*:param (\w+):", task.__doc__ or "", re.MULTILINE)
        assert documented
        assert sorted(documented) == sorted(arguments_of(task))

    def test_says_of_its_arguments_which_ones_are_templated(self, task: type[BaseOperator]) -> None:
        told = {
            name
            for name, words in re.findall(r":param (\w+):(.*?)(?=:param |\Z)", task.__doc__ or "", re.DOTALL)
            if "(templated)" in words
        }
        assert told == set(task.template_fields)

    def test_takes_its_arguments_by_name(self, task: type[BaseOperator]) -> None:
        kinds = {parameter.kind for parameter in arguments_of(task).values()}
        assert kinds == {inspect.Parameter.KEYWORD_ONLY}

    def test_has_a_colour_and_a_link(self, task: type[BaseOperator]) -> None:
        assert re.fullmatch(r"#[0-9a-f]{6}", vars(task)["ui_color"])
        assert task.ui_color not in (BaseOperator.ui_color, BaseSensorOperator.ui_color)
        assert len(links_of(task)) == 1

    def test_renders_whatever_names_a_thing_a_place_or_a_connection(self, task: type[BaseOperator]) -> None:
        named = {name for name in arguments_of(task) if re.search(r"(_id|_path|_name|_url)$", name)}
        assert named <= set(task.template_fields)
        assert set(task.template_fields) <= set(arguments_of(task))
        if "analysis" not in arguments_of(task):
            assert any(name.endswith("_conn_id") for name in task.template_fields)

    def test_shows_html_as_html_and_json_as_json(self, task: type[BaseOperator]) -> None:
        kinds = {"html": "html", "campaign_html": "html"}
        kinds |= dict.fromkeys(("settings", "analysis", "leads", "fields"), "json")
        wanted = {name: kinds[name] for name in task.template_fields if name in kinds}
        assert dict(task.template_fields_renderers) == wanted

    def test_renders_each_of_its_templates(self, task: type[BaseOperator]) -> None:
        for field in task.template_fields:
            arguments = {name: value for name, value in EXAMPLES.items() if is_wanted(name, task, field)}
            with DAG("renders"):
                built = task(task_id="task", **{**arguments, field: "{{ params.x }}"})
            built.render_template_fields({"params": {"x": "rendered"}})
            assert getattr(built, field) == "rendered", field


# What each task needs before it can be built, and what has to be left out for the sake of something else.
UUID = "019e18e2-a52f-78e7-96f2-b33ee19bb50a"
EXAMPLES: dict[str, Any] = {
    "campaign_html": "<p>Hi</p>",
    "campaign_name": "Spring",
    "campaign_id": UUID,
    "job_id": UUID,
    "output_path": "x.html",
    "analysis": {},
    "max_broken_links": 0,
    "html": "<p>Hi</p>",
    "leads": [{"email": "ada@example.com"}],
    "timeout": 60,
}
RIVALS = {"subsequence_id": "campaign_id", "html_path": "html", "leads_path": "leads"}


def is_wanted(name: str, task: type[BaseOperator], field: str) -> bool:
    return name in arguments_of(task) and RIVALS.get(field) != name
