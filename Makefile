# Every target works as the first command on a fresh clone: the environment is made when it is missing.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

# Many tests start processes: they import compiled modules, even where the environment says not to write any.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test coverage check docs bench slow release-check versions clean

demo: $(READY)
	$(BIN)/semelha demo

# Browsers alone, after the others: two at a time take longer than the tests wait on two slow cores.
test: $(READY)
	$(BIN)/python -m pytest -n auto --dist worksteal --durations=20 --ignore tests/page
	$(BIN)/python -m pytest --durations=10 tests/page

coverage: $(READY)
	$(BIN)/python -m pytest -n auto --dist worksteal --cov=semelha --cov-report=term

slow: $(READY)
	$(BIN)/python -m pytest -m slow

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The documentation site, in build/site; a warning is an error.
docs: $(READY)
	$(BIN)/python -m docs.site

# The real picture sets are named by SEMELHA_DATA; benchmarks of what is built in need none.
bench: $(READY)
	$(BIN)/pip install --quiet kornia numba usearch voyager hnswlib wildlife-datasets
	for script in benchmarks/[a-z]*.py; do $(BIN)/python $$script || exit 1; done

# Builds dist/, checks it, installs it from an index into an empty environment, and writes the SBOM.
release-check:
	test -x build/tools/bin/python || $(PYTHON) -m venv build/tools
	build/tools/bin/pip install --quiet build twine cyclonedx-bom
	build/tools/bin/python .ci/release_check.py

# Scheduled: with each Python on this machine, the oldest and the newest dependencies that are allowed.
versions:
	test -x build/tools/bin/python || $(PYTHON) -m venv build/tools
	build/tools/bin/pip install --quiet uv
	.ci/versions

$(READY): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[train,serve,docs,dev]"
	touch $@

clean:
	rm -rf .venv build dist demo
