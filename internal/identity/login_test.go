package identity

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// A server is asked about the public half first: only the key that it accepts
// is decrypted.
func TestPassphraseOnlyForAcceptedKey(t *testing.T) {
	dir := t.TempDir()
	var files []string
	for _, name := range []string{"first", "second"} {
		path := filepath.Join(dir, name)
		keygen(t, dir, "-t", "ed25519", "-N", passphrase, "-f", path)
		files = append(files, path)
	}
	srv := newServer(t, "", files[1]+".pub")
	p := &person{passphrases: []string{"wrong", passphrase}}
	id := srv.mustLogin(t, open(t, Config{Files: files, FilesSet: true}, p), "ssh-ed25519")
	if want := []string{"second 1", "second 2"}; !slices.Equal(p.asked, want) {
		t.Errorf("asked %q, want %q", p.asked, want)
	}
	if want := "file " + files[1] + " (explicit)"; id.Source != want {
		t.Errorf("source %q, want %q", id.Source, want)
	}
	for _, g := range p.given {
		if strings.Trim(string(g), "\x00") != "" {
			t.Errorf("a passphrase was not wiped: %q", g)
		}
	}
}

// A PEM key without a public half is decrypted when its turn comes, and an
// empty passphrase goes on to the next key.
func TestPassphraseForHiddenPublicHalf(t *testing.T) {
	dir := t.TempDir()
	var files []string
	for _, name := range []string{"first", "second", "third"} {
		path := filepath.Join(dir, name)
		keygen(t, dir, "-t", "ecdsa", "-m", "PEM", "-N", passphrase, "-f", path)
		files = append(files, path)
	}
	srv := newServer(t, "", files[0]+".pub", files[1]+".pub", files[2]+".pub")
	for _, f := range files {
		if err := os.Remove(f + ".pub"); err != nil {
			t.Fatal(err)
		}
	}
	p := &person{passphrases: []string{"", "no", "no", "no", passphrase}}
	set := open(t, Config{Files: files, FilesSet: true}, p)
	if _, err := set.Identities()[0].Sign(nil, nil); !errors.Is(err, ErrNoPassphrase) {
		t.Errorf("empty passphrase: %v", err)
	}
	if key := set.Identities()[0].PublicKey(); key.Type() != "none" {
		t.Errorf("public half %v of a key that was not opened", key)
	}
	if err := set.Identities()[1].Prepare(); !errors.Is(err, ErrWrongPassphrase) {
		t.Errorf("wrong passphrases: %v", err)
	}
	id := srv.mustLogin(t, set, "ecdsa-sha2-nistp256")
	if id.path != files[2] {
		t.Errorf("logged in with %s", id)
	}
	want := []string{"first 1", "second 1", "second 2", "second 3", "third 1"}
	if !slices.Equal(p.asked, want) {
		t.Errorf("asked %q, want %q", p.asked, want)
	}
}

// An accepted key that cannot sign does not end the method.
func TestNextKeyAfterFailedSignature(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first"), newKey(t, dir, "second", "ed25519")
	keygen(t, dir, "-t", "ed25519", "-N", passphrase, "-f", first)
	srv := newServer(t, "", first+".pub", second+".pub")
	p := &person{}
	id := srv.mustLogin(t, open(t, Config{Files: []string{first, second}, FilesSet: true}, p), "ssh-ed25519")
	if id.path != second || !slices.Equal(p.asked, []string{"first 1"}) {
		t.Errorf("logged in with %s, asked %q", id, p.asked)
	}
}

// Forced takes the algorithm that the server does not announce.
func TestForced(t *testing.T) {
	dir := t.TempDir()
	path := newKey(t, dir, "key", "rsa", "-b", "2048")
	srv := newServer(t, "", path+".pub")
	id := open(t, Config{Files: []string{path}}, nil).Identities()[0]
	if id.Forced(ssh.KeyAlgoRSA) != nil || id.Forced(ssh.KeyAlgoED25519) != nil {
		t.Error("an algorithm that is not accepted was forced")
	}
	other := open(t, Config{Files: []string{newKey(t, dir, "other", "ed25519")}}, nil).Identities()[0]
	if other.Forced(ssh.KeyAlgoED25519) == nil {
		t.Error("the only algorithm cannot be forced")
	}
	for _, algo := range []string{ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512} {
		conn, _ := srv.dial(t)
		c, _, _, err := ssh.NewClientConn(conn, "test", &ssh.ClientConfig{
			User: "root", HostKeyCallback: ssh.InsecureIgnoreHostKey(),
			Auth: []ssh.AuthMethod{ssh.PublicKeys(id.Forced(algo))},
		})
		if err != nil {
			t.Errorf("%s: %v", algo, err)
			continue
		}
		c.Close()
	}
}

