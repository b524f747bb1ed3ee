"""The provider info, compared with the schema files that Airflow ships, and with Airflow itself."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest
from airflow.providers.common.compat.sdk import (
    DAG,
    Asset,
    BaseOperator,
    BaseOperatorLink,
    BaseSensorOperator,
    DecoratedOperator,
)
from packaging.version import Version

from airflow_provider_campaigns import __version__, assets
from airflow_provider_campaigns.decorators import send_gate
from airflow_provider_campaigns.get_provider_info import get_provider_info
from airflow_provider_campaigns.links import CleaningReportLink
from airflow_provider_campaigns.watchers import campaign_cleaner_completed, instantly_health_changed
from tests.support.airflow_versions import AIRFLOW, HAS_ASSET_PARTITIONS, needs
from tests.support.package_classes import all_classes, classes, options_read
from tests.support.task_arguments import EXCLUDES, PARTNERS

INFO = get_provider_info()
TYPES = {kind["connection-type"]: kind for kind in INFO["connection-types"]}


def schema(name: str) -> Any:
    return json.loads((Path(airflow.__file__).parent / name).read_text())


TASKS: list[Any] = sorted(
    [*classes("operators").values(), *classes("sensors").values()], key=lambda each: each.__name__
)
each_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.__name__)


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_provider_info_follows_airflows_schema() -> None:
    jsonschema.validate(INFO, schema("provider_info.schema.json"))


def test_connection_types_follow_the_schema_of_provider_yaml() -> None:
    """That schema also describes the connection form."""
    connection_types = schema("provider.yaml.schema.json")["properties"]["connection-types"]
    jsonschema.validate(INFO["connection-types"], connection_types)


@pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES)
def test_connection_form_is_complete(kind: dict[str, Any]) -> None:
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
def test_hook_describes_the_form_as_the_provider_info_does(kind: dict[str, Any]) -> None:
    module, _, name = kind["hook-class-name"].rpartition(".")
    hook = getattr(importlib.import_module(module), name)
    assert (hook.conn_type, hook.hook_name) == (kind["connection-type"], kind["hook-name"])
    assert hook.get_ui_field_behaviour() == {
        "hidden_fields": kind["ui-field-behaviour"]["hidden-fields"],
        "relabeling": kind["ui-field-behaviour"]["relabeling"],
        "placeholders": kind["ui-field-behaviour"]["placeholders"],
    }


def test_provider_info_imports_nothing() -> None:
    code = (
        "import sys; import __future__, typing; before = set(sys.modules);"
        "from airflow_provider_campaigns.get_provider_info import get_provider_info; get_provider_info();"
        "print(sorted(set(sys.modules) - before))"
    )
    assert run(sys.executable, "-c", code).strip() == str(
        ["airflow_provider_campaigns", "airflow_provider_campaigns.get_provider_info"]
    )


def test_dag_file_imports_only_the_operators_that_it_names() -> None:
    code = (
        "import sys; from airflow_provider_campaigns.operators.instantly import InstantlySendGateOperator;"
        "print([each for each in sys.modules if 'operators.instantly' in each or 'campaign_cleaner' in each])"
    )
    package = "airflow_provider_campaigns.operators.instantly"
    assert run(sys.executable, "-c", code).strip() == str([package, f"{package}.send_gate"])


def test_name_that_a_package_does_not_have_is_an_import_error() -> None:
    with pytest.raises(ImportError, match="InstantlySendGate"):
        exec("from airflow_provider_campaigns.operators.instantly import InstantlySendGate")  # noqa: S102


def test_error_within_a_module_is_told(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import sys; sys.nothing")
    code = (
        "import airflow_provider_campaigns as ours;"
        f"ours.__path__.append({str(tmp_path)!r});"
        "get, _ = ours.lazy_names('airflow_provider_campaigns', {'broken': ['Name']});"
        "get('Name')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ImportError: airflow_provider_campaigns: broken cannot be imported: module 'sys'" in done.stderr


def test_shell_completes_the_names_of_a_package_before_they_are_imported() -> None:
    code = "from airflow_provider_campaigns.operators import instantly; print(dir(instantly))"
    assert "InstantlySendGateOperator" in run(sys.executable, "-c", code)


def test_dag_parsing_imports_no_library_and_no_module_that_only_a_worker_needs() -> None:
    code = (
        "import sys; from airflow.providers.common.compat.sdk import BaseSensorOperator;"
        "before = set(sys.modules);"
        "from airflow_provider_campaigns.operators.campaign_cleaner import *;"
        "from airflow_provider_campaigns.operators.instantly import *;"
        "from airflow_provider_campaigns.sensors.campaign_cleaner import *;"
        "from airflow_provider_campaigns.sensors.instantly import *;"
        "new = set(sys.modules) - before;"
        "ours = ('hooks.', 'triggers.', 'rules.html', 'rules.merge_tags', 'transport.blocking');"
        "late = ('requests', 'aiohttp', 'urllib3', 'jinja2', 'sqlalchemy', 'airflow.triggers',"
        " *(f'airflow_provider_campaigns.{each}' for each in ours));"
        "print(sorted(name for name in new if name.startswith(late)))"
    )
    assert run(sys.executable, "-c", code).strip() == "[]"


# Prints what Airflow knows of the provider, and which of its hooks Airflow imports for the connection forms.
_AIRFLOW_VIEW = """
import json, sys

