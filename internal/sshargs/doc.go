// Package sshargs compiles ssh(1)'s command line into what the rest of the
// program works with: a destination, overrides of configuration keywords
// ("-L x" is LocalForward x) and an action. It follows OpenSSH's own parser,
// whose quirks scripts rely on: options may follow the host, the first "-l"
// beats "user@host", a later "-q" beats an earlier "-v".
//
// It knows flags and the spelling of the keywords they stand for. It must not
// know configuration files, what the keywords do, the terminal, or which
// algorithms exist.
package sshargs
