# See CONTRIBUTING.md. "make test" is what CI runs.

.PHONY: build test test-deps lint race regress fuzz clean

build:
	go build -trimpath -o bin/sally ./cmd/sally

# All that must hold for every change: under 15 minutes on two cores.
test: test-deps lint race

test-deps:
	scripts/test-deps.sh

lint:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	if [ -n "$$unformatted" ]; then echo "gofmt would change: $$unformatted"; exit 1; fi
	go vet ./...
	go tool staticcheck ./...

race:
	go test -race -timeout 12m ./...

clean:
	rm -rf bin openssh-regress-logs
