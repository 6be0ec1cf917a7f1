# SPDX-FileCopyrightText: The elector Authors
# SPDX-License-Identifier: Apache-2.0

# Everything that is made goes to bin/. It takes nothing but Go, since the tools are built from Go modules, too. Their
# versions stand here and nowhere else.
GOLANGCI_LINT_VERSION  := v2.15.0
CONTROLLER_GEN_VERSION := v0.23.0
# The first release without replace in its go.mod, which go install would refuse.
PROMTOOL_VERSION       := v0.316.0

# The modules with code, and those that pin what hack/envtest builds.
MODULES     := . hack/envtest
PIN_MODULES := hack/envtest/kube hack/envtest/etcd hack/envtest/containerd

# go.mod requires the lowest versions that work, and this file the newest. What is tested and measured is on the newest,
# and make test-floor tests on the lowest.
NEWEST_MOD := hack/newest.mod
NEWEST     := '-modfile=$(CURDIR)/$(NEWEST_MOD)'

# The directory with kube-apiserver and etcd. It is not exported, since hack/envtest must see whether the user set it.
# KUBERNETES_VERSION asks for another API server than the pinned one.
ASSETS := $(or $(KUBEBUILDER_ASSETS),$(CURDIR)/bin/envtest$(addprefix -,$(KUBERNETES_VERSION)))

# A tool's path has its version and that of the Go that built it, so a tool that is there is the right one. The
# path is relative because a target cannot have the spaces that the path of the clone may have.
TOOLS          := bin/tools/$(shell go env GOVERSION)
GOLANGCI_LINT  := $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION)/golangci-lint
CONTROLLER_GEN := $(TOOLS)/controller-gen-$(CONTROLLER_GEN_VERSION)/controller-gen
PROMTOOL       := $(TOOLS)/promtool-$(PROMTOOL_VERSION)/promtool

# A go.work around the clone is not ours, and -mod=vendor looks for what a clone does not have. In another user's clone
# git answers nothing, and a build that asks it fails. Only what reports the commit that it measured asks, if it can.
export GOWORK  := off
export GOFLAGS := $(filter-out -mod=% -buildvcs=%,$(shell go env GOFLAGS)) -buildvcs=false
BUILDVCS       := $(if $(shell git rev-parse HEAD 2>/dev/null),auto,false)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## Show this help.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s%s\n", $$1, $$2 } sub(/^#> ?/, "")' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(if $(findstring -kubeconfig,$(DEMO_FLAGS)),,envtest) ## Watch replicas elect a leader, hand over and fail over, on a real API server.
	@KUBEBUILDER_ASSETS='$(ASSETS)' go run ./examples/demo $(DEMO_FLAGS)

# What runs against the clock of a real API server runs alone, since other packages would slow it on a small machine.
.PHONY: test
test: .race envtest ## Run all tests on the newest dependencies, with the race detector.
	go -C hack/envtest test -race $(TEST_FLAGS) ./...
	KUBEBUILDER_ASSETS='$(ASSETS)' go test $(NEWEST) -race -timeout 20m $(TEST_FLAGS) ./elector/... ./manager/... ./examples/...
	KUBEBUILDER_ASSETS='$(ASSETS)' go test $(NEWEST) -race -timeout 20m -p 1 $(TEST_FLAGS) ./test/...

.PHONY: test-floor
test-floor: envtest ## Build everything on the lowest dependencies, those of go.mod, and run unit and integration tests.
	go vet ./...
	KUBEBUILDER_ASSETS='$(ASSETS)' go test -timeout 10m $(TEST_FLAGS) ./elector/... ./manager/... ./examples/...
	KUBEBUILDER_ASSETS='$(ASSETS)' go test -timeout 15m $(TEST_FLAGS) ./test/integration

