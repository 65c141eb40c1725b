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

// dsaKey is a key of a type that newer OpenSSH no longer makes.
const dsaKey = "ssh-dss AAAAB3NzaC1kc3MAAACBAK303OM4Hv2KPEQ/PcHA/TMV7qwC9H+QhF8ON2q2UMO4lfQbyk6ECnk1xTEoIUzFP4G3Ezjzn4uoZ/fytEnC+zvctMmkdtD8Oxe+2htqqKQTcp4BzluRfDSuStzJ++fKzc38TYU2bRjVZAB0Ml+uO/CnmujksHLMBBDEVdIFGIRRAAAAFQDF/9yCgcXgxXEFvZjJfhP7itSlnQAAAIEAo+CNOnSj7sSyMvD5CohpchS+uYWZ4F1kHW+w+eqB25hNUFZHgti5ecZebEYtZTN36bbq8NL7AWqFRviH4KXnHow24hfp22AS7zf1xdfSHN1zRZ/z+lJvvp7bSgjD3d1Q0oyzvmt0Cq5wiXpghHFKMuRlyFIAfQkCVXNsGYJvCfQAAACAV2vWXAIKJ8a4LMp0YOyO9+ujnI0nsp1U794m1NZPNZvkb/8iDzqjENmUAm3DehmMZGvVafA2VQIzFBSdhb3x4Mndx95PfNFiylNLyUFZFVKPb8pzcX042Nqx9t0FMoXst9+cOUuQHdXptIIBQfalUNLmuegx84aj9hKkh5DL/S8="

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
