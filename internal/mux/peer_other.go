//go:build !linux && !darwin

package mux

import "net"

// PeerOf is not supported here.
func PeerOf(*net.UnixConn) (Peer, error) { return Peer{}, ErrUnsupported }

func commandLine(int) ([]string, error) { return nil, ErrUnsupported }
