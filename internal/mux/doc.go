// Package mux speaks OpenSSH's control-socket protocol, version 4, at both
// ends: requests, replies, descriptor passing, the sockets themselves, and the
// two kinds of client, passengers (who lend us their standard streams) and
// proxies (who speak SSH's connection protocol over the socket).
//
// It carries requests and performs none: what a request does is behind
// Handler. It must not know how connections are pooled or dialled, what a
// session or a forward is made of, or how anything is shown to a person.
//
// The sources are OpenSSH's PROTOCOL.mux and, where that page is silent or
// wrong, the behaviour of mux.c and of stock clients on the wire.
package mux
