// Package session runs a shell, a command or a subsystem on anything that
// opens a channel: RFC 4254 §6. It knows the pseudo-terminal request, the
// environment, signals, window sizes, exit statuses and the escape keys of
// ssh(1). It must not know how the connection underneath was dialled, nor the
// local terminal: it is given streams, and it never sets a terminal's mode.
//
// # Messages and round trips
//
// Start waits for the channel's confirmation only. The requests then go out
// in OpenSSH's order (x11-req, auth-agent-req, pty-req, env…, and last shell,
// exec or subsystem) from one goroutine. A channel of golang.org/x/crypto/ssh
// can wait for one reply at a time and does not tell when a request has been
// written, so a request whose failure must be known holds back what follows
// it. A command costs one round trip after the confirmation, a command with a
// terminal two, and standard input flows once the command is accepted: a
// server discards data that overtakes the command.
//
// # Memory and back-pressure
//
// Nothing is queued here beyond one buffer of at most 64 KiB for each of the
// three streams. Standard output and standard error are read by goroutines of
// their own and written to separate writers, but on the wire they share one
// window of 2 MiB: a stalled Stdout holds back Stderr only when 2 MiB of
// output are waiting for it, and then it stops the remote command. It never
// holds back another channel.
package session
