// Package daemon is the one process a user that owns the live connections: one
// instance, its sockets, its signals, its log. It implements the handlers of
// packages api and mux by calling down into pool, session and forward. It must
// not know of terminals or wording; the same code runs inside a command that
// wants a private connection.
package daemon
