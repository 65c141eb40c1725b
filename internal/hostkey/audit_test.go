package hostkey

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAudit(t *testing.T) {
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBtdvIH8hJ6mzuW1e4q5T9y7mRQnZ8c3b5V8m2yq7c0k"
	path := filepath.Join(t.TempDir(), "known_hosts")
	text := "# c\n\na,b " + key + "\n@revoked * " + key + "\n@odd a " + key + "\na\nb ssh-ed25519 AAAA\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	lines, err := Audit(path)
	if err != nil || len(lines) != 5 {
		t.Fatalf("%v: %+v", err, lines)
	}
	for i, want := range []struct {
		number int
		good   bool
		marker string
	}{{3, true, ""}, {4, true, MarkerRevoked}, {5, false, ""}, {6, false, ""}, {7, false, ""}} {
		if l := lines[i]; l.Number != want.number || (l.Err == nil) != want.good || l.Marker != want.marker || (l.Key != nil) != want.good {
			t.Errorf("line %d: %+v", want.number, l)
		}
	}
	if len(lines[0].Names) != 2 || lines[0].Names[1] != "b" {
		t.Errorf("names: %q", lines[0].Names)
	}
}
