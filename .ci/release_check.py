"""Build a release, check its content, and use it as installed from an index: `make release-check`.

Writes the source distribution and the wheel to dist/, and the SBOM to build/.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIST, BUILD = ROOT / "dist", ROOT / "build"


def main() -> None:
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "build", "--outdir", DIST, ROOT)  # the wheel is built from the source distribution
    (sdist,), (wheel,) = DIST.glob("*.tar.gz"), DIST.glob("*.whl")
    run(sys.executable, "-m", "twine", "check", "--strict", sdist, wheel)
    check_contents(sdist, wheel)
    version = wheel.name.split("-")[1]
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder) / "environment"
        run(sys.executable, "-m", "venv", environment)
        python = environment / "bin" / "python"
        with index_of(wheel, Path(folder) / "index") as url:
            run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--index-url", url, f"semelha=={version}")
        run(python, "-m", "pip", "install", "--quiet", f"semelha=={version}")  # the dependencies
        run(python, "-m", "pip", "check")
        use(python, Path(folder), version)
        write_sbom(python, BUILD / "semelha.cdx.json")
    print(f"semelha {version} can be released: {sdist.name}, {wheel.name}")


def check_contents(sdist: Path, wheel: Path) -> None:
    """Each distribution has the committed files, all of those that it needs, and no others."""
    listed = run("git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard", quiet=True)
    committed = {name for name in listed.splitlines() if (ROOT / name).exists()}
    with tarfile.open(sdist) as archive:
        in_sdist = {name.split("/", 1)[1] for name in archive.getnames()}
    check("the source distribution has unknown files", in_sdist - committed - {"PKG-INFO"})
    check("the source distribution lacks files", {name for name in committed if name.startswith("src/")} - in_sdist)
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = set(archive.namelist())
    metadata = f"{'-'.join(wheel.name.split('-')[:2])}.dist-info/"
    package = {name.removeprefix("src/") for name in committed if name.startswith("src/semelha/")}
    check("the wheel lacks files", package - in_wheel)
    check("the wheel has unknown files", {name for name in in_wheel - package if not name.startswith(metadata)})
    licenses = {name for name in committed if name == "LICENSE" or name.startswith("licenses/")}
    needed = {"semelha/py.typed", "semelha/service/page/index.html", *(f"{metadata}licenses/{one}" for one in licenses)}
    check("the wheel lacks files", needed - in_wheel)
    print(f"{sdist.name}: {len(in_sdist)} files, {size(sdist)}; {wheel.name}: {len(in_wheel)} files, {size(wheel)}")


def use(python: Path, folder: Path, version: str) -> None:
    """Print the version, and recognize characters, without the extra `train`."""
    printed = run(python.with_name("semelha"), "--version", quiet=True)
    check("`semelha --version` prints another version", set() if version in printed.split() else {printed.strip()})
    found = run(python, "-c", "import importlib.util as u; print(u.find_spec('torch'))", quiet=True).strip()
    check("torch is installed without the extra `train`", {found} - {"None"})
    named = run(python, "-W", "error", ROOT / "examples" / "name_from_one_picture.py", quiet=True, cwd=folder)
    print(named.splitlines()[-1])


def write_sbom(python: Path, file: Path) -> None:
    """List semelha, and the packages that it was tried with, as CycloneDX."""
    file.parent.mkdir(exist_ok=True)
    options = ["--pyproject", ROOT / "pyproject.toml", "--mc-type", "library", "--output-reproducible", "--validate"]
    run(sys.executable, "-m", "cyclonedx_py", "environment", *options, "--output-file", file, python)
    print(f"{file.name}: {size(file)}")


@contextmanager
def index_of(wheel: Path, folder: Path) -> Iterator[str]:
    """Serve a package index (PEP 503) with one wheel on this machine."""
    (folder / "simple" / "semelha").mkdir(parents=True)
    shutil.copy(wheel, folder / "simple" / "semelha")  # the listing of the folder is the page of the package
    handler = functools.partial(SimpleHTTPRequestHandler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/simple"
        finally:
            server.shutdown()


def run(*command: object, quiet: bool = False, cwd: Path | None = None) -> str:
    """Run a command, and return what it prints; end with its status if it fails."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    words = [str(word) for word in command]
    done = subprocess.run(words, env=environment, cwd=cwd, stdout=subprocess.PIPE, text=True)
    if done.stdout and not quiet:
        print(done.stdout, end="", flush=True)
    if done.returncode:
        sys.exit(f"{' '.join(words)} ended with status {done.returncode}")
    return done.stdout


def check(fault: str, names: set[str]) -> None:
    """End if there are such names."""
    if names:
        sys.exit(f"{fault}: {', '.join(sorted(names)[:10])}")


def size(file: Path) -> str:
    return f"{file.stat().st_size / 1e6:.2f} MB"


if __name__ == "__main__":
    main()
