"""Puts the built site into a folder of all versions: `python -m docs.site.versions FOLDER`.

Each version is a folder with its number. A `versions.json` beside them is what pages read for the menu of versions;
those of a translation lie one folder deeper, and so does their own.
"""

import json
import shutil
import sys
from pathlib import Path

from packaging.version import InvalidVersion, Version

from docs.site.pages import ROOT
from semelha import __version__

LANGUAGE = "pt-BR"
INDEX = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>semelha</title>
<meta http-equiv="refresh" content="0; url={version}/index.html">
<a href="{version}/index.html">semelha {version}</a>
</html>
"""


def add(site: Path, folder: Path, version: str) -> None:
    """Copy a site into the folder as this version, in place of an earlier copy, and list all versions anew."""
    Version(version)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / version, ignore_errors=True)
    shutil.copytree(site, folder / version)
    versions = sorted((path.name for path in folder.iterdir() if _is_version(path)), key=Version, reverse=True)
    _write(folder, [{"version": one, "title": one, "aliases": []} for one in versions])
    for own in versions:
        listed = [
            {"version": f"../{one}/{LANGUAGE}", "title": one, "aliases": [LANGUAGE] if one == own else []}
            for one in versions
            if (folder / one / LANGUAGE).is_dir()
        ]
        if listed:
            _write(folder / own, listed)
    (folder / "index.html").write_text(INDEX.format(version=versions[0]), encoding="utf-8")


def _is_version(path: Path) -> bool:
    try:
        Version(path.name)
    except InvalidVersion:
        return False
    return path.is_dir()


def _write(folder: Path, versions: list[dict[str, object]]) -> None:
    (folder / "versions.json").write_text(json.dumps(versions, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m docs.site.versions FOLDER")
    add(ROOT / "build" / "site", Path(sys.argv[1]), __version__)
