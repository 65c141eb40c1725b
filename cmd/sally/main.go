// Command sally is an ssh-compatible client that walks chains of jump hosts
// and shares one connection per hop.
package main

import (
	"os"

	"sallyport/internal/cli"
)

// Builds by the Makefile set these (-ldflags -X); version is that of the last
// tag there, if the commit has one.
var (
	version = "0.1.0-dev"
	commit  string
	date    string
)

func main() { os.Exit(cli.Main(cli.Build{Version: version, Commit: commit, Date: date})) }
