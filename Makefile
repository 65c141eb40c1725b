# See CONTRIBUTING.md. "make test" is what CI runs.

.PHONY: build bench bench-check test test-deps lint cross race e2e e2e-race regress regress-quick regress-sides long chaos fuzz dist dist-check clean

# What the program says of itself: the tag of this commit, if it has one, and
# the commit. A tree that is no repository says nothing.
VERSION ?= $(shell git describe --tags --exact-match --match 'v[0-9]*' 2>/dev/null | sed 's/^v//')
COMMIT ?= $(shell c=$$(git rev-parse HEAD 2>/dev/null) && { git diff --quiet HEAD || c=$$c+changes; echo $$c; })
DATE ?= $(shell TZ=UTC0 git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd 2>/dev/null)
STAMP = $(if $(VERSION),-X main.version=$(VERSION)) -X main.commit=$(COMMIT) -X main.date=$(DATE)

# Without C: the program starts twice as fast, and runs with any C library. The
# linker writes through a mapping, which leaves the file in memory in small
# pages: of a copy, as packages install one, a start takes a fifth less.
build:
	CGO_ENABLED=0 go build -trimpath -ldflags '$(STAMP)' -o bin/sally.linked ./cmd/sally
	cp bin/sally.linked bin/sally.copy && mv -f bin/sally.copy bin/sally && rm -f bin/sally.linked

# All that must hold for every change: under 15 minutes on two cores.
test: test-deps lint race e2e regress-quick

test-deps:
	scripts/test-deps.sh

lint:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	if [ -n "$$unformatted" ]; then echo "gofmt would change: $$unformatted"; exit 1; fi
	go vet ./...
	go tool staticcheck ./...
	@$(MAKE) --no-print-directory cross

# The program compiles for every system that it is released for; a linker has
# nothing to add, and takes the time.
CROSS = linux/arm64 darwin/arm64 windows/amd64
cross:
	@set -e; for target in $(CROSS); do \
		echo "compiling for $$target"; \
		CGO_ENABLED=0 GOOS=$${target%/*} GOARCH=$${target#*/} go build ./cmd/sally ./internal/cli; \
	done

race:
	go test -race -timeout 12m $$(go list ./... | grep -v '/cmd/sally$$')

# The whole program against real peers. Under the race detector it takes four
# times as long, nearly all of it in starting processes: e2e runs only what
# shares most that way, e2e-race everything.
SHARING = ColdStart|ColdSSHs|OneDaemon|OnePerson|ExpiryRace|MidSession|SessionsShare|SessionLimit|TwoAgents|PinnedRestored|OnLostPath
e2e:
	go test -timeout 10m -parallel 4 ./cmd/sally
	go test -race -timeout 5m -parallel 4 -run '$(SHARING)' ./cmd/sally

e2e-race:
	go test -race -timeout 30m ./cmd/sally

# What takes minutes, or a big package: Ansible over three hosts, typing after
# 200 sessions, 10,000 sessions without a trace.
long: test-deps dist-check
	go test -tags long -timeout 20m ./cmd/sally ./internal/daemon

# Half an hour of killing, freezing, delaying, dropping and restarting hops and
# the daemon under load; "make test" has a minute of it. The seed is printed:
# SALLY_CHAOS_SEED=n repeats the actions. The summary goes to CHAOS_REPORT.
CHAOS_FOR ?= 30m
CHAOS_REPORT ?= chaos-report.md
chaos: test-deps
	SALLY_CHAOS_FOR=$(CHAOS_FOR) SALLY_CHAOS_SEED=$${SALLY_CHAOS_SEED:-$$(date +%s)} SALLY_CHAOS_REPORT=$(abspath $(CHAOS_REPORT)) \
		go test -timeout 24h -run 'TestChaos$$' -v ./cmd/sally

# OpenSSH's own tests, with our client; docs/compat.md says what each result
# means. The quick ones take about a minute, all of them about ten.
QUICK = connect proxy-connect connect-uri exit-status-signal envpass transfer banner stderr-after-eof \
	localcommand host-expand percent key-options scp3 sftp-uri forcecommand brokenkeys portnum \
	knownhosts sshcfgparse cfginclude forwarding dynamic-forward multipubkey limit-keytype cert-file

bin/ssh: build
	ln -sf sally bin/ssh

regress-quick: test-deps bin/ssh
	timeout 300 scripts/openssh-regress.sh -j 2 -l openssh-regress-logs/quick bin/ssh $(QUICK)

regress: test-deps bin/ssh
	timeout 3600 scripts/openssh-regress.sh -j 2 -l openssh-regress-logs/all bin/ssh $(TESTS)

# The multiplexing tests with only one side ours: a stock client on our
# master, and our client on a stock master.
SIDES = multiplex forwarding dynamic-forward forward-control
regress-sides: test-deps bin/ssh
	mkdir -p bin/sides/client bin/sides/master
	scripts/ssh-sides.sh $(CURDIR)/bin/ssh $$(command -v ssh) > bin/sides/master/ssh
	scripts/ssh-sides.sh $$(command -v ssh) $(CURDIR)/bin/ssh > bin/sides/client/ssh
	chmod +x bin/sides/*/ssh
	timeout 1500 scripts/openssh-regress.sh -j 2 -q -l openssh-regress-logs/master bin/sides/master/ssh $(SIDES)
	timeout 1500 scripts/openssh-regress.sh -j 2 -q -l openssh-regress-logs/client bin/sides/client/ssh $(SIDES)

# sally beside ssh, on servers of its own: under ten minutes. What it finds goes
# into docs/performance.md; use a quiet machine.
bench: test-deps build
	timeout 900 bin/sally bench --json docs/performance.json --svg docs/performance.svg --doc docs/performance.md

# What must not grow, as counts and ratios that no load on the machine changes;
# race and e2e run these tests too, here they are by themselves.
bench-check: test-deps
	go test -timeout 5m -run '^TestCost|^TestSpare' ./cmd/sally ./internal/hop ./internal/session ./internal/forward

# FUZZTIME=10m make fuzz: every fuzz target in turn.
FUZZTIME ?= 30s
fuzz:
	@set -e; for dir in $$(git grep -l '^func Fuzz' -- '*_test.go' | xargs -n1 dirname | sort -u); do \
		for f in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' $$dir/*_test.go | cut -c6-); do \
			echo "$$dir $$f"; go test ./$$dir -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME); \
		done; done

# Release archives and packages, the same byte for byte from the same commit.
DIST = VERSION='$(VERSION)' COMMIT='$(COMMIT)' DATE='$(DATE)' SOURCE_DATE_EPOCH='$(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>/dev/null))'
dist:
	rm -rf dist
	$(DIST) scripts/dist.sh dist

dist-check: test-deps
	$(DIST) timeout 600 scripts/dist-check.sh

clean:
	rm -rf bin dist openssh-regress-logs
