# Every target sets up what it needs. `make run` and `make test` are all that a newcomer needs.
.PHONY: help setup run test check format protos page bench quality fuzz presets audit cluster cluster-test chaos soak crowd simulate clean

VENV := .venv
BIN := $(VENV)/bin
PHOTOS ?= examples
STUDIO ?= 1
ENGINES ?= local
CHAOS_SECONDS ?= 60
SOAK_SECONDS ?= 600
CHAOS_SEED ?= 1
CHAOS_SEEDS ?= 1
CHAOS_STORE ?= both
SCHEDULES ?= 100000
SEED ?= 1
TARGET ?= all
COUNT ?= 10000
FUZZ_STORE ?= sqlite
ADVISORIES ?=

help:
	@echo "make run      start whitebg here and put a photo through it"
	@echo "make test     run every test"
	@echo "make check    lint, types, layers, contracts"
	@echo "make format   format the code"
	@echo "make protos   generate the stubs anew"
	@echo "make page     build the page anew"
	@echo "make bench    measure speed beside peers: make bench SAVE=FILE, or COMPARE=FILE of an earlier run"
	@echo "make cluster  run PostgreSQL, Redis, SeaweedFS, nginx, Prometheus, 2 services, 3 workers, 2 gateways here"
	@echo "make cluster-test  break that in every way, and measure"
	@echo "make chaos    break the real processes at random under all kinds of clients, and check every guarantee:"
	@echo "              make chaos CHAOS_SECONDS=60 CHAOS_SEED=1 CHAOS_SEEDS=1 CHAOS_STORE=sqlite|postgres|both"
	@echo "make soak     ten minutes of steady load, in which nothing may grow: make soak SOAK_SECONDS=3600"
	@echo "make crowd    15,000 sockets on one gateway, 50 of them stalled; then 5,000 clients that lose their gateway"
	@echo "make simulate run random schedules of store, session and client in virtual time: make simulate SCHEDULES=1000000"
	@echo "make quality  measure the pictures: make quality PHOTOS=DIR STUDIO=scenes-per-class ENGINES=local,neural,auto WEIGHTS=FILE"
	@echo "make presets  make every preset's picture and see its own report: make presets PHOTOS=DIR"
	@echo "make audit    compare the image's packages with advisories in the OSV format: make audit ADVISORIES=FOLDER"
	@echo "make fuzz     send broken photos to the engine, and broken requests to the real servers:"
	@echo "              make fuzz TARGET=images|settings|grpc|http|websocket|all COUNT=10000 SEED=1 FUZZ_STORE=sqlite|postgres"

setup: $(VENV)/.ready-dev

$(VENV)/.ready-run: pyproject.toml clients/python/pyproject.toml constraints.txt tools/setup.sh
	@sh tools/setup.sh run

$(VENV)/.ready-dev: pyproject.toml clients/python/pyproject.toml constraints.txt tools/setup.sh
	@sh tools/setup.sh dev

run: $(VENV)/.ready-run
	@$(BIN)/whitebg up --try examples/photos/pink-cap.jpg --out whitebg-out

test: $(VENV)/.ready-dev
	$(BIN)/pytest -m "not cluster and not long" -n auto --dist worksteal

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
	$(BIN)/python tools/sbom.py --check
	$(BIN)/python tools/audit.py "$(ADVISORIES)"
	$(BIN)/python tools/check_workflows.py
	$(BIN)/python tools/check_version.py
	$(BIN)/python tools/check_language.py
	$(BIN)/python tools/configuration_docs.py --check

format: $(VENV)/.ready-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	cd protos && ../$(BIN)/buf format --write

protos: $(VENV)/.ready-dev
	$(BIN)/python tools/generate_protos.py

page: $(VENV)/.ready-dev
	$(BIN)/python tools/build_page.py

bench: $(VENV)/.ready-dev $(VENV)/peers/.ready
	$(BIN)/python -m tools.benchmarks $(if $(COMPARE),--compare $(COMPARE)) $(if $(SAVE),--save $(SAVE))

$(VENV)/peers/.ready: $(VENV)/.ready-dev tools/benchmarks/peers.txt tools/benchmarks/install_peers.sh
	$(BIN)/python -m venv $(VENV)/peers
	$(VENV)/peers/bin/pip install --quiet --requirement tools/benchmarks/peers.txt
	sh tools/benchmarks/install_peers.sh $(VENV)/peers
	@touch $@

quality: $(VENV)/.ready-dev
	$(BIN)/python -m tools.quality $(PHOTOS) --studio $(STUDIO) --engines $(ENGINES) $(if $(WEIGHTS),--weights $(WEIGHTS))

cluster: $(VENV)/.ready-dev
	@$(BIN)/python -m tools.cluster

cluster-test: $(VENV)/.ready-dev
	$(BIN)/pytest tests/cluster

chaos: $(VENV)/.ready-dev
	$(BIN)/python -m tools.chaos --seconds $(CHAOS_SECONDS) --seed $(CHAOS_SEED) --seeds $(CHAOS_SEEDS) --store $(CHAOS_STORE)

soak: $(VENV)/.ready-dev
	$(BIN)/python -m tools.soak --seconds $(SOAK_SECONDS)

crowd: $(VENV)/.ready-dev
	$(BIN)/python -m tools.crowd

simulate: $(VENV)/.ready-dev
	$(BIN)/python -m tools.simulation --schedules $(SCHEDULES) --seed $(SEED)

fuzz: $(VENV)/.ready-dev
	$(BIN)/python -m tools.fuzz $(TARGET) --count $(COUNT) --seed $(SEED) --store $(FUZZ_STORE)

audit: $(VENV)/.ready-dev
	$(BIN)/python tools/audit.py "$(ADVISORIES)"

presets: $(VENV)/.ready-dev
	$(BIN)/python tools/preset_reports.py $(PHOTOS)

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache quality-out fuzz-out whitebg-out chaos-out
