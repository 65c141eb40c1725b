// Package cli is what a person meets: the command's faces (sally, sally ssh,
// ssh), verbs, the terminal, wording, hints and exit codes. It is the only
// package that touches arguments, standard streams and the terminal; it must
// not know of channels or handshakes.
package cli
