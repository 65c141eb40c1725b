package hostkey

import (
	"encoding/base64"
	"math/big"
	"os/exec"
	"testing"

	"golang.org/x/crypto/ssh"
)

// smallRSA is a key of 768 bits, which OpenSSH does not take for one.
var smallRSA = "ssh-rsa " + base64.StdEncoding.EncodeToString(ssh.Marshal(struct {
	Name string
	E, N *big.Int
}{"ssh-rsa", big.NewInt(65537), new(big.Int).SetBit(big.NewInt(1), 767, 1)}))

// oddRSA is a key whose exponent x/crypto refuses and OpenSSH does not.
func oddRSA(t testing.TB) string {
	t.Helper()
	blob := ssh.Marshal(struct {
		Name string
		E, N *big.Int
	}{"ssh-rsa", big.NewInt(1<<32 + 1), rsaModulus(pub(t, "rsa"))})
	if _, err := ssh.ParsePublicKey(blob); err == nil {
		t.Fatal("x/crypto takes the key")
	}
	return "ssh-rsa " + base64.StdEncoding.EncodeToString(blob)
}

func runSSHG(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("ssh", "-F", "none", "-G", "x").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
