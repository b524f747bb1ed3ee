"""The pages of the documentation lead somewhere: links, commands, and the words for which people search."""

from __future__ import annotations

import argparse
import configparser
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from airflow.cli.cli_parser import get_parser

from airflow_provider_campaigns.sandbox import RunningSandbox
from airflow_provider_campaigns.sandbox.__main__ import main as sandbox
from tests.support import ROOT
from tests.support.pages import PAGES, anchors, blocks, commands, headings, indexed, links, prose

MAKEFILE = (ROOT / "Makefile").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
TARGETS = re.findall(r"^([a-z-]+):[^=\n]*## ", MAKEFILE, re.MULTILINE)
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
# What people type into the search of the documentation, and the page that has to come up.
SEARCHED = {
    "deferrable": "docs/operate/timeouts.md",
    "timeout": "docs/operate/timeouts.md",
    "stuck": "docs/operate/timeouts.md",
    "401": "docs/operate/errors.md",
    "403": "docs/operate/errors.md",
    "429": "docs/operate/errors.md",
    "skip": "docs/use/gate.md",
    "upgrade": "docs/operate/versions.md",
    "proxies": "docs/operate/security.md",
    "api key": "docs/operate/connections.md",
    "merge tag": "docs/use/merge-tags.md",
    "csv": "docs/use/leads.md",
}


@each_page
def test_every_link_within_the_checkout_leads_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.is_file() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@each_page
def test_every_link_to_the_web_is_encrypted(page: Path) -> None:
    assert [link for link in links(page) if link.startswith("http:")] == []


@each_page
def test_every_setting_and_json_of_a_page_can_be_read(page: Path) -> None:
    for block in blocks(page):
        if block.language == "json":
            json.loads(block.text)
        elif block.language == "ini":
            configparser.ConfigParser().read_string(block.text)
        elif block.language == "bash":
            for word in shlex.split(block.text)[1:]:
                assert json.loads(word.partition("=")[2])["conn_type"]


@each_page
def test_every_make_target_of_a_page_exists(page: Path) -> None:
    named = re.findall(r"`make ([a-z-]+)", page.read_text())
    named += [command.split()[1] for command in commands(page) if command.startswith("make ")]
    assert set(named) <= set(TARGETS)


def test_every_make_target_is_on_a_page() -> None:
    named = {each for page in PAGES for each in re.findall(r"`?make ([a-z-]+)", page.read_text())}
    assert set(TARGETS) - named - {"help", "check"} == set()


@pytest.mark.parametrize(
    "command", sorted({each for page in PAGES for each in commands(page) if not each.startswith("make ")})
)
def test_every_command_of_a_page_is_valid(command: str, sandbox: RunningSandbox) -> None:
    words = shlex.split(command)
    for program, check in PROGRAMS.items():
        if words[: len(program)] == list(program):
            check(words[len(program) :], sandbox)
            return
    raise AssertionError(f"No test knows this program: {command}")


def test_page_lists_the_options_of_the_sandbox(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        sandbox(["--help"])
    offered = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    page = (ROOT / "docs" / "develop" / "sandbox.md").read_text()
    rows = re.findall(r"^\| (`--.+?) \|", page, re.MULTILINE)
    assert {option for row in rows for option in re.findall(r"--[a-z-]+", row)} == offered


def check_airflow(words: list[str], _: Any) -> None:
    get_parser().parse_args(words[: words.index("|")] if "|" in words else words)


def check_curl(words: list[str], sandbox: RunningSandbox) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-X", dest="method", required=True)
    parser.add_argument("-d", dest="data", type=json.loads)
    parser.add_argument("url")
    given = parser.parse_args(words)
    url = given.url.replace("$S", sandbox.url)
    response = requests.request(given.method, url, json=given.data, timeout=10)
    assert response.ok, response.text


def nothing_follows(words: list[str], _: Any) -> None:
    assert words == []


PROGRAMS: dict[tuple[str, ...], Callable[[list[str], Any], Any]] = {
    ("airflow",): check_airflow,
    ("curl",): check_curl,
    ("python", "-m", "airflow_provider_campaigns.sandbox"): nothing_follows,
    ("pip", "install", "."): nothing_follows,
    ("pip", "install", "airflow-provider-campaigns"): nothing_follows,  # after a release
    ("export", "CLUSTER_POSTGRES=postgresql://user:password@host/postgres"): lambda *_: None,
}


@pytest.mark.parametrize("word", SEARCHED)
def test_searched_word_stands_where_it_leads_to_its_page(word: str) -> None:
    """In a heading, in the first lines, or at the start of a row.

    A number also has to be in the index, without which the search of Sphinx does not find it.
    """
    page = ROOT / SEARCHED[word]
    if word.isdigit():
        assert word in indexed(page)
    start = prose(page).splitlines()[:8]
    rows = re.findall(r"^\| (.+?) \|", prose(page), re.MULTILINE)
    assert word in "\n".join([*headings(page), *start, *rows]).lower()


def test_map_of_the_package_names_its_modules_and_no_other() -> None:
    (tree,) = re.findall(r"```text\n(airflow_provider_campaigns/.*?)```", CONTRIBUTING, re.DOTALL)
    package = ROOT / "airflow_provider_campaigns"
    modules = {each.relative_to(package) for each in package.rglob("*.py") if not each.stem.startswith("__")}
    named = set(re.findall(r"\w+\.py\b", tree))
    assert named <= {each.name for each in modules}
    # Packages that hold many modules of one kind are described as a whole.
    whole = {"operators", "sensors", "plugin", "sandbox"}
    assert {each.name for each in modules if each.parts[0] not in whole and len(each.parts) <= 2} <= named
