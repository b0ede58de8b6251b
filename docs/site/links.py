"""Checks a built site as files: all that pages link to or load must be there, and nothing comes from elsewhere."""

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src"}
"""What a browser loads by itself, by element; styles are `link` elements."""


class Page(HTMLParser):
    """Links, loaded files and anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors.update(found[name] for name in ("id", "name") if name in found)
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "link" and found.get("rel") in ("stylesheet", "icon", "preload"):
            self.loaded.append(found.get("href", ""))
        elif found.get(LOADED.get(tag, ""), ""):
            self.loaded.append(found[LOADED[tag]])


def problems(site: Path) -> Iterator[str]:
    """One sentence for each link that leads nowhere, and for each file that is loaded from another server."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        if path.name == "404.html":  # its links begin at the root of the server
            continue
        place = path.relative_to(site)
        for target in page.loaded:
            if urlsplit(target).scheme not in ("", "data") or target.startswith("//"):
                yield f"{place} loads {target}"
            elif not target.startswith("data:") and not (path.parent / unquote(urlsplit(target).path)).is_file():
                yield f"{place} loads {target}, which is missing"
        for target in page.links:
            parts = urlsplit(target)
            if parts.scheme or target.startswith("//"):
                continue
            found = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if found.is_dir():
                found = found / "index.html"
            if not found.is_file():
                yield f"{place} links to {target}, which is missing"
            elif parts.fragment and found in pages and unquote(parts.fragment) not in pages[found].anchors:
                yield f"{place} links to {target}, where that anchor is missing"


def check(site: Path) -> None:
    """Exit with the problems of a site, if it has any."""
    if found := list(dict.fromkeys(problems(site))):
        sys.exit("\n".join([*found, f"{len(found)} problems in {site}"]))
