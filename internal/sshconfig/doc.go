// Package sshconfig reads ssh_config(5): keywords, Host, Match and Include,
// precedence, tokens, and where each value came from. It is the only package
// that knows a keyword's spelling; others receive the typed Options. It must
// not know of sockets or of golang.org/x/crypto.
package sshconfig
