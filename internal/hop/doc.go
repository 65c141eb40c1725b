// Package hop makes one authenticated SSH connection to one hop: it connects
// (directly, through a ProxyCommand, or through the hop before), runs the
// handshake under deadlines, checks the host key, authenticates, and keeps
// the connection alive. Its errors name the hop and the stage. It is the only
// package that builds an ssh.ClientConfig; it must not know of pooling, of
// what channels carry, or of terminals.
package hop
