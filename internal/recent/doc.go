// Package recent remembers which hosts were connected to lately: a small file
// of the user's. It knows the file and nothing of what a host is; it must not
// know connections or the terminal.
package recent
