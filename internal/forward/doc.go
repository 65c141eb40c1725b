// Package forward carries connections over an SSH connection: local, dynamic
// (SOCKS), remote and remote dynamic forwards, Unix sockets on either end, and
// the joining of standard streams to a far host. It knows a forward's
// specification, listeners, SOCKS, half-close and how two streams are spliced.
//
// It must not know how the SSH connection was made or when it is remade: it is
// given something that opens channels, and told of the channels that arrive.
package forward
