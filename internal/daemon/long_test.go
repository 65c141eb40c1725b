//go:build long

package daemon_test

// rounds is how often TestSessionsLeaveNothing opens its sessions.
const rounds = 100
