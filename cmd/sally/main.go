// Command sally is an ssh-compatible client that walks chains of jump hosts
// and shares one connection per hop.
package main

import (
	"os"

	"sallyport/internal/cli"
)

// version is set by release builds.
var version = "0.1.0-dev"

func main() { os.Exit(cli.Main(version)) }
