# Entry points of development. Everything behind them is a script in hack/, whose header describes its options.
.DEFAULT_GOAL := help
.PHONY: help setup build format generate lint test test-unit test-chart quickstart cluster bench bench-rewrap chaos fuzz sanitize soak rotation-drill image cli reproduce clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' Makefile

setup: ## install what building and testing need (Debian, Ubuntu)
	hack/setup

build: ## build the program for debugging: .build/debug/secrets-bridge
	hack/setup build
	swift build --product secrets-bridge

format: ## format the Swift sources
	swift format -i -r Sources Tests Package.swift

generate: ## write the chart's README and the JSON schemas
	hack/lib/chart_readme.py
	$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/secrets-bridge/venv/bin/python hack/lib/json_schemas.py

lint: ## check format, imports, language, generated files, scripts and workflows
	hack/lint

test: ## run all tests, on real servers (hack/test)
	hack/test

test-unit: ## run the unit tests, without servers
	hack/test unit

test-chart: ## run the tests of the chart, the manifests and the image
	hack/test chart

quickstart: ## wrap, apply and unwrap a Secret on a local API server; BACKEND=gcp-kms uses that backend
	hack/quickstart --backend $(or $(BACKEND),local)

cluster: ## start a local API server with the CRDs, for kubectl (hack/cluster down stops it)
	hack/cluster up --crds

bench: ## measure the controller (hack/bench)
	hack/bench

bench-rewrap: ## measure rewrap (hack/bench-rewrap)
	hack/bench-rewrap

fuzz: ## fuzz every parser for ten seconds (hack/fuzz)
	hack/fuzz all --seconds 10

sanitize: ## run unit and integration tests under ThreadSanitizer and AddressSanitizer (hack/sanitize)
	hack/sanitize all

chaos: ## run the controller for ten minutes while servers and networks fail
	hack/chaos

soak: ## run two replicas for an hour of changes and faults, and measure whether they grow
	hack/soak

rotation-drill: ## run the rotation runbook against real servers
	hack/rotation-drill

image: ## build the container image for this architecture: .build/image
	hack/image

cli: ## package the command line: .build/cli
	hack/cli

reproduce: ## make a release twice and compare the bytes (hack/reproduce)
	hack/reproduce

clean: ## delete build results
	swift package clean
