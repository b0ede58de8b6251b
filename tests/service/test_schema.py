"""Requests drawn from the OpenAPI document are answered as it says."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable

from semelha.service.app import create_app
from semelha.service.paths import GALLERY
from semelha.service.settings import Settings

schemathesis = pytest.importorskip("schemathesis")
EXAMPLES = 5


@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_answers_are_as_the_document_says(mode: str, shop: Path, tmp_path: Path) -> None:
    """What the document allows, and what it does not: each endpoint, and all checks of schemathesis."""
    app = create_app(Settings(galleries=(shop,), keys=tmp_path / "keys.json"))
    drawn, found = 0, {}
    document = schemathesis.openapi.from_asgi("/openapi.json", app)
    for result in document.exclude(path_regex=re.escape(GALLERY)).get_all_operations():  # the same endpoints again
        operation = result.ok()
        strategy = operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode))

        @settings(
            max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=[*HealthCheck]
        )
        @given(case=strategy)
        def answers(case: Any) -> None:
            nonlocal drawn
            drawn += 1
            case.call_and_validate()

        try:
            answers()
        except Unsatisfiable:
            pass  # every request is as the document says
        except Exception as error:  # of many kinds
            found[operation.label] = f"{type(error).__name__}: {error}"
    assert not found, "\n\n".join(f"{label}: {text[:2000]}" for label, text in found.items())
    assert drawn > 50