MATRIX := 1.34 1.35 1.36 1.37
.PHONY: test-matrix
test-matrix: ## Run the integration tests on API servers of several versions: the first time takes an hour.
	@failed=; for version in $(MATRIX); do \
		$(MAKE) --no-print-directory .integration KUBERNETES_VERSION=$$version || failed="$$failed $$version"; \
	done; test -z "$$failed" || { echo "make test-matrix: failed with Kubernetes$$failed" >&2; exit 1; }

.PHONY: .integration
.integration: envtest
	KUBEBUILDER_ASSETS='$(ASSETS)' go test $(NEWEST) -timeout 20m $(TEST_FLAGS) ./test/integration

.PHONY: .race
.race:
	@cc="$$(go env CC)"; test "$$(go env CGO_ENABLED)" = 1 && command -v $${cc%% *} >/dev/null || { echo "make test: \
	the race detector needs cgo and a C compiler ($$cc): install one, and leave CGO_ENABLED unset" >&2; exit 1; }

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Run the linters of .golangci.yml.
	@failed=; for module in $(MODULES); do \
		echo "golangci-lint: $$module"; (cd $$module && '$(CURDIR)/$(GOLANGCI_LINT)' run) || failed=1; \
	done; test -z "$$failed"

.PHONY: verify
verify: $(CONTROLLER_GEN) $(PROMTOOL) ## Check formatting, go.mod, generated files and alert rules. It changes nothing.
	@rm -rf bin/verify && mkdir -p bin/verify && cp -R go.mod go.sum elector manager examples bin/verify
	@$(MAKE) --no-print-directory generate GENERATE_IN=bin/verify
	@failed=; fail() { echo "verify: the above differs: run $$*" >&2; failed=1; }; \
	gofmt -d elector manager examples test hack || fail gofmt -w; \
	for module in $(MODULES) $(PIN_MODULES); do \
		go -C $$module mod tidy -diff || fail go -C $$module mod tidy; \
	done; \
	go mod tidy $(NEWEST) -diff || fail go mod tidy -modfile=$(NEWEST_MOD); \
	diff -ru examples bin/verify/examples || fail make generate; \
	$(MAKE) --no-print-directory rules RULES_IN=bin/verify || failed=1; \
	rm -rf bin/verify; test -z "$$failed"

GENERATE_IN := .
.PHONY: generate
generate: $(CONTROLLER_GEN) ## Generate the code and manifests of examples/operator.
	@cd $(GENERATE_IN) && '$(CURDIR)/$(CONTROLLER_GEN)' paths=./examples/operator/... \
		object:headerFile=examples/operator/hack/boilerplate.go.txt \
		crd:headerFile=examples/operator/hack/boilerplate.yaml.txt \
		rbac:headerFile=examples/operator/hack/boilerplate.yaml.txt,roleName=manager-role \
		output:crd:dir=examples/operator/config/crd/bases \
		output:rbac:dir=examples/operator/config/rbac

# A PrometheusRule has the rules of a rule file as its spec.
RULES_IN := bin/rules
.PHONY: rules
rules: $(PROMTOOL) ## Check and try the alert rules of examples/operator with promtool.
	@mkdir -p $(RULES_IN) && cp examples/operator/config/prometheus/rules.test.yaml $(RULES_IN) && \
	sed '1,/^spec:/d; s/^  //' examples/operator/config/prometheus/rules.yaml > $(RULES_IN)/rules.yaml && \
	$(PROMTOOL) check rules --lint=all --lint-fatal $(RULES_IN)/rules.yaml && $(PROMTOOL) test rules $(RULES_IN)/rules.test.yaml

.PHONY: envtest
envtest: ## Build kube-apiserver and etcd into bin/envtest, once: it takes minutes.
	@env CGO_ENABLED=0 go run -C hack/envtest -trimpath . $(if $(KUBERNETES_VERSION),-kubernetes $(KUBERNETES_VERSION) -out '$(ASSETS)')

