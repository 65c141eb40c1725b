//go:build !linux

package doctor

// fileSystem is not known here.
func fileSystem(string) string { return "" }

// maxSocketPath is the longest name of a socket, as on macOS.
const maxSocketPath = 103
