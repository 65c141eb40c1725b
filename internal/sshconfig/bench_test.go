package sshconfig

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// manyHosts writes a configuration of n hosts in ten included files.
func manyHosts(tb testing.TB, n int) string {
	tb.Helper()
	dir := tb.TempDir()
	var main strings.Builder
	main.WriteString("Host *\n  ServerAliveInterval 30\n")
	for i := range 10 {
		var b strings.Builder
		for j := range n / 10 {
			k := i*(n/10) + j
			fmt.Fprintf(&b, "# host %d\nHost host%d h%d.example.com *.h%d.net\n    HostName 10.0.%d.%d\n"+
				"    User user%d\n    Port %d\n    IdentityFile ~/.ssh/id_%d\n    ProxyJump bastion%d,gw\n"+
				"    ForwardAgent no\n    LocalForward %d localhost:80\n\n",
				k, k, k, k, k/250, k%250, k%7, 2000+k%100, k%20, k%5, 10000+k)
		}
		name := filepath.Join(dir, fmt.Sprintf("%d.conf", i))
		if err := os.WriteFile(name, []byte(b.String()), 0o600); err != nil {
			tb.Fatal(err)
		}
		fmt.Fprintf(&main, "Include %s\n", name)
	}
	main.WriteString("Match host *.example.com user me\n  Compression yes\nHost *\n  User default\n")
	name := filepath.Join(dir, "config")
	if err := os.WriteFile(name, []byte(main.String()), 0o600); err != nil {
		tb.Fatal(err)
	}
	return name
}

// BenchmarkFirstAnswer is what a command pays: reading 5,000 hosts, and one
// answer.
func BenchmarkFirstAnswer(b *testing.B) {
	name := manyHosts(b, 5000)
	env := hermeticEnv("/home/me")
	for b.Loop() {
		f, err := Load(name, env)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := f.Resolve(b.Context(), Query{Host: "host4321"}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNextAnswer is what each further hop costs.
func BenchmarkNextAnswer(b *testing.B) {
	f, err := Load(manyHosts(b, 5000), hermeticEnv("/home/me"))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := f.Resolve(b.Context(), Query{Host: "host4321"}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSSH is the oracle on the same configuration, as a process.
func BenchmarkSSH(b *testing.B) {
	name := manyHosts(b, 5000)
	for b.Loop() {
		if err := exec.Command("ssh", "-G", "-F", name, "host4321").Run(); err != nil {
			b.Fatal(err)
		}
	}
}
