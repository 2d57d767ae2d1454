# What there is to run. `make run` and `make test` are all that a newcomer needs.

GO ?= go

.PHONY: help run tour test race browser plain pure raced golden fuzz clauses mutants screenshots bench esdb-conformance clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

run: bin/samtykke ## build, make a lived-in ledger, and serve it on this machine
	@sh cmd/samtykke/tour.sh bin/samtykke demo-data serve

tour: bin/samtykke ## show on the same ledger what an auditor would ask of it
	@sh cmd/samtykke/tour.sh bin/samtykke demo-data ask

bin/samtykke: FORCE
	@$(GO) build -o $@ ./cmd/samtykke

FORCE:

test: ## everything that is checked
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "not gofmt-ed"; exit 1; }
	$(GO) vet ./...
	@$(GO) run ./testdata/mutants plant
	@$(MAKE) --no-print-directory clauses
	@$(MAKE) --no-print-directory -j2 -O race browser plain mutants pure

# Tests that the race detector makes several times as slow and finds nothing in: one goroutine that has a disk fail at every step, or protects a
# large table before others ask the solver, as they do in a small one; and a store's suite once more in another setting. Whatever has such a
# name runs in `plain`, in whichever adapter it stands; every other test of the adapters is raced. The program as a whole is raced by `raced`, which takes as long as everything else together.
unraced := TestCrash[A-Z]|TestEraseCut|TestEveryCut|TestFailures|TestKeptPositions|TestNameLost|TestNoActIsToldAlone|TestSeveralStores
unraced := $(unraced)|TestReleasesTogether|TestStoreInSmallPartitions|TestStoreThatKeepsPositions|TestStoreWith|TestTornRetry

race: # what several goroutines share. vet has seen all of it
	$(GO) test -race -vet=off -tags mutants -timeout 12m -skip '$(unraced)' \
		$$($(GO) list ./adapters/... | grep -v '/relay/')

plain: # what is not raced; what takes longest first
	$(GO) test -vet=off -tags mutants -timeout 12m ./cmd/...
	$(GO) test -vet=off -tags mutants -timeout 12m -run '$(unraced)' \
		$$(grep -rlE '^func ($(unraced))' --include='*_test.go' adapters | sed 's,^,./,; s,/[^/]*$$,,' | sort -ru)

pure: # what has nothing to race: the domain, pure folds, and transports, which mostly wait for a server
	$(GO) test -vet=off ./domain/... ./eventschema ./projections ./adapters/relay/...

browser: # what waits for Chromium more than for a core
	$(GO) test -vet=off -timeout 12m -run 'InABrowser|ForEverybody' ./cmd/samtykke

raced: ## the whole program under the race detector
	$(GO) test -race -tags mutants -timeout 30m ./cmd/...

golden: ## write missing event vectors, schemas of events and messages, and the event × view matrix
	$(GO) test ./eventschema ./projections ./adapters/relay -golden

fuzz: ## fuzz the decoders and recovery, a minute each
	$(GO) test ./eventschema -fuzz FuzzDecode -fuzztime 1m
	$(GO) test ./adapters/filestore -fuzz FuzzOpen -fuzztime 1m
	$(GO) test ./adapters/web -fuzz FuzzDecode -fuzztime 1m
	$(GO) test ./domain/journal -fuzz FuzzIdentifying -fuzztime 1m

clauses: ## every clause with the scenarios and tests that show it
	@$(GO) run ./testdata/clauses

mutants: ## plant each deliberate mistake and see its test fail
	@$(GO) run ./testdata/mutants

screenshots: ## a picture of every page, narrow and wide, in ./screenshots; takes Chromium
	$(GO) test ./cmd/samtykke -count 1 -run TestScreenshots -screenshots "$(CURDIR)/screenshots"

bench: bin/samtykke ## measure beside the raw limits of the same disk
	bin/samtykke bench

esdb-conformance: ## build the store suite as a program for an EventStoreDB: bin/esdb-conformance esdb://…
	CGO_ENABLED=0 $(GO) test -c -o bin/esdb-conformance ./adapters/esdb

clean: ## remove what was built and the demo's data
	rm -rf bin demo-data demo-data.txt screenshots
