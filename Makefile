# See CONTRIBUTING.md. "make test" is what CI runs.

.PHONY: build
build:
	go build -trimpath -o bin/sally ./cmd/sally
