"""What Airflow discovers, held against the schema files that ship in Airflow, and against Airflow itself."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest

from airflow_provider_campaigns import __version__
from airflow_provider_campaigns.get_provider_info import get_provider_info

INFO = get_provider_info()
TYPES = {kind["connection-type"]: kind for kind in INFO["connection-types"]}


def schema(name: str) -> Any:
    return json.loads((Path(airflow.__file__).parent / name).read_text())


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
        "airflow_provider_campaigns.gate, airflow_provider_campaigns.polling,"
        "airflow_provider_campaigns.transport.blocking, airflow_provider_campaigns.transport.aio;"
        "print([name for name in sys.modules if name.split('.')[0] == 'airflow'])"
    )
    assert run(sys.executable, "-c", code).strip() == "[]"


def test_parsing_a_dag_loads_no_http_library() -> None:
    code = (
        "import sys; import airflow.sdk; from airflow.sdk import BaseSensorOperator;"
        "before = set(sys.modules);"
        "import airflow_provider_campaigns.operators.campaign_cleaner,"
        "airflow_provider_campaigns.operators.instantly, airflow_provider_campaigns.sensors.campaign_cleaner;"
        "new = set(sys.modules) - before;"
        "print([name for name in ('requests', 'aiohttp', 'urllib3', 'jinja2', 'sqlalchemy') if name in new])"
    )
    assert run(sys.executable, "-c", code).strip() == "[]"


def test_airflow_knows_the_provider_and_its_connection_types() -> None:
    def listed(*command: str) -> list[dict[str, str]]:
        return json.loads(run(sys.executable, "-m", "airflow", "providers", *command, "--output", "json"))

    (provider,) = [row for row in listed("list") if row["package_name"] == INFO["package-name"]]
    assert provider["version"] == __version__
    hooks = {row["connection_type"]: row for row in listed("hooks")}
    for connection_type, kind in TYPES.items():
        row = hooks[connection_type]
        assert row["class"] == kind["hook-class-name"]
        assert row["hook_name"] == kind["hook-name"]
        assert row["package_name"] == INFO["package-name"]
        assert row["conn_id_attribute_name"] == f"{connection_type}_conn_id"


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
    assert imported == []


@pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES)
def test_each_hook_describes_its_form_itself(kind: dict[str, Any]) -> None:
    """Airflow before 3.2 looks into the class's own members, not into those that it inherits."""
    module, _, name = kind["hook-class-name"].rpartition(".")
    hook = getattr(importlib.import_module(module), name)
    assert {"get_ui_field_behaviour", "get_connection_form_widgets"} <= vars(hook).keys()
