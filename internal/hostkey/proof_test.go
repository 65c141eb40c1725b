package hostkey

import (
	"crypto/rand"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/crypto/ssh"
)

func signer(t testing.TB, name string) ssh.AlgorithmSigner {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(keyDir(), name))
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.ParsePrivateKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return s.(ssh.AlgorithmSigner)
}

// prove is a server's signature for one of its keys.
func prove(t *testing.T, name, algo string, session []byte) []byte {
	t.Helper()
	sig, err := signer(t, name).SignWithAlgorithm(rand.Reader, proofData(session, pub(t, name)), algo)
	if err != nil {
		t.Fatal(err)
	}
	return wireString(ssh.Marshal(sig))
}

func TestVerifyProofs(t *testing.T) {
	session := []byte("session")
	ed, rsa := pub(t, "ed"), pub(t, "rsa")
	edProof := prove(t, "ed", "", session)
	rsaProof := func(algo string) []byte { return prove(t, "rsa", algo, session) }
	both := []ssh.PublicKey{ed, rsa}
	for name, tc := range map[string]struct {
		algo   string
		answer []byte
		want   []ssh.PublicKey // nil for an error
	}{
		"good":              {"ssh-ed25519", slices.Concat(edProof, rsaProof("rsa-sha2-256")), both},
		"RSA exchange":      {"rsa-sha2-512", slices.Concat(edProof, rsaProof("rsa-sha2-512")), both},
		"RSA certificate":   {"rsa-sha2-512-cert-v01@openssh.com", slices.Concat(edProof, rsaProof("rsa-sha2-512")), both},
		"other RSA format":  {"rsa-sha2-512", slices.Concat(edProof, rsaProof("rsa-sha2-256")), nil},
		"SHA-1 left out":    {"ssh-ed25519", slices.Concat(edProof, rsaProof("ssh-rsa")), []ssh.PublicKey{ed}},
		"SHA-1 as exchange": {"ssh-rsa", slices.Concat(edProof, rsaProof("ssh-rsa")), both},
		"one missing":       {"ssh-ed25519", edProof, nil},
		"one too many":      {"ssh-ed25519", slices.Concat(edProof, rsaProof("rsa-sha2-256"), edProof), nil},
		"swapped":           {"ssh-ed25519", slices.Concat(rsaProof("rsa-sha2-256"), edProof), nil},
		"other session":     {"ssh-ed25519", slices.Concat(prove(t, "ed", "", nil), rsaProof("rsa-sha2-256")), nil},
		"other key":         {"ssh-ed25519", slices.Concat(prove(t, "ed2", "", session), rsaProof("rsa-sha2-256")), nil},
		"garbage":           {"ssh-ed25519", wireString([]byte("x")), nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := VerifyProofs(session, tc.algo, both, tc.answer)
			if (err != nil) != (tc.want == nil) || !slices.EqualFunc(got, tc.want, sameKey) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestOfferAndRequest(t *testing.T) {
	keys := []ssh.PublicKey{pub(t, "ed"), pub(t, "rsa")}
	payload := slices.Concat(ProveRequest(keys[:1]), wireString([]byte("unknown")), ProveRequest(keys[1:]))
	got, err := ParseOffer(payload)
	if err != nil || !slices.EqualFunc(got, keys, sameKey) {
		t.Errorf("ParseOffer = %v, %v", got, err)
	}
	if _, err := ParseOffer(payload[:len(payload)-1]); err == nil {
		t.Error("a truncated offer is accepted")
	}
}

// TestProofsOfSSHD lets a live sshd prove its keys. It signs with an RSA key
// by SHA-2 only if the client offers that for the key exchange.
func TestProofsOfSSHD(t *testing.T) {
	needLogin(t)
	port := serveSSHD(t, sshdFor(t, "ed", false, "PermitRootLogin yes", "AuthorizedKeysFile "+pubFile("ed3"),
		"HostKey "+filepath.Join(keyDir(), "ec"), "HostKey "+filepath.Join(keyDir(), "rsa")))
	for _, algorithm := range []string{ssh.KeyAlgoED25519, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256} {
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			t.Fatal(err)
		}
		c, chans, reqs, err := ssh.NewClientConn(conn, "h", &ssh.ClientConfig{
			User: "root", Auth: []ssh.AuthMethod{ssh.PublicKeys(signer(t, "ed3"))},
			HostKeyAlgorithms: []string{algorithm, ssh.KeyAlgoRSASHA512}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		})
		if err != nil {
			t.Fatal(err)
		}
		for req := range reqs {
			if req.Type == RequestHostKeys {
				checkProofs(t, c, algorithm, c.SessionID(), req.Payload)
				break
			}
		}
		c.Close()
		go ssh.DiscardRequests(reqs)
		for range chans {
		}
	}
}

func checkProofs(t *testing.T, c ssh.Conn, algorithm string, session, offer []byte) {
	t.Helper()
	keys, err := ParseOffer(offer)
	if err != nil || len(keys) != 3 {
		t.Fatalf("ParseOffer = %v, %v", keys, err)
	}
	ok, answer, err := c.SendRequest(RequestProve, true, ProveRequest(keys))
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	proven, err := VerifyProofs(session, algorithm, keys, answer)
	if err != nil || !slices.EqualFunc(proven, keys, sameKey) {
		t.Errorf("%s: %d keys proven, %v", algorithm, len(proven), err)
	}
	if _, err := VerifyProofs(append(session, 0), algorithm, keys, answer); err == nil {
		t.Error("proofs of another session are accepted")
	}
}
