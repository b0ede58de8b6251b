"""The runner of guides fails where a reader would: at any command, at Python, and at an output that is not as shown."""

import subprocess
from pathlib import Path

import pytest
from PIL import Image
from tests.docs.runner import blocks, environment, follow
from tests.tiny_model import noise, tiny_model


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present folder: a model and a picture."""
    tiny_model(tmp_path / "model")
    Image.fromarray(noise(0)).save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    for key, value in environment(tmp_path).items():
        monkeypatch.setenv(key, value)
    return tmp_path


def page(*blocks_of_code: tuple[str, str]) -> str:
    return "# Title\n\n" + "\n\n".join(f"```{kind}\n{code}\n```" for kind, code in blocks_of_code) + "\n"


def test_a_page_whose_blocks_work_is_run_in_order(folder: Path) -> None:
    follow(
        page(
            ("bash", "semelha enroll shop apple a.png  # a comment\nsemelha identify shop a.png --json > answer.json"),
            ("python", "import json\nfrom pathlib import Path"),
            ("python", "print(json.loads(Path('answer.json').read_text())['identifications'][0]['subject'])"),
            ("text", "apple"),
            ("bash", "test -s answer.json \\\n  && echo 3 pears"),
            ("text", "2 pears"),
        ),
        folder / "model",
    )


@pytest.mark.parametrize("command", ["false", "false | cat", "semelha identify nowhere a.png", "semelha serve nowhere"])
@pytest.mark.parametrize("place", ["line", "block"])
def test_a_command_that_fails_between_others_stops_the_page(command: str, place: str, folder: Path) -> None:
    around = ["touch before", command, "touch after"]
    code = [("bash", "\n".join(around))] if place == "line" else [("bash", line) for line in around]
    with pytest.raises((AssertionError, subprocess.CalledProcessError)):
        follow(page(*code), folder / "model")
    assert (folder / "before").exists()
    assert not (folder / "after").exists()


def test_python_that_fails_between_other_blocks_stops_the_page(folder: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        follow(page(("bash", "touch before"), ("python", "1 / 0"), ("bash", "touch after")), folder / "model")
    assert (folder / "before").exists()
    assert not (folder / "after").exists()


@pytest.mark.parametrize("shown", ["2 pears", "2 apples\n2 apples", "apples"])
@pytest.mark.parametrize(("kind", "code"), [("python", "print('3 apples')"), ("bash", "echo 3 apples")])
def test_an_output_that_is_not_as_shown_fails(kind: str, code: str, shown: str, folder: Path) -> None:
    with pytest.raises(AssertionError):
        follow(page((kind, code), ("text", shown)), folder / "model")


def test_curl_must_fail_where_the_server_refuses(folder: Path) -> None:
    with pytest.raises(AssertionError, match="hides an error"):
        follow(page(("bash", "curl http://127.0.0.1:8000/readyz")), folder / "model")


@pytest.mark.parametrize(
    "text", [page(("sh", "false")), "```bash title=x\nfalse\n```\n", "- item\n\n  ```bash\n  false\n  ```\n"]
)
def test_a_block_that_would_not_run_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="blocks are bash, python or text"):
        blocks(text)
