// Package sshconfig reads ssh_config(5): keywords, Host, Match and Include,
// precedence, tokens, and where each value came from. It is the only package
// that knows a keyword's spelling; others receive the typed Options. It must
// not know of sockets or of golang.org/x/crypto.
//
// The arbiter is "ssh -G" of OpenSSH 9.2p1 as Debian ships it. Load reads the
// files, Resolve answers for one destination, and Resolved.Dump writes what
// "ssh -G" would. Keywords and Match criteria that OpenSSH added up to 10.5 are
// understood as well, and so are Sallyport's own (see Keywords).
//
// testdata/differences.txt lists where the answers differ on purpose. Besides:
// a line that ssh reports twice is reported once, with the reason first; the
// commands of "ssh -G" that fail only when it connects fail in Resolve unless
// Query.PrintOnly is set; %T in LocalCommand is always NONE.
package sshconfig
