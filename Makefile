# Both commands work in a fresh clone with Python 3.10 or newer and make; a second call installs
# nothing again.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# The folder with the official folders of ISIC 2017, for the protocol.
DATA ?= isic2017
DEVICE ?= cpu

.PHONY: demo demo-page catalog test test-slow test-nightly test-hosts test-page mutants lint types format tables protocol networks \
	bench results docs site site-check clean

demo: .venv/installed
	$(BIN)/skinseg synth demo/lesion --count 1 --size 512 --seed 9
	$(BIN)/skinseg predict demo/lesion/images --model egeunet --output demo/result --overlay
	@echo "The outlined lesion is in demo/result; the table beside it has its area and place."

# The page that segments in the browser; `skinseg demo` serves it. npm fetches ONNX Runtime Web.
demo-page: .venv/installed
	$(INSTALL) --editable '.[export]'
	$(BIN)/python docs/demo_page.py build/demo
	@echo "Look at it with: $(BIN)/skinseg demo"

test: .venv/installed-dev lint types
	$(BIN)/python -m pytest -q -n auto -m "not slow"

test-slow: .venv/installed-dev
	$(BIN)/python -m pytest -q -n auto -m "slow and not nightly"

test-nightly: .venv/installed-dev
	$(BIN)/python -m pytest -q -n auto -m nightly

# torchvision, which timm and smp import, has no CPU build on PyPI: beside a CPU build of PyTorch it
# does not load, and then keeps ptflops from being imported. So they have another environment.
test-hosts: .venv-hosts/installed
	.venv-hosts/bin/python -m pytest -q -n auto -m hosts tests/test_third_party.py \
		tests/test_docs.py tests/test_peers_backbones.py tests/test_peers_mobile.py

# Headless Chromium (Debian: apt install chromium-driver) on the built page.
test-page: .venv/installed-dev demo-page build/npm/axe.min.js
	$(INSTALL) --editable '.[browser]'
	$(BIN)/python -m pytest -q tests/page

build/npm/axe.min.js:
	mkdir -p build/npm
	cd build/npm && npm pack --silent axe-core@4.14.1 && \
		tar -xzf axe-core-4.14.1.tgz --strip-components=1 package/axe.min.js

# Some hours on two cores; it goes on where it was stopped.
mutants: .venv/installed-dev
	$(BIN)/python -m tests.mutants

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

# Hours to days; stop it whenever you like, and give the same command again to go on.
protocol: .venv/installed-dev
	$(BIN)/python benchmarks/protocol/protocol.py --data $(DATA) --runs runs/protocol --device $(DEVICE)

networks: .venv/installed-dev
	$(BIN)/python benchmarks/protocol/networks.py --data $(DATA) --runs runs/protocol --device $(DEVICE)

# Some minutes for each network; it wants an idle machine.
bench: .venv/installed-dev
	$(BIN)/python benchmarks/speed/latency.py

results: .venv/installed-dev
	$(BIN)/python benchmarks/pages.py
	$(BIN)/python docs/accuracy_page.py
	$(BIN)/python -m tests.mutants --page

docs: .venv/installed-dev
	$(BIN)/python docs/demo_picture.py
	$(BIN)/python docs/tables.py
	$(BIN)/python docs/site/network_pages.py
	$(BIN)/python docs/site/errors_page.py

# The theme's notice about its future needs no answer here.
site: .venv/installed-docs build/examples/training.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir build/site
	$(BIN)/python docs/site/check_html.py build/site

site-check: site
	$(INSTALL) --editable '.[browser]'
	$(BIN)/python docs/site/check_browser.py build/site

build/examples/training.html: docs/quickstart.md $(wildcard skinseg/reports/*.py) | .venv/installed
	$(BIN)/python docs/site/example_reports.py build/examples

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

.venv/installed-docs: .venv/installed
	$(INSTALL) --editable '.[docs]'
	@touch $@

.venv-hosts/installed: .venv/installed
	test -x .venv-hosts/bin/python || $(PYTHON) -m venv .venv-hosts
	$(subst $(BIN),.venv-hosts/bin,$(INSTALL)) --editable '.[dev,hosts]'
	@touch $@