# A real kubelet takes root, cgroups and runc. NODE_FLAGS=-containerd=/usr/bin takes an installed containerd.
NODE_DIR := bin/node$(addprefix -,$(KUBERNETES_VERSION))
NODE     := bin/node/node -node='$(NODE_DIR)' -containerd='$(NODE_DIR)' -envtest='$(ASSETS)'
.PHONY: .node
.node: envtest
	@command -v runc >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
		apt-get update -qq >/dev/null && apt-get install -qq -y --no-install-recommends runc >/dev/null; } || true
	@env CGO_ENABLED=0 go run -C hack/envtest -trimpath . -node -out '$(CURDIR)/$(NODE_DIR)' \
		$(addprefix -kubernetes ,$(KUBERNETES_VERSION))
	@go build $(NEWEST) -buildvcs=$(BUILDVCS) -o bin/node/node ./test/node
	@for program in ./examples/operator ./test/node/replica ./test/node/pause; do \
		CGO_ENABLED=0 go build $(NEWEST) -trimpath -ldflags='-s -w' -o bin/node/image/ $$program || exit 1; \
	done

.PHONY: node
node: .node ## Start a cluster of one real node, for as long as you like, and load the image of make node-test.
	@$(NODE) -keep $(NODE_FLAGS)

# E2E_KUBECONFIG and E2E_IMAGE run it on a cluster of your own, which must be able to pull what make node-image has made.
.PHONY: node-test
node-test: .node ## End leaders in pods of a real node in every way, beside their peers: takes an hour.
	@$(NODE) $(if $(E2E_KUBECONFIG),-kubeconfig '$(E2E_KUBECONFIG)' -image '$(E2E_IMAGE)',-o test/node/RESULTS.md) $(NODE_FLAGS)

.PHONY: node-image
node-image: .node ## Write the image of make node-test into bin/node/image.tar, for docker load.
	@$(NODE) -save bin/node/image.tar

.PHONY: bench
bench: envtest ## Measure elector beside its peers: takes 20 minutes, on a machine with nothing else to do.
	go build $(NEWEST) -buildvcs=$(BUILDVCS) -o bin/bench/bench ./test/bench
	GOFLAGS="$(GOFLAGS) $(NEWEST)" KUBEBUILDER_ASSETS='$(ASSETS)' bin/bench/bench -o bin/bench/results.json $(BENCH_FLAGS)

# PEER=compare writes the results of the three peers side by side.
.PHONY: chaos
chaos: envtest ## Inject the faults of real clusters into real replica processes: takes minutes.
	@go build $(NEWEST) -buildvcs=$(BUILDVCS) -o bin/chaos/chaos ./test/chaos
ifeq ($(PEER),compare)
	@bin/chaos/chaos -compare > bin/chaos/RESULTS.md && mv bin/chaos/RESULTS.md test/chaos/RESULTS.md
else
	@KUBEBUILDER_ASSETS='$(ASSETS)' bin/chaos/chaos $(if $(SCENARIO),-scenario '$(SCENARIO)') $(if $(COUNT),-count $(COUNT)) \
		$(if $(DURATION),-duration $(DURATION)) $(if $(SEED),-seed $(SEED)) $(if $(PEER),-peer $(PEER))
endif

# SEED replays one that failed. MUTANTS=1 breaks the code on purpose and looks whether the tests notice. BACKGROUND=1
# accumulates years beside other work, on one core, at low priority, and goes on after a seed that fails.
SIM_LOG := bin/sim/background.log
.PHONY: sim
sim: ## Simulate clusters in virtual time, with seeded faults, for a minute, or MINUTES, or SEEDS.
ifdef MUTANTS
	@GOFLAGS="$(GOFLAGS) $(NEWEST)" go run ./test/sim/mutate $(SIM_FLAGS)
