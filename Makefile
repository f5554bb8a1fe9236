# Everything a developer types.  Each target does its own set-up in .venv and needs only a C
# compiler, make, python3 with venv, and pip's registry; CMake and Ninja come from there too.
#
#   make test    the C tests under sanitizers, then the Python tests
#   make demo    the network that learns handwritten digits
#   make dev     (re)build the extension module in place, quickly
#   make lint typing ctest bench docs wheel clean

PYTHON ?= python3
VENV ?= .venv
WERROR ?= OFF
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
PYTESTFLAGS ?=
BENCHFLAGS ?=

BIN := $(abspath $(VENV))/bin
export PATH := $(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export CMAKE_BUILD_PARALLEL_LEVEL ?= $(JOBS)
unexport PYTHONPATH
MAKEFLAGS += --no-print-directory

BUILD_DEPS := scikit-build-core>=0.11 cython>=3.1 numpy>=2 cmake>=3.21 ninja
SOURCES := $(shell find pybackprop csrc/include csrc/src -type f \
    \( -name '*.py' -o -name '*.py[xi]' -o -name '*.px[di]' -o -name '*.[ch]' -o -name '*.def' \
       -o -name py.typed \)) CMakeLists.txt pyproject.toml

.PHONY: test demo dev lint format typing ctest tsan bench docs wheel clean
.DELETE_ON_ERROR:

# ---------------------------------------------------------------- set-up
$(VENV)/.stamp-venv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade pip
	$(BIN)/python -m pip install -q $(foreach dep,$(BUILD_DEPS),'$(dep)')
	@touch $@

# The package itself, installed as a user would have it; rebuilt when a source changes.
$(VENV)/.stamp-install: $(VENV)/.stamp-venv $(SOURCES)
	$(BIN)/python -m pip install -q --no-build-isolation --no-deps --force-reinstall .
	@touch $@

# The packages of one extra; again when pyproject.toml has changed, of which the stamp is a copy.
LIST_EXTRA := import sys, tomllib; \
    project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
    print(*project['optional-dependencies'][sys.argv[1]])
$(VENV)/.stamp-%: $(VENV)/.stamp-install
	@if ! cmp -s pyproject.toml $@; then \
	    echo "installing the extra [$*]"; \
	    $(BIN)/python -c "$(LIST_EXTRA)" $* | xargs $(BIN)/python -m pip install -q; \
	fi
	@cp pyproject.toml $@

# -------------------------------------------------------------------------------------- what to run
test: $(VENV)/.stamp-test ctest
	PBP_RUN_TAPE=$(abspath build/asan/run_tape) \
	    $(BIN)/pytest --doctest-modules --pyargs ./tests pybackprop $(PYTESTFLAGS)

demo: $(VENV)/.stamp-demo
	$(BIN)/python examples/digits.py

dev: $(VENV)/.stamp-venv
	cmake --preset dev -DPython_EXECUTABLE=$(BIN)/python --log-level=WARNING
	cmake --build --preset dev --target _core

ctest: $(VENV)/.stamp-venv
	cmake --preset asan -DPBP_WERROR=$(WERROR) --log-level=WARNING
	cmake --build --preset asan
	ctest --preset asan

tsan: $(VENV)/.stamp-venv
	cmake --preset tsan --log-level=WARNING
	cmake --build --preset tsan
	ctest --preset tsan

lint: $(VENV)/.stamp-lint
	ruff check .
	ruff format --check .
	codespell
	find csrc -name '*.[ch]' | xargs clang-format --dry-run -Werror

format: $(VENV)/.stamp-lint
	ruff check --fix --exit-zero .
	ruff format .
	find csrc -name '*.[ch]' | xargs clang-format -i

typing: $(VENV)/.stamp-lint
	mypy
	pyright --pythonpath $(BIN)/python

bench: $(VENV)/.stamp-bench
	$(BIN)/python benchmarks/run.py $(BENCHFLAGS)

# The pages are plain Markdown; what can be checked is that their examples run.
docs: $(VENV)/.stamp-test
	$(BIN)/pytest --doctest-glob='*.md' README.md docs

wheel: $(VENV)/.stamp-venv
	$(BIN)/python -m pip install -q build auditwheel
	$(BIN)/python -m build --no-isolation --outdir dist
	ls -l dist
	$(BIN)/auditwheel show dist/*.whl

clean:
	rm -rf build dist $(VENV) pybackprop/*.so