func TestNobodyToAsk(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	keygen(t, dir, "-t", "ed25519", "-N", passphrase, "-f", path)
	id := open(t, Config{Files: []string{path}}, nil).Identities()[0]
	if _, err := id.Sign(nil, nil); !errors.Is(err, ErrNoPassphrase) {
		t.Fatal(err)
	}
}

func TestPermissions(t *testing.T) {
	dir := t.TempDir()
	path := newKey(t, dir, "key", "ed25519")
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	p := &person{}
	id := open(t, Config{Files: []string{path}}, p).Identities()[0]
	if _, err := id.Sign(nil, nil); !errors.Is(err, ErrBadPermissions) {
		t.Errorf("key that others can read: %v", err)
	}
	if len(p.notices) != 1 || !strings.Contains(p.notices[0], "UNPROTECTED PRIVATE KEY FILE") || !strings.Contains(p.notices[0], "0640") {
		t.Errorf("notices %q", p.notices)
	}
	// A file of another user is that user's affair.
	if os.Getuid() == 0 {
		if err := os.Chown(path, 12345, 0); err != nil {
			t.Fatal(err)
		}
		signs(t, open(t, Config{Files: []string{path}}, nil))
	}
}

func TestMissingFiles(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none")
	if ids := open(t, Config{Files: []string{missing}}, nil).Identities(); len(ids) != 0 {
		t.Errorf("a default file that is missing is offered: %v", ids)
	}
	p := &person{}
	set := open(t, Config{Files: []string{missing}, FilesSet: true}, p)
	if len(p.notices) != 0 {
		t.Errorf("notices before its turn: %q", p.notices)
	}
	if err := set.Identities()[0].Prepare(); err == nil {
		t.Error("no error")
	}
	set.Identities()[0].PublicKey()
	want := fmt.Sprintf("no such identity: %s: no such file or directory", missing)
	if !slices.Equal(p.notices, []string{want}) {
		t.Errorf("notices %q, want one %q", p.notices, want)
	}
}

func TestPublicDoesNotMatch(t *testing.T) {
	dir := t.TempDir()
	one, two := newKey(t, dir, "one", "ed25519"), newKey(t, dir, "two", "ed25519")
	if err := os.Rename(two+".pub", one+".pub"); err != nil {
		t.Fatal(err)
	}
	p := &person{}
	_, err := open(t, Config{Files: []string{one}}, p).Identities()[0].Sign(nil, nil)
	if !errors.Is(err, ErrPublicMismatch) || len(p.notices) != 1 {
		t.Errorf("%v, notices %q", err, p.notices)
	}
}

// Each type and signature algorithm, from a file and from the agent, and as a
// certificate, against a real server.
func TestLoginTypes(t *testing.T) {
	dir := t.TempDir()
	ca := newKey(t, dir, "ca", "ed25519")
	certServer := newServer(t, ca)
	const cert = "-cert-v01@openssh.com"
	for _, c := range []struct {
		args  []string
		kind  string
		algos []string
	}{
		{[]string{"-t", "rsa", "-b", "2048"}, "ssh-rsa", []string{"rsa-sha2-256", "rsa-sha2-512", "ssh-rsa"}},
		{[]string{"-t", "ed25519"}, "ssh-ed25519", []string{"ssh-ed25519"}},
		{[]string{"-t", "ecdsa", "-b", "256"}, "ecdsa-sha2-nistp256", []string{"ecdsa-sha2-nistp256"}},
		{[]string{"-t", "ecdsa", "-b", "384"}, "ecdsa-sha2-nistp384", []string{"ecdsa-sha2-nistp384"}},
		{[]string{"-t", "ecdsa", "-b", "521"}, "ecdsa-sha2-nistp521", []string{"ecdsa-sha2-nistp521"}},
	} {
		path := filepath.Join(dir, c.kind)
		keygen(t, dir, append(c.args, "-N", "", "-f", path)...)
		certify(t, ca, path)
		server := newServer(t, "", path+".pub")
		socket := startAgent(t)
		sshAdd(t, socket, "-q", path)
		for _, algo := range c.algos {
			t.Run(algo, func(t *testing.T) {
				plain := []string{algo}
				server.mustLogin(t, open(t, Config{Files: []string{path}, AcceptedAlgorithms: plain}, nil), c.kind)
				id := server.mustLogin(t, open(t, Config{Agent: socket, AcceptedAlgorithms: plain}, nil), c.kind)
				if id.Source != "agent" {
					t.Errorf("source %q", id.Source)
				}
				certs := []string{algo + cert}
				certServer.mustLogin(t, open(t, Config{Files: []string{path}, AcceptedAlgorithms: certs}, nil), c.kind+cert)
				certServer.mustLogin(t, open(t, Config{Agent: socket, AcceptedAlgorithms: certs}, nil), c.kind+cert)
			})
		}
	}
}