def forms():
    try:  # Airflow 3.1 and later
        from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
    except ImportError:
        return None
    return [meta.model_dump(mode="json") for meta in HookMetaService.hook_meta_data()]

shown = {"forms": forms()}
shown["imported"] = [name for name in sys.modules if name.startswith("airflow_provider_campaigns.hooks.")]
from airflow.providers_manager import ProvidersManager
manager = ProvidersManager()
shown["links"] = list(manager.extra_links_class_names)
shown["versions"] = {name: provider.version for name, provider in manager.providers.items()}
shown["hooks"] = {
    name: [hook.hook_class_name, hook.hook_name, hook.package_name, hook.connection_id_attribute_name]
    for name, hook in manager.hooks.items() if hook
}
print(json.dumps(shown))
"""


@pytest.fixture(scope="module")
def airflow_view() -> dict[str, Any]:
    """What an Airflow that has just started knows of its providers."""
    return json.loads(run(sys.executable, "-c", _AIRFLOW_VIEW).splitlines()[-1])


class TestAirflowDiscovers:
    def test_airflow_lists_the_provider_with_its_version(self, airflow_view: dict[str, Any]) -> None:
        assert airflow_view["versions"][INFO["package-name"]] == __version__

    @pytest.mark.parametrize("connection_type", TYPES)
    def test_airflow_lists_the_connection_types(
        self, connection_type: str, airflow_view: dict[str, Any]
    ) -> None:
        kind = TYPES[connection_type]
        assert airflow_view["hooks"][connection_type] == [
            kind["hook-class-name"],
            kind["hook-name"],
            INFO["package-name"],
            f"{connection_type}_conn_id",
        ]

    def test_airflow_registers_the_links(self, airflow_view: dict[str, Any]) -> None:
        assert set(INFO["extra-links"]) <= set(airflow_view["links"])

    @needs(AIRFLOW.release[:2] != (3, 0), "Airflow 3.0 shows a plain form where Flask AppBuilder is missing")
    def test_airflow_builds_the_forms_without_the_hooks(self, airflow_view: dict[str, Any]) -> None:
        if airflow_view["forms"] is None:
            pytest.skip("Airflow 2 has no such UI")
        by_type = {form["connection_type"]: form for form in airflow_view["forms"]}
        for connection_type, kind in TYPES.items():
            form = by_type[connection_type]
            assert form["hook_name"] == kind["hook-name"]
            assert form["standard_fields"]["password"]["title"] == "API key"
            assert form["standard_fields"]["login"]["hidden"]
            extras = {name: field["schema"]["title"] for name, field in form["extra_fields"].items()}
            assert extras == {name: field["label"] for name, field in kind["conn-fields"].items()}
        if Version("3.3") <= AIRFLOW:  # this Airflow reads the provider info
            assert airflow_view["imported"] == []


@pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES)
def test_hook_class_itself_defines_its_form(kind: dict[str, Any]) -> None:
    """Airflow before 3.2 does not see the methods that the class inherits."""
    module, _, name = kind["hook-class-name"].rpartition(".")
    hook = getattr(importlib.import_module(module), name)
    assert {"get_ui_field_behaviour", "get_connection_form_widgets"} <= vars(hook).keys()


class TestEveryKind:
    """The provider info has everything that the package has, and nothing else."""

    @pytest.mark.parametrize("kind", ["hooks", "operators", "sensors", "triggers"])
    def test_every_class_is_in_a_listed_module(self, kind: str) -> None:
        listed = [module for entry in INFO[kind] for module in entry["python-modules"]]
        assert sorted(listed) == sorted({path.rpartition(".")[0] for path in classes(kind)})
        integrations = {each["integration-name"] for each in INFO["integrations"]}
        assert {entry["integration-name"] for entry in INFO[kind]} == integrations

    def test_every_hook_has_a_connection_type(self) -> None:
        assert sorted(kind["hook-class-name"] for kind in TYPES.values()) == sorted(classes("hooks"))

    @pytest.mark.parametrize("kind", ["notifications", "extra-links"])
    def test_every_class_is_listed(self, kind: str) -> None:
        assert sorted(INFO[kind]) == sorted(classes(kind))

    def test_every_plugin_is_listed(self) -> None:
        listed = [each["plugin-class"] for each in INFO.get("plugins", [])]
        assert sorted(listed) == sorted(classes("plugins"))

    def test_every_decorator_is_listed(self) -> None:
        decorated = {each for each in all_classes() if issubclass(each, DecoratedOperator)}
        listed = INFO["task-decorators"]
        assert {f"@task.{each['name']}" for each in listed} == {
            each.custom_operator_name for each in decorated
        }
        for each in listed:
            module, _, name = each["class-name"].rpartition(".")
            assert callable(getattr(importlib.import_module(module), name))

    def test_every_scheme_of_an_asset_is_listed(self) -> None:
        for kind in ("asset-uris", "dataset-uris"):
            (uris,) = INFO[kind]
            assert sorted(uris["schemes"]) == sorted([assets.CAMPAIGN_CLEANER, assets.INSTANTLY])
            for role in ("handler", "to_openlineage_converter"):
                module, _, name = uris[role].rpartition(".")
                assert callable(getattr(importlib.import_module(module), name))

    def test_every_option_of_its_own_is_listed(self) -> None:
        listed = {(name, each) for name, found in INFO.get("config", {}).items() for each in found["options"]}
        assert {each for each in options_read() if each[0] not in AIRFLOW_SECTIONS} == listed


# The sections of Airflow's own configuration that the package reads.
AIRFLOW_SECTIONS = {"api", "lineage", "operators"}


def test_every_link_is_one_of_a_task() -> None:
    used = {f"{type(link).__module__}.{type(link).__name__}" for task in TASKS for link in links_of(task)}
    # Before Airflow 3.1, no task has a cleaning report.
    assert used | {f"{CleaningReportLink.__module__}.CleaningReportLink"} == set(INFO["extra-links"])


def links_of(task: type[BaseOperator]) -> tuple[BaseOperatorLink, ...]:
    return tuple(vars(task).get("operator_extra_links", ()))


def arguments_of(task: type[BaseOperator]) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(inspect.unwrap(task.__init__)).parameters
    return {
        name: each
        for name, each in parameters.items()
        if name != "self" and each.kind is not inspect.Parameter.VAR_KEYWORD
    }


@pytest.mark.parametrize(
    "called",
    [
        *(inspect.unwrap(task.__init__) for task in TASKS),
        *(notifier.__init__ for notifier in classes("notifications").values()),
        send_gate,
        campaign_cleaner_completed,
        instantly_health_changed,
    ],
    ids=lambda called: called.__qualname__,
)
def test_default_connection_is_that_of_the_hook(called: Any) -> None:
    hooks: dict[str, Any] = classes("hooks")
    defaults = {hook.conn_name_attr: hook.default_conn_name for hook in hooks.values()}
    for name, argument in inspect.signature(called).parameters.items():
        assert not name.endswith("_conn_id") or argument.default == defaults[name]


def test_every_task_is_named_by_its_kind() -> None:
    assert len(TASKS) > 15
    for task in TASKS:
        kind = "Sensor" if issubclass(task, BaseSensorOperator) else "Operator"
        assert task.__name__.startswith(("CampaignCleaner", "Instantly"))
        assert task.__name__.endswith(kind)


@each_task
class TestEveryTask:
    def test_docstring_has_each_argument_and_no_other(self, task: type[BaseOperator]) -> None:
        documented = re.findall(r"^\s*:param (\w+):", task.__doc__ or "", re.MULTILINE)
        assert documented
        assert sorted(documented) == sorted(arguments_of(task))

    def test_docstring_says_which_arguments_are_templated(self, task: type[BaseOperator]) -> None:
        documented = {
            name
            for name, words in re.findall(r":param (\w+):(.*?)(?=:param |\Z)", task.__doc__ or "", re.DOTALL)
            if "(templated)" in words
        }
        assert documented == set(task.template_fields)

    def test_arguments_are_keyword_only(self, task: type[BaseOperator]) -> None:
        kinds = {parameter.kind for parameter in arguments_of(task).values()}
        assert kinds == {inspect.Parameter.KEYWORD_ONLY}

    def test_task_has_a_colour_and_a_link(self, task: type[BaseOperator]) -> None:
        assert re.fullmatch(r"#[0-9a-f]{6}", vars(task)["ui_color"])
        assert task.ui_color not in (BaseOperator.ui_color, BaseSensorOperator.ui_color)
        links = [each for each in links_of(task) if not isinstance(each, CleaningReportLink)]
        assert len(links) == 1

    def test_ids_paths_names_and_urls_are_templated(self, task: type[BaseOperator]) -> None:
        named = {name for name in arguments_of(task) if re.search(r"(_id|_path|_name|_url)$", name)}
        assert named <= set(task.template_fields)
        assert set(task.template_fields) <= set(arguments_of(task))
        if "analysis" not in arguments_of(task):
            assert any(name.endswith("_conn_id") for name in task.template_fields)

    def test_html_and_json_are_shown_as_such(self, task: type[BaseOperator]) -> None:
        kinds = {"html": "html", "campaign_html": "html", "original_html": "html"}
        kinds |= dict.fromkeys(("settings", "analysis", "leads", "fields"), "json")
        wanted = {name: kinds[name] for name in task.template_fields if name in kinds}
        assert dict(task.template_fields_renderers) == wanted

    def test_every_template_field_is_rendered(self, task: type[BaseOperator]) -> None:
        if "asset" in arguments_of(task) and not HAS_ASSET_PARTITIONS:
            pytest.skip("partition keys of assets came with Airflow 3.3")
        for field in task.template_fields:
            besides = {**EXAMPLES, **PARTNERS.get(field, {})}
            arguments = {name: value for name, value in besides.items() if is_wanted(name, task, field)}
            with DAG("renders"):
                built = task(task_id="task", **{**arguments, field: "{{ params.x }}"})
            built.render_template_fields({"params": {"x": "rendered"}})
            assert getattr(built, field) == "rendered", field


# Valid arguments, of which each task gets those that it has.
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
    "asset": Asset("campaigns"),
}


def is_wanted(name: str, task: type[BaseOperator], field: str) -> bool:
    return name in arguments_of(task) and name not in EXCLUDES.get(field, set())
