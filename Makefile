# Everything a newcomer needs; `make help` says what each target does. Needs Python ≥ 3.11 and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test test-slurm check verify collect figures report evidence phase methods bench readme clean

help: ## say what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/created:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or later is needed; name one with make PYTHON=…")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/installed: pyproject.toml constraints.txt $(VENV)/created
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[fast]'
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[fast,test]'
	@touch $@

$(VENV)/installed-methods: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[fast,digits]'
	@touch $@

demo: $(VENV)/installed ## the synthetic experiment, ARTBP against truncated BPTT, and its figure (20 s, and the installation)
	$(BIN)/artbp-run -m experiment=demo method=tbptt method.length=10,100
	$(BIN)/artbp-run -m experiment=demo method=artbp
	$(BIN)/python scripts/demo_figure.py

test: $(VENV)/installed-test ## run the tests, one process a core
	$(BIN)/python -m pytest -n auto --dist worksteal

test-slurm: $(VENV)/installed-test ## a sweep through a real Slurm, installed here; as root on Debian or Ubuntu (two minutes)
	$(BIN)/python scripts/slurm_test.py

check: $(VENV)/installed-test ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# VERIFY=results/verify/everything.csv renews the committed tables
VERIFY ?= results/runs/verify/everything.csv
verify: $(VENV)/installed-methods ## hold every method, boundary, auxiliary loss, task and model to what it claims, and refute the broken (two minutes)
	$(BIN)/artbp-verify verify.everything=true verify.csv=$(VERIFY)

report: $(VENV)/installed ## the claims of the paper against the CSVs in results/: results/report.md and report.html
	$(BIN)/artbp-report

RUNS ?= results/runs
collect: $(VENV)/installed ## gather the runs below RUNS=results/runs into one CSV, and print medians over seeds
	$(BIN)/artbp-collect $(RUNS)

figures: $(VENV)/installed ## redraw every figure from the CSVs in results/; runs nothing
	$(BIN)/artbp-figures

evidence: $(VENV)/installed ## run whatever of the committed evidence is missing: minutes, and hours to days for Penn Treebank
	$(BIN)/python scripts/run_evidence.py 'make evidence'

phase: $(VENV)/installed ## the phase diagrams' runs (about half an hour), gathered into results/phase_*/cells.csv
	$(BIN)/python scripts/run_evidence.py 'make phase'
	$(BIN)/python scripts/collect_phase.py

methods: $(VENV)/installed-methods ## every method of the field on one bench: run what is missing (under an hour), draw figures, report and tables
	$(BIN)/python scripts/run_evidence.py 'make methods'
	test -f results/methods_tprop/law.csv || $(BIN)/python scripts/tprop_law.py
	$(BIN)/artbp-figures
	$(BIN)/artbp-report
	$(BIN)/python scripts/readme_numbers.py

readme: $(VENV)/installed ## put the tables of the committed CSVs into README.md and docs/
	$(BIN)/python scripts/readme_numbers.py

bench: $(VENV)/installed ## how fast the engines are, against torch.nn.LSTM and a hand-written loop (20 minutes)
	$(BIN)/artbp-bench

clean: ## remove the virtual environment and caches; results stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