// Where the private half of a certificate may be.
func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	ca := newKey(t, dir, "ca", "ed25519")
	key := newKey(t, dir, "key", "ed25519")
	other := newKey(t, dir, "other", "ed25519")
	certify(t, ca, key)
	elsewhere := filepath.Join(dir, "elsewhere.pub")
	if err := os.Rename(key+"-cert.pub", elsewhere); err != nil {
		t.Fatal(err)
	}
	srv := newServer(t, ca)
	socket := startAgent(t)
	sshAdd(t, socket, "-q", key)
	const kind = "ssh-ed25519-cert-v01@openssh.com"
	for name, cfg := range map[string]Config{
		"file":          {Files: []string{key}, FilesSet: true, CertificateFiles: []string{elsewhere}},
		"agent":         {Agent: socket, CertificateFiles: []string{elsewhere}},
		"agent by .pub": {Agent: socket, Files: []string{key + ".pub"}, FilesSet: true, IdentitiesOnly: true, CertificateFiles: []string{elsewhere}},
		"key excluded":  {Files: []string{key}, CertificateFiles: []string{elsewhere}, AcceptedAlgorithms: []string{kind}},
	} {
		t.Run(name, func(t *testing.T) { srv.mustLogin(t, open(t, cfg, nil), kind) })
	}
	// A private key without .pub is found by the certificate's name.
	bare := newKey(t, dir, "bare", "ecdsa", "-m", "PEM")
	certify(t, ca, bare)
	if err := os.Remove(bare + ".pub"); err != nil {
		t.Fatal(err)
	}
	srv.mustLogin(t, open(t, Config{Files: []string{bare}, CertificateFiles: []string{bare + "-cert.pub"}}, nil), "ecdsa-sha2-nistp256-cert-v01@openssh.com")
	// One that is nowhere.
	p := &person{}
	ids := open(t, Config{Files: []string{other}, CertificateFiles: []string{elsewhere}}, p).Identities()
	if _, err := ids[0].Sign(nil, nil); !errors.Is(err, ErrNoPrivateHalf) || len(p.notices) != 1 {
		t.Errorf("certificate without a key: %v, notices %q", err, p.notices)
	}
	// A host certificate is not for us.
	host := certify(t, ca, other, "-h")
	if set := open(t, Config{CertificateFiles: []string{host, other + ".pub"}}, nil); len(set.Identities()) != 0 || len(set.Notes()) != 2 {
		t.Errorf("offered %v, notes %q", set.Identities(), set.Notes())
	}
}

func TestPublicFileOfAgentKey(t *testing.T) {
	dir := t.TempDir()
	key := newKey(t, dir, "key", "ed25519")
	decoy := newKey(t, dir, "decoy", "ed25519")
	socket := startAgent(t)
	sshAdd(t, socket, "-q", decoy, key)
	pub := filepath.Join(dir, "moved.pub")
	if err := os.Rename(key+".pub", pub); err != nil {
		t.Fatal(err)
	}
	srv := newServer(t, "", pub)
	set := open(t, Config{Files: []string{pub}, FilesSet: true, IdentitiesOnly: true, Agent: socket}, nil)
	if len(set.Identities()) != 1 {
		t.Fatalf("offered %v", set.Identities())
	}
	id := srv.mustLogin(t, set, "ssh-ed25519")
	if id.Source != "agent, file "+pub+" (explicit)" || id.Comment != "key" {
		t.Errorf("source %q, comment %q", id.Source, id.Comment)
	}
	// Without the agent it is only a public key.
	p := &person{}
	_, err := open(t, Config{Files: []string{pub}}, p).Identities()[0].Sign(nil, nil)
	if !errors.Is(err, ErrNoPrivateHalf) || len(p.notices) != 1 {
		t.Errorf("%v, notices %q", err, p.notices)
	}
}

