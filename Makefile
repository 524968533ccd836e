# Every target sets up what it needs. `make run` and `make test` are all that a newcomer has to know.
.PHONY: help setup run test check format protos page bench quality fuzz presets cluster cluster-test clean

VENV := .venv
BIN := $(VENV)/bin
PHOTOS ?= examples

help:
	@echo "make run      start whitebg here and put a photo through it"
	@echo "make test     run every test"
	@echo "make check    lint, types, layers, contracts"
	@echo "make format   format the code"
	@echo "make protos   generate the stubs anew"
	@echo "make page     build the page anew"
	@echo "make bench    measure speed beside bare peers"
	@echo "make cluster  run PostgreSQL, Redis, SeaweedFS, nginx, 2 services, 3 workers, 2 gateways here"
	@echo "make cluster-test  break that in every way, and measure"
	@echo "make quality  measure the pictures: make quality PHOTOS=DIR"
	@echo "make presets  make every preset's picture and see its own report: make presets PHOTOS=DIR"
	@echo "make fuzz     throw 100,000 broken files at the engine"

setup: $(VENV)/.ready-dev

$(VENV)/.ready-run: pyproject.toml constraints.txt tools/setup.sh
	@sh tools/setup.sh run

$(VENV)/.ready-dev: pyproject.toml constraints.txt tools/setup.sh
	@sh tools/setup.sh dev

run: $(VENV)/.ready-run
	@$(BIN)/whitebg up --try examples/photos/pink-cap.jpg --out whitebg-out

test: $(VENV)/.ready-dev
	$(BIN)/pytest -m "not cluster"

check: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd protos && ../$(BIN)/buf lint && ../$(BIN)/buf format --diff --exit-code
	cd protos && ../$(BIN)/buf breaking --against '../.git#ref=HEAD,subdir=protos'
	$(BIN)/python tools/generate_protos.py --check
	$(BIN)/python tools/check_asyncapi.py
	$(BIN)/python tools/check_client.py
	$(BIN)/python tools/lint_clients.py
	$(BIN)/python tools/build_page.py --check
	$(BIN)/python tools/check_deploy.py

format: $(VENV)/.ready-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	cd protos && ../$(BIN)/buf format --write

protos: $(VENV)/.ready-dev
	$(BIN)/python tools/generate_protos.py

page: $(VENV)/.ready-dev
	$(BIN)/python tools/build_page.py

bench: $(VENV)/.ready-dev
	$(BIN)/python -m tests.benchmarks

quality: $(VENV)/.ready-dev
	$(BIN)/python tools/quality.py $(PHOTOS)

cluster: $(VENV)/.ready-dev
	@$(BIN)/python -m tests.cluster

cluster-test: $(VENV)/.ready-dev
	$(BIN)/pytest tests/cluster

fuzz: $(VENV)/.ready-dev
	$(BIN)/python tools/fuzz.py $(if $(INPUTS),--inputs $(INPUTS))

presets: $(VENV)/.ready-dev
	$(BIN)/python tools/preset_reports.py $(PHOTOS)

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache quality-out fuzz-out whitebg-out
