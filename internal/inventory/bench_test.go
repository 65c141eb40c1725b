package inventory_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/inventory"
	"sallyport/internal/sshconfig"
)

// BenchmarkHosts lists 5,000 hosts with their ways, as "sally ls" does.
func BenchmarkHosts(b *testing.B) {
	dir := b.TempDir()
	var text strings.Builder
	text.WriteString("Host bastion*\n  User gate\n")
	for i := range 5000 {
		fmt.Fprintf(&text, "Host web%d\n    HostName 10.0.%d.%d\n    User user%d\n    ProxyJump bastion%d,gw\n    Tags t%d\n\n", i, i/250, i%250, i%7, i%20, i%9)
	}
	text.WriteString("Match originalhost web1,web2 exec true\n  ControlPath none\nHost *\n  User default\n")
	name := filepath.Join(dir, "config")
	if err := os.WriteFile(name, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		v, err := inventory.Load(name, sshconfig.Env{Home: dir, LocalUser: "me", UID: os.Getuid(), LocalHost: "here", SystemFile: dir + "/none"})
		if err != nil {
			b.Fatal(err)
		}
		if hosts := v.Hosts(b.Context()); len(hosts) != 5000 || hosts[77].Err != nil {
			b.Fatal(len(hosts), hosts[77].Err)
		}
	}
}
