package daemon_test

import (
	"os"
	"testing"
)

// BenchmarkAttach is a command of a mux client on a connection that is up: the
// daemon's part and the client's, with a real sshd at the other end.
func BenchmarkAttach(b *testing.B) {
	path := upWithSocket(b, nil)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()
	b.ReportAllocs()
	for b.Loop() {
		if exit, err := oneSession(b.Context(), path, null, "true"); err != nil || exit.Status != 0 {
			b.Fatalf("%+v, %v", exit, err)
		}
	}
}
