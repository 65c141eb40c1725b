// Package tui is the full-screen face: a picker over the hosts, the live
// connections, the log. It knows what to draw and which key asks for what; it
// sees the daemon through api's types, and the configuration, processes and
// the clock of use through the interfaces that its caller fills. It must not
// know how a host is resolved, what a connection is made of, or who started
// the program.
package tui
