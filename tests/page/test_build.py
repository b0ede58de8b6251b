"""The built files that are committed: of the present sources, small, and with whole catalogs."""

import gzip
import hashlib
import json
import re
from importlib.resources import files
from pathlib import Path

WEB = Path(__file__).parents[2] / "web"
BUILT = Path(str(files("semelha.service"))) / "page"
FIRST_LOAD = 48_000  # bytes of the scripts and styles of the first view, compressed
CATALOGS = {name: json.loads((WEB / f"src/catalogs/{name}.json").read_text("utf-8")) for name in ("en", "pt")}
SOURCES = "\n".join(path.read_text("utf-8") for path in sorted(WEB.joinpath("src").rglob("*.ts*")))


def source_hash() -> str:
    """The hash of all sources, as `web/vite.config.ts` records it."""
    found = hashlib.sha256()
    names = [path.relative_to(WEB).as_posix() for path in WEB.rglob("*") if path.is_file()]
    own = sorted(name for name in names if not name.startswith("node_modules/"))
    for name in [*own, "../src/semelha/html/tokens.css"]:
        found.update(f"{name}\0".encode() + hashlib.sha256((WEB / name).read_bytes()).digest())
    return found.hexdigest()


def test_the_built_files_are_of_the_present_sources() -> None:
    recorded = (BUILT / "source.sha256").read_text("utf-8").strip()
    assert recorded == source_hash(), "build the page again: cd web && npm ci && npm run build"


def test_the_first_load_is_small() -> None:
    index = (BUILT / "index.html").read_text("utf-8")
    scripts = [BUILT / name for name in re.findall(r'"\./(assets/[^"]+\.js)"', index)]
    for name in ("identify", "drop", "picture", "subject_picker", "calibration_offer", "pt"):
        scripts += BUILT.glob(f"assets/{name}-*.js")
    assert len(scripts) >= 7
    styles = list(BUILT.glob("assets/*.css"))
    assert sum(len(gzip.compress(path.read_bytes())) for path in [*scripts, *styles]) < FIRST_LOAD


def test_all_views_have_one_style_sheet_which_the_page_names() -> None:
    """A style sheet of a view alone is not asked for again once it failed, and the view is then shown without it."""
    (style,) = BUILT.rglob("*.css")
    assert f"./assets/{style.name}" in (BUILT / "index.html").read_text("utf-8")


def test_the_built_files_name_no_other_host() -> None:
    known = {"http://www.w3.org"}  # name spaces of SVG and MathML
    for path in BUILT.rglob("*.*"):
        found = set(re.findall(r"https?://[\w.-]+\w", path.read_text("utf-8")))
        assert found <= known, path


def test_both_catalogs_have_the_same_texts() -> None:
    en, pt = CATALOGS["en"], CATALOGS["pt"]
    assert list(en) == list(pt)
    for words, text in en.items():
        assert type(text) is type(pt[words]), words
        forms = [text, pt[words]] if isinstance(text, str) else [*text.values(), *pt[words].values()]
        values = [set(re.findall(r"{(\w+)}", one)) for one in forms]
        assert all(one == values[0] for one in values), words
        assert all(one.strip() == one and one for one in forms), words


def test_every_text_is_used() -> None:
    """Also those whose key is put together, such as `decision.known`."""
    prefixes = set(re.findall(r"`([\w.]+)\$\{", SOURCES))
    for words in CATALOGS["en"]:
        assert f'"{words}"' in SOURCES or any(words.startswith(prefix) for prefix in prefixes), words


def test_no_source_uses_the_network_but_the_client() -> None:
    for path in WEB.joinpath("src").rglob("*.ts*"):
        text = path.read_text("utf-8")
        assert path.name == "api.ts" or not re.search(r"\bfetch\(|XMLHttpRequest|WebSocket|EventSource", text), path
        assert not re.search(r"innerHTML|\beval\(|new Function", text), path
