"""What a release says of itself: citation, licenses, workflow."""

import json
import re
import tomllib
from pathlib import Path

import yaml

import semelha

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)  # required by CFF 1.2
    assert citation["version"] == semelha.__version__
    assert citation["license"] == PROJECT["license"]


def test_each_package_in_the_page_has_its_license() -> None:
    """The page is bundled with these packages and with what they need."""
    needed = set(json.loads((ROOT / "web" / "package.json").read_text("utf-8"))["dependencies"])
    licensed = {file.stem for file in (ROOT / "licenses").glob("*.txt")}
    assert {name.removeprefix("@").replace("/", "-") for name in needed} == licensed


def test_the_workflow_publishes_what_was_checked() -> None:
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text("utf-8")
    workflow = yaml.safe_load(text)
    commands = [step.get("run", "") for step in workflow["jobs"]["build"]["steps"]]
    assert "make release-check" in commands
    assert re.search(r"^release-check:", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE)
    assert workflow["jobs"]["publish"]["needs"] == "build"
    assert workflow["permissions"] == {}
    assert not re.search(r"secrets\.", text), "publishing needs no token"


def test_forms_of_issues_have_what_github_requires() -> None:
    for file in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"):
        form = yaml.safe_load(file.read_text("utf-8"))
        if file.stem != "config":
            assert {"name", "description", "body"} <= set(form), file.name
