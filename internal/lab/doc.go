// Package lab is the embedded demo network: a chain of jump hosts and one or
// more targets behind them, in one process, speaking real SSH over loopback
// sockets, with keys made on the spot and every file in one directory.
//
// It knows the server's side of SSH: it routes, refuses, runs commands and
// counts. It must not know the client side: what it offers to a client is an
// ssh_config file, which stock ssh can use as well.
//
// The network is as closed as a real one. A hop behind another one resets TCP
// connections that its predecessor did not make, a jump host routes to the next
// hops only and runs no session, and each hop accepts one user key.
package lab
