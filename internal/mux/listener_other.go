//go:build !unix

package mux

import "net"

// A Listener cannot be had here: descriptors cannot be passed.
type Listener struct{}

// Listen returns ErrUnsupported.
func Listen(string) (*Listener, error) { return nil, ErrUnsupported }

// Path returns "".
func (l *Listener) Path() string { return "" }

// Accept returns ErrUnsupported.
func (l *Listener) Accept() (*net.UnixConn, Peer, error) { return nil, Peer{}, ErrUnsupported }

// Close does nothing.
func (l *Listener) Close() error { return nil }

// Missing returns false.
func (l *Listener) Missing() bool { return false }

// Restore returns ErrUnsupported.
func (l *Listener) Restore() error { return ErrUnsupported }
