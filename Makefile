# Everything a developer runs. Needs python3 (3.11 or newer, with venv), make, and a package index.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python

.DEFAULT_GOAL := help
.PHONY: help run demo serve seed test bench bench-billing bench-growth lint types format lock messages screenshots clean chaos bench-relay

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# uv installs several times faster than pip; where it cannot be had, pip does it.
$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)
	@command -v uv >/dev/null || $(VENV)/bin/pip install -q --disable-pip-version-check uv || true

define install
	@if command -v uv >/dev/null; then VIRTUAL_ENV=$(VENV) uv pip install -q $(1); \
	elif [ -x $(VENV)/bin/uv ]; then VIRTUAL_ENV=$(VENV) $(VENV)/bin/uv pip install -q $(1); \
	else $(VENV)/bin/pip install -q --disable-pip-version-check $(1); fi
	@touch $@
endef

$(VENV)/.installed: requirements.txt | $(VENV)/bin/pip
	$(call install,-r requirements.txt)

$(VENV)/.installed-dev: requirements-dev.txt requirements.txt | $(VENV)/bin/pip
	$(call install,-r requirements-dev.txt)

run: $(VENV)/.installed ## Serve at 127.0.0.1:8000 (PORT=9000 elsewhere) with example data and a staff login
	@$(PY) manage.py migrate -v 0
	@$(PY) manage.py seed
	@exec $(PY) manage.py serve --staff-login

demo: $(VENV)/.installed ## Run the whole journey over HTTP against a throw-away service
	@$(PY) manage.py demo

serve: $(VENV)/.installed ## The production set-up of this machine: granian (WEB_CONCURRENCY), migrations, one relay
	@exec $(PY) manage.py serve

seed: $(VENV)/.installed ## Add the example data
	@$(PY) manage.py seed

test: $(VENV)/.installed-dev ## Run the tests (ARGS go to pytest)
	@$(PY) -m pytest $(ARGS)

chaos: $(VENV)/.installed-dev ## Outages and SIGKILL at length: about half an hour
	@$(PY) -m tests.chaos

bench: $(VENV)/.installed-dev ## The reference's operations against the production set-up: a table, build/bench/
	@$(PY) -m tests.bench $(ARGS)

bench-growth: $(VENV)/.installed-dev ## The same at 1,000 to 1,000,000 tenants: growth in percent, build/bench/growth.svg
	@$(PY) -m tests.bench_growth $(ARGS)

bench-relay: $(VENV)/.installed-dev ## How many events one relay delivers a second over HTTP
	@$(PY) -m tests.bench_relay

bench-billing: $(VENV)/.installed-dev ## Measure the invoicing runs on a PostgreSQL of their own
	@PYTHONPATH=. $(PY) -m tests.bench_billing

lint: $(VENV)/.installed-dev ## Style
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .

types: $(VENV)/.installed-dev ## Types
	@$(VENV)/bin/mypy

format: $(VENV)/.installed-dev ## Mend the style
	@$(VENV)/bin/ruff check --fix -q . ; $(VENV)/bin/ruff format -q .

lock: $(VENV)/.installed-dev ## Compile requirements.txt and requirements-dev.txt
	@$(PY) -m uv pip compile -q --universal --python-version 3.11 --no-emit-index-url requirements.in -o requirements.txt
	@$(PY) -m uv pip compile -q --universal --python-version 3.11 --no-emit-index-url requirements.in requirements-dev.in -o requirements-dev.txt

messages: $(VENV)/.installed-dev ## Bring locale/ in step with the templates (needs gettext)
	@$(PY) manage.py makemessages -v 0 -l de --no-location --no-obsolete -i $(VENV) -i var -i build -i tests
	@$(PY) manage.py compilemessages -v 0 -i $(VENV)

screenshots: $(VENV)/.installed-dev ## Pictures of every page and mail into build/screenshots (needs chromium)
	@SCREENSHOTS=build/screenshots $(PY) -m pytest -n0 -q tests/test_signup_pages.py tests/test_signup_trouble.py tests/test_mail_pages.py tests/test_office_pages.py

clean: ## Remove what make made, the database too
	rm -rf $(VENV) var build
