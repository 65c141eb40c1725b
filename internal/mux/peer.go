package mux

// Peer is the process at the other end of a control socket, as the kernel
// knew it when the socket was connected.
type Peer struct {
	UID uint32
	// PID is 0 when the system does not tell.
	PID int
}
