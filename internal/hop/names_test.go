package hop

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sallyport/internal/sshtest"
)

func TestParseAhosts(t *testing.T) {
	got := parseAhosts([]byte("fe80::1%eth0   STREAM printer.local\nfe80::1%eth0   DGRAM\n192.0.2.7      STREAM\n192.0.2.7 RAW\n::ffff:192.0.2.7 STREAM\nnonsense\nx y\n"))
	want := []netip.Addr{netip.MustParseAddr("fe80::1%eth0"), netip.MustParseAddr("192.0.2.7")}
	if !slices.Equal(got, want) {
		t.Errorf("%v instead of %v", got, want)
	}
}

// A name that DNS does not know is asked of the system's other sources.
func TestNamesOfTheSystem(t *testing.T) {
	dir := t.TempDir()
	program := "#!/bin/sh\ntest \"$*\" = \"-- ahostsv4 printer.invalid\" && echo 192.0.2.7 STREAM printer.invalid\n"
	sshtest.WriteProgram(t, filepath.Join(dir, "getent"), program)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	addrs, err := lookup(context.Background(), net.DefaultResolver, "ip4", "printer.invalid")
	if err != nil || fmt.Sprint(addrs) != "[192.0.2.7]" {
		t.Errorf("%v, %v", addrs, err)
	}
}
