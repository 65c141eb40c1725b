//go:build !unix

package stdio

import "os"

// plain uses blocking calls: a call in progress cannot be broken off.
type plain struct {
	f     *os.File
	write bool
}

func (d *plain) transfer(p []byte) (int, error) {
	if d.write {
		return d.f.Write(p)
	}
	return d.f.Read(p)
}

func (d *plain) cancel() bool { return false }
func (d *plain) close() error { return nil }

func openEndpoint(f *os.File, write bool) (endpoint, error) {
	if f == nil {
		return invalid{}, nil
	}
	return &plain{f: f, write: write}, nil
}