else
	@go test $(NEWEST) -c $(if $(RACE),-race) -o bin/sim/sim ./test/sim
	@$(if $(BACKGROUND),GOMAXPROCS=1 nice -n 15) bin/sim/sim -test.timeout 0 -test.run '^TestSeeds$$' \
		$(if $(SEED),-sim.seed='$(SEED)',-sim.first=0 -sim.seeds=$(or $(SEEDS),0) \
		-sim.minutes=$(or $(MINUTES),$(if $(SEEDS),0,1))) $(if $(BACKGROUND),-sim.goon -sim.patience=10m) $(SIM_FLAGS) \
		$(if $(BACKGROUND),>> $(SIM_LOG) 2>&1; status=$$?; \
		awk '/^ran/ { print; y += $$3 } END { print y " cluster-years in all" }' $(SIM_LOG); exit $$status)
endif

.PHONY: suites
suites: envtest ## Run controller-runtime's own test suites on its managers and on ours, and compare: takes 10 minutes.
	KUBEBUILDER_ASSETS='$(ASSETS)' go run ./test/controllerruntime -modfile=$(if $(FLOOR),go.mod,$(NEWEST_MOD)) $(SUITES_FLAGS)

.PHONY: bench-report
bench-report: ## Write test/bench/RESULTS.md and its charts from the last measurements.
	go run ./test/bench -o bin/bench/results.json -publish test/bench

.PHONY: clean
clean: ## Remove bin/, with everything that was built or reported.
	rm -rf bin

$(GOLANGCI_LINT): from := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
$(CONTROLLER_GEN): from := sigs.k8s.io/controller-tools/cmd/controller-gen@$(CONTROLLER_GEN_VERSION)
$(PROMTOOL): from := github.com/prometheus/prometheus/cmd/promtool@$(PROMTOOL_VERSION)
$(PROMTOOL): export GOFLAGS += -tags=remove_all_sd
$(GOLANGCI_LINT) $(CONTROLLER_GEN) $(PROMTOOL):
	@echo 'building $(from), once: it takes minutes' >&2
	@part=$(@D).part-$$$$; trap 'rm -rf $$part' EXIT; CGO_ENABLED=0 GOBIN="$$PWD/$$part" go install $(from) && \
		mkdir -p $(@D) && mv $$part/$(@F) $@

# What follows is for help, too.
#>
#> Variables:
#>   DEMO_FLAGS          flags of the demo; make demo DEMO_FLAGS=-help lists them
#>   TEST_FLAGS          more flags for go test, like '-v -run Release'
#>   BENCH_FLAGS         flags of the benchmark; make bench BENCH_FLAGS=-help lists them
#>   SCENARIO            of make chaos: only the row of this number, or those whose names match this regular expression
#>   COUNT               of make chaos: how many times to play each row
#>   DURATION, SEED      of make chaos: instead of rows, random faults for so long, such as 1h; and their seed
#>   PEER                of make chaos: client-go or controller-runtime, to compare; compare writes test/chaos/RESULTS.md
#>   NODE_FLAGS          of make node and make node-test: flags, such as -short, -count 50 or -chaos 1h; -help lists them
#>   E2E_KUBECONFIG      of make node-test: runs it on this cluster, with the image that the cluster knows as E2E_IMAGE
#>   SEEDS, MINUTES      of make sim: how many seeds, or for how long; SEED replays one, or one:3,7 with its faults 3 and 7
#>   BACKGROUND          of make sim: 1: one core, low priority, goes on after a failure; adds to bin/sim/background.log
#>   RACE, MUTANTS       of make sim: 1: with the race detector; 1: find the mutations of test/sim/mutate, and make a table
#>   SUITES_FLAGS        of make suites: flags, such as -suites builder
#>   FLOOR               of make suites: 1: those of the lowest controller-runtime, not of the newest
#>   SIM_FLAGS           of make sim: more flags, such as -sim.shards; bin/sim/sim -help lists them
#>   KUBERNETES_VERSION  API server to build and to use, such as 1.35 or 1.35.8, instead of the pinned one
#>   MATRIX              of make test-matrix: which versions
#>   KUBEBUILDER_ASSETS  a directory with kube-apiserver and etcd, to be used instead of building them
#>   ENVTEST_DOWNLOAD    1: download published ones, with controller-runtime's setup-envtest
