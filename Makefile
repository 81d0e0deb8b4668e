# The commands of daily work; `make help` lists them. Each target brings what it needs.

PRESET ?= dev# CMake preset to build: dev, release, asan, tsan
IMAGE ?= localhost/databuild# name of the operator's image; the example's is the same with -flights
TAG ?= dev
EVENTS ?= 1000000# size of the logs that the benchmarks read
ARGS ?=# passed on to the tests, the benchmarks or the operator

cluster := tests/e2e/cluster/cluster
operator_image := $(IMAGE):$(TAG)
flights_image := $(IMAGE)-flights:$(TAG)
own_cluster := $(if $(filter command,$(firstword $(origin KUBECONFIG))),$(abspath $(KUBECONFIG)))
# Two checkouts share what ccache keeps: paths count relative to the checkout.
export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := 1
fuzz_targets = $(patsubst tests/fuzz/%_fuzz.cc,%,$(wildcard tests/fuzz/*_fuzz.cc))
FUZZ_SECONDS ?= 10# how long each fuzz target runs
sources = $(shell git ls-files '*.cc' '*.h')

.DEFAULT_GOAL := help
.PHONY: help packages packages-build configure build programs test test-long e2e asan tsan fuzz sim torture bench bench-cluster demo \
	demo-stop run image push cluster-up cluster-down lint fmt clean

help:  ## this list
	@echo "DataBuild: make TARGET [VARIABLE=value]"
	@sed -nE 's/^([a-z0-9-]+):[^#]*## (.*)/  \1\t\2/p' Makefile | expand -t 16
	@echo "Variables:"
	@sed -nE 's/^([A-Z]+) \?= ?([^#]*)# ?(.*)/  \1\t\3 (default: \2)/p' Makefile | expand -t 16

# ---- Try it

demo:  ## January's flights on a cluster made here; or on yours: KUBECONFIG=file IMAGE=registry/name
	@deploy/demo.sh $(operator_image) $(flights_image) $(own_cluster)

demo-stop:  ## remove the cluster that `make demo` made
	@$(cluster) --name demo down

# ---- Build

packages:
	@deploy/packages.sh all

packages-build:
	@deploy/packages.sh build

configure: packages-build
	@test -e build/$(PRESET)/build.ninja || cmake --preset $(PRESET) >/dev/null

build: configure  ## compile everything (PRESET=release for the optimised programs)
	@cmake --build --preset $(PRESET)

programs: packages-build
	@test -e build/release/build.ninja || cmake --preset release >/dev/null
	@echo "compiling the operator (build/release)"
	@cmake --build --preset release --target databuild-controller databuild-exec databuild-bel

image: packages programs  ## images of the operator and of the flights example, as archives
	@deploy/image.sh operator build/release $(operator_image)
	@deploy/image.sh flights $(flights_image)

push: image  ## push both images to a registry (IMAGE=registry/name)
	@deploy/image.sh push $$(deploy/image.sh operator build/release $(operator_image)) $(operator_image)
	@deploy/image.sh push $$(deploy/image.sh flights $(flights_image)) $(flights_image)

clean:  ## remove what was built in this tree (caches outside it stay)
	@rm -rf build

# ---- Test

test: packages  ## everything that must pass: unit, contract, Postgres, tidy, end to end on a real cluster
	@tests/all $(ARGS)

test-long: packages  ## the same with the long forms and both backends in full, and the sanitizers
	@tests/all --long $(ARGS)

e2e: packages  ## only the tests on a real cluster (ARGS="-k taint")
	@$(MAKE) --no-print-directory build PRESET=$(PRESET)
	@tests/e2e/run --build build/$(PRESET) $(ARGS)

asan:  ## unit, contract, Postgres and simulation tests under AddressSanitizer and UBSan
	@$(MAKE) --no-print-directory build PRESET=asan
	@ctest --preset asan -L 'unit|pg|sim' $(ARGS)

tsan:  ## the same tests under ThreadSanitizer
	@$(MAKE) --no-print-directory build PRESET=tsan
	@ctest --preset tsan -L 'unit|pg|sim' $(ARGS)

sim:  ## the planner in random worlds (ARGS=50000: so many seeds)
	@$(MAKE) --no-print-directory configure PRESET=$(PRESET)
	@cmake --build --preset $(PRESET) --target tests_planner_sim
	@SIM_SEEDS=$(or $(ARGS),2000) build/$(PRESET)/tests/sim/tests_planner_sim

torture:  ## 1,000 faults against the event log (CYCLES=1000, SEED=1); the short form is part of `make test`
	@$(MAKE) --no-print-directory configure PRESET=$(PRESET)
	@cmake --build --preset $(PRESET) --target torture_test
	@CYCLES=$(or $(CYCLES),1000) build/$(PRESET)/tests/torture/torture_test $(ARGS)

fuzz: packages-build  ## run each fuzz target (tests/fuzz) for FUZZ_SECONDS under AddressSanitizer, with clang
	@test -e build/fuzz/build.ninja || cmake --preset fuzz >/dev/null
	@cmake --build --preset fuzz
	@for name in $(fuzz_targets); do \
	  mkdir -p build/fuzz/corpus/$$name; \
	  build/fuzz/tests/fuzz/fuzz_$$name -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -print_final_stats=1 \
	    -artifact_prefix=build/fuzz/$$name- build/fuzz/corpus/$$name tests/fuzz/corpus/$$name || exit 1; \
	done

bench:  ## benchmarks; each prints its ratio to a limit measured in the same run
	@$(MAKE) --no-print-directory configure PRESET=release
	@cmake --build --preset release --target \
	  $$(ninja -C build/release -t targets all | sed -n 's/^\(bench_[a-z0-9_]*\): phony$$/\1/p')
	@mkdir -p build/bench && rm -f build/bench/results.json
	@for bench in $$(find build/release -name 'bench_*' -type f -executable | sort); do \
	  echo "== $$bench"; \
	  DATABUILD_BENCH_RESULTS=$(CURDIR)/build/bench/results.json BENCH_EVENTS=$(EVENTS) $$bench $(ARGS) || exit 1; \
	done
	@echo "== written to build/bench/results.json"

bench-cluster: packages programs  ## S3 and S4: creating Jobs and idling on a real API server (ARGS="--only S3")
	@cmake --build --preset release --target cluster_job_creation
	@tests/e2e/scale $(ARGS)

lint: packages-build  ## format, layers and sizes, the chart
	@clang-format --dry-run -Werror $(sources)
	@tests/tidy.py
	@$$(tests/e2e/cluster/tools dir helm)/helm lint --strict helm/databuild

fmt: packages-build  ## format the C++ sources in place
	@clang-format -i $(sources)

# ---- Work with a cluster

cluster-up: packages  ## start the development cluster of this checkout (see tests/e2e/cluster/README.md)
	@$(cluster) up

cluster-down:  ## stop it and remove its traces
	@$(cluster) down

run: packages build  ## the operator from build/PRESET, outside of pods, on the development cluster
	@deploy/run.sh build/$(PRESET) $(ARGS)