func TestShortRSA(t *testing.T) {
	dir := t.TempDir()
	path := newKey(t, dir, "key", "rsa", "-b", "2048")
	socket := startAgent(t)
	sshAdd(t, socket, "-q", path)
	set := open(t, Config{Files: []string{path}, Agent: socket, RequiredRSASize: 3072}, nil)
	if len(set.Identities()) != 0 || len(set.Notes()) != 1 {
		t.Errorf("offered %v, notes %q", set.Identities(), set.Notes())
	}
	if err := os.Remove(path + ".pub"); err != nil {
		t.Fatal(err)
	}
	keygen(t, dir, "-p", "-m", "PEM", "-N", "", "-f", path)
	err := open(t, Config{Files: []string{path}, RequiredRSASize: 3072}, nil).Identities()[0].Prepare()
	if !errors.Is(err, ErrShortRSA) {
		t.Errorf("PEM file: %v", err)
	}
}

func TestAgentThatIsNoAgent(t *testing.T) {
	dir := t.TempDir()
	key := newKey(t, dir, "key", "ed25519")
	dead := filepath.Join(dir, "dead")
	l, err := net.Listen("unix", dead)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	for _, socket := range []string{dead, filepath.Join(dir, "missing"), key, dir} {
		set := open(t, Config{Agent: socket, Files: []string{key}}, nil)
		if len(set.Identities()) != 1 || len(set.Notes()) != 1 {
			t.Errorf("%s: offered %v, notes %q", socket, set.Identities(), set.Notes())
		}
	}
}

// An agent that says nothing holds Open only as long as its context.
func TestSilentAgent(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "silent")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	set, err := Open(ctx, Config{Agent: socket}, nil)
	if !errors.Is(err, context.DeadlineExceeded) || set != nil {
		t.Fatalf("%v, %v", set, err)
	}
}

func TestAbstractSocket(t *testing.T) {
	dir := t.TempDir()
	key := newKey(t, dir, "key", "ed25519")
	socket := startAgent(t)
	sshAdd(t, socket, "-q", key)
	name := fmt.Sprintf("@sallyport-test-%d", os.Getpid())
	l, err := net.Listen("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		relay(l, socket)
	}()
	set := open(t, Config{Agent: name}, nil)
	signs(t, set)
	set.Close()
	l.Close()
	<-done
}

// Close ends a signature that the agent never answers, and a second Close does
// no harm.
func TestCloseEndsSignature(t *testing.T) {
	dir := t.TempDir()
	key := newKey(t, dir, "key", "ed25519")
	real := startAgent(t)
	sshAdd(t, real, "-q", key)
	set := open(t, Config{Agent: real}, nil)
	id := set.Identities()[0]
	ours, theirs := net.Pipe()
	defer theirs.Close()
	set.agent.Close()
	*id.agent = *wrapAgent(ours)
	got := make(chan error)
	go func() {
		_, err := id.Sign(nil, []byte("x"))
		got <- err
	}()
	// The request has arrived: the signature is under way.
	if _, err := theirs.Read(make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	set.Close()
	if err := <-got; !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	set.Close()
}

func TestPrintable(t *testing.T) {
	if got := printable("ok \x1b[31mé\r\n\u202e!"); got != "ok [31mé!" {
		t.Errorf("%q", got)
	}
}

func TestMethodsOfUnusableKey(t *testing.T) {
	id := open(t, Config{Files: []string{"/nonexistent"}, FilesSet: true}, nil).Identities()[0]
	if got := id.Algorithms(); got != nil {
		t.Errorf("algorithms %q", got)
	}
	var ke *KeyError
	if _, err := id.SignWithAlgorithm(nil, nil, ssh.KeyAlgoED25519); !errors.As(err, &ke) {
		t.Errorf("sign: %v", err)
	}
}
