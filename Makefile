# Everything a newcomer needs; `make help` says what each target does. Needs Python ≥ 3.11 and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test check collect figures evidence readme clean

help: ## say what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/created:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or later is needed; name one with make PYTHON=…")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/installed: pyproject.toml constraints.txt $(VENV)/created
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@

demo: $(VENV)/installed ## the synthetic experiment, ARTBP against truncated BPTT, and its figure (a minute)
	$(BIN)/artbp-run -m experiment=demo method=tbptt method.length=10,100
	$(BIN)/artbp-run -m experiment=demo method=artbp
	$(BIN)/python scripts/demo_figure.py

test: $(VENV)/installed-test ## run the tests
	$(BIN)/python -m pytest

check: $(VENV)/installed-test ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

RUNS ?= results/runs
collect: $(VENV)/installed ## gather the runs below RUNS=results/runs into one CSV, and print medians over seeds
	$(BIN)/artbp-collect $(RUNS)

figures: $(VENV)/installed ## redraw every figure from the CSVs in results/; runs nothing
	$(BIN)/artbp-figures

evidence: $(VENV)/installed ## run whatever of the committed evidence is missing: minutes, and hours for Penn Treebank
	$(BIN)/artbp-run -m experiment=influence_balancing method=tbptt method.length=10,100,200
	$(BIN)/artbp-run -m experiment=influence_balancing method=artbp method.length=16
	$(BIN)/artbp-run -m experiment=learning_rates method=tbptt method.length=10,100,200
	$(BIN)/artbp-run -m experiment=learning_rates method=artbp method.length=16
	$(BIN)/artbp-run -m experiment=ptb_256 method=artbp,tbptt

readme: $(VENV)/installed ## put the numbers of the committed CSVs into README.md
	$(BIN)/python scripts/readme_numbers.py

clean: ## remove the virtual environment and caches; results stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
