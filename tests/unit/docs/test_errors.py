"""The exceptions that the documentation names, compared with the code."""

from __future__ import annotations

import builtins
import re

import pytest
from airflow.exceptions import AirflowException

from airflow_provider_campaigns import exceptions
from airflow_provider_campaigns.operators import campaign_cleaner, instantly
from tests.support import ROOT
from tests.support.airflow_versions import first_of

PAGES = {path.relative_to(ROOT): path.read_text() for path in ROOT.glob("docs/*/*.md")}
ERRORS_PAGE = (ROOT / "docs" / "operate" / "errors.md").read_text()
TELL_PAGE = (ROOT / "docs" / "use" / "tell.md").read_text()
REFERENCE = (ROOT / "docs" / "reference.md").read_text()
NAMED = {name for page in PAGES.values() for name in re.findall(r"`([A-Z]\w+(?:Error|Exception))`", page)}
OF_OPERATORS = {
    f"{module.__name__}.{name}"
    for module in (campaign_cleaner, instantly)
    for name in module.__all__
    if isinstance(each := getattr(module, name), type) and issubclass(each, Exception)
}


def test_every_exception_in_the_docs_can_be_imported() -> None:
    ours = {*vars(exceptions), *(path.rpartition(".")[2] for path in OF_OPERATORS)}
    airflow = {AirflowException.__name__} | {
        name
        for name in NAMED
        if first_of(f"airflow.sdk.exceptions.{name}", f"airflow.exceptions.{name}") is not None
    }
    assert NAMED - ours - airflow - set(vars(builtins)) == set()


@pytest.mark.parametrize("path", sorted(OF_OPERATORS))
def test_exception_of_an_operator_is_documented(path: str) -> None:
    assert f".. autoexception:: {path}\n" in REFERENCE
    name = path.rpartition(".")[2]
    assert ERRORS_PAGE.count(f"| `{name}` |") == 1
    assert f"`{name}`" in TELL_PAGE
