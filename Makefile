# Both commands work in a fresh clone with Python 3.10 or newer and make; a second call installs
# nothing again.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo catalog test test-slow test-hosts lint types format tables results docs site clean

demo: .venv/installed
	$(BIN)/skinseg synth demo/lesion --count 1 --size 512 --seed 9
	$(BIN)/skinseg predict demo/lesion/images --model egeunet --output demo/result --overlay
	@echo "The outlined lesion is in demo/result; the table beside it has its area and place."

test: .venv/installed-dev lint types
	$(BIN)/python -m pytest -q -n auto -m "not slow"

test-slow: .venv/installed-dev
	$(BIN)/python -m pytest -q -n auto -m slow

# torchvision, which timm and smp import, has no CPU build on PyPI: beside a CPU build of PyTorch it
# does not load, and then keeps ptflops from being imported. So they have another environment.
test-hosts: .venv-hosts/installed
	.venv-hosts/bin/python -m pytest -q -n auto tests/test_third_party.py tests/test_docs.py \
		tests/test_peers_backbones.py

lint: .venv/installed-dev
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .

format: .venv/installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

catalog: .venv/installed-dev
	$(BIN)/python benchmarks/costs/catalog.py

types: .venv/installed-dev
	$(BIN)/mypy

tables: .venv/installed-dev
	$(BIN)/python benchmarks/costs/paper_tables.py

results: .venv/installed-dev
	$(BIN)/python benchmarks/pages.py
	$(BIN)/python docs/accuracy_page.py

docs: .venv/installed-dev
	$(BIN)/python docs/demo_picture.py
	$(BIN)/python docs/tables.py

site: .venv/installed
	$(INSTALL) --editable '.[docs]'
	$(BIN)/mkdocs build --strict --site-dir build/site

clean:
	rm -rf .venv .venv-hosts demo

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "skinseg needs Python 3.10 or newer, not %d.%d; name another one with make PYTHON=..." % sys.version_info[:2])'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL) --editable .
	@touch $@

.venv/installed-dev: .venv/installed
	$(INSTALL) --editable '.[bench,dev]'
	@touch $@

.venv-hosts/installed: .venv/installed
	test -x .venv-hosts/bin/python || $(PYTHON) -m venv .venv-hosts
	$(subst $(BIN),.venv-hosts/bin,$(INSTALL)) --editable '.[dev,hosts]'
	@touch $@
