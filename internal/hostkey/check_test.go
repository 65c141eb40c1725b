package hostkey

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// check looks a key up in one user's file.
func check(t *testing.T, text string, h Host, key ssh.PublicKey) Verdict {
	t.Helper()
	file := writeFile(t, filepath.Join(t.TempDir(), "known_hosts"), text)
	v, err := New(Config{UserFiles: []string{file}}).Check(t.Context(), h, key)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func numbers(ls []Line) []int {
	var ns []int
	for _, l := range ls {
		ns = append(ns, l.Number)
	}
	return ns
}

// TestCheckHostIP follows sshconnect.c: check_host_key.
func TestCheckHostIP(t *testing.T) {
	ed, ec, rsa := keyText(t, "ed"), keyText(t, "ec"), keyText(t, "rsa")
	at := Host{Name: "h", Port: 22, Addr: "192.0.2.1"}
	addr := &Host{Name: "192.0.2.1", Port: 22}
	alone := &Host{Name: "h", Port: 22}
	for name, tc := range map[string]struct {
		text    string
		status  Status
		addr    Status
		lines   []int
		differs bool
		record  *Host
	}{
		"both new":              {"", Unknown, Unknown, nil, false, &at},
		"both known":            {"h,192.0.2.1 " + ed + "\n", Known, Known, []int{1}, false, nil},
		"address new":           {"h " + ed + "\n", Known, Unknown, nil, false, addr},
		"name new":              {"192.0.2.1 " + ed + "\n", Unknown, Known, []int{1}, false, alone},
		"address other":         {"h " + ed + "\n192.0.2.1 " + ec + "\n", Known, Changed, []int{2}, false, nil},
		"name new, other":       {"192.0.2.1 " + ec + "\n", Unknown, Changed, []int{1}, false, alone},
		"both changed alike":    {"h,192.0.2.1 " + ec + "\n", Changed, Changed, []int{1}, false, nil},
		"both changed, differ":  {"h " + ec + "\n192.0.2.1 " + rsa + "\n", Changed, Changed, []int{2}, true, nil},
		"changed, address new":  {"h " + ec + "\n", Changed, Unknown, nil, true, nil},
		"changed, address fits": {"h " + ec + "\n192.0.2.1 " + ed + "\n", Changed, Known, []int{2}, true, nil},
		"address revoked":       {"h " + ed + "\n@revoked 192.0.2.1 " + ed + "\n", Known, Revoked, []int{2}, false, nil},
		"name revoked":          {"@revoked h " + ed + "\n192.0.2.1 " + ed + "\n", Revoked, 0, nil, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			v := check(t, tc.text, at, pub(t, "ed"))
			if v.Status != tc.status || v.Address.Status != tc.addr || v.Address.Differs != tc.differs {
				t.Errorf("got %v, address %+v", v.Status, v.Address)
			}
			if got := numbers(v.Address.Matches); !slices.Equal(got, tc.lines) {
				t.Errorf("address lines %v, want %v", got, tc.lines)
			}
			if (v.Record == nil) != (tc.record == nil) || v.Record != nil && *v.Record != *tc.record {
				t.Errorf("Record = %v, want %v", v.Record, tc.record)
			}
		})
	}
}

func TestAddressIsNotCheckedForCertificatesAndItself(t *testing.T) {
	cert := pub(t, certify(t, "ca", "ed", "-h")+"-cert")
	for _, key := range []ssh.PublicKey{cert, pub(t, "ed")} {
		h := Host{Name: "h", Addr: "192.0.2.1"}
		if key != cert {
			h.Name = h.Addr
		}
		if v := check(t, "192.0.2.1 "+keyText(t, "ec")+"\n", h, key); v.Address.Status != 0 {
			t.Errorf("address of %v checked: %v", h, v.Address.Status)
		}
	}
}

func TestAddressWithPort(t *testing.T) {
	h := Host{Name: "H", Port: 2222, Addr: "2001:db8::1"}
	v := check(t, "[h]:2222,[2001:DB8::1]:2222 "+keyText(t, "ed")+"\n", h, pub(t, "ed"))
	if v.Status != Known || v.Address.Status != Known || v.WithoutPort {
		t.Errorf("%+v", v)
	}
	v = check(t, "h,2001:db8::1 "+keyText(t, "ed")+"\n", h, pub(t, "ed"))
	if v.Status != Known || v.Address.Status != Known || !v.WithoutPort || v.Record != nil || v.Updatable {
		t.Errorf("without port: %+v", v)
	}
}

// TestRevokedForThePlainName is a difference from OpenSSH, on purpose.
func TestRevokedForThePlainName(t *testing.T) {
	v := check(t, "@revoked h "+keyText(t, "ed")+"\n", Host{Name: "h", Port: 2222}, pub(t, "ed"))
	if v.Status != Revoked || v.Reason == "" {
		t.Errorf("%+v", v)
	}
	v = check(t, "@revoked\th "+keyText(t, "ed")+"\n", Host{Name: "h"}, pub(t, "ed"))
	if v.Status != Revoked {
		t.Errorf("with a tab: %+v", v)
	}
}

func TestMatchesNameEveryLine(t *testing.T) {
	text := "h " + keyText(t, "ec") + "\nx\n*,!y " + keyText(t, "rsa") + " c\n@cert-authority h " + keyText(t, "ca") + "\n"
	v := check(t, text, Host{Name: "h"}, pub(t, "ed"))
	if v.Status != Changed || !slices.Equal(numbers(v.Matches), []int{1, 3}) {
		t.Fatalf("%v %+v", v.Status, v.Matches)
	}
	l := v.Matches[1]
	if l.Names != "*,!y" || l.Type != "RSA" || l.Marker != "" || l.Fingerprint != ssh.FingerprintSHA256(pub(t, "rsa")) || !sameKey(l.Key, pub(t, "rsa")) {
		t.Errorf("line is %+v", l)
	}
}

func TestRecordAndUpdatable(t *testing.T) {
	dir := t.TempDir()
	known := writeFile(t, filepath.Join(dir, "known"), "h "+keyText(t, "ed")+"\n")
	empty := writeFile(t, filepath.Join(dir, "empty"), "")
	command := func(context.Context, string, ssh.PublicKey) ([]byte, error) { return os.ReadFile(known) }
	for name, tc := range map[string]struct {
		cfg               Config
		host              Host
		record, updatable bool
	}{
		"user":           {Config{UserFiles: []string{empty, known}}, Host{Name: "h"}, false, true},
		"global":         {Config{UserFiles: []string{empty}, GlobalFiles: []string{known}}, Host{Name: "h", Addr: "192.0.2.1"}, true, false},
		"command":        {Config{UserFiles: []string{empty}, Command: command}, Host{Name: "h", Addr: "192.0.2.1"}, false, false},
		"new":            {Config{UserFiles: []string{empty}}, Host{Name: "h2"}, true, false},
		"new, no file":   {Config{GlobalFiles: []string{empty}}, Host{Name: "h2"}, false, false},
		"new, odd name":  {Config{UserFiles: []string{empty}}, Host{Name: "h*"}, false, false},
		"new, space":     {Config{UserFiles: []string{empty}}, Host{Name: "h x"}, false, false},
		"new, newline":   {Config{UserFiles: []string{empty}}, Host{Name: "h\nx"}, false, false},
		"new, no name":   {Config{UserFiles: []string{empty}}, Host{}, false, false},
		"new, list":      {Config{UserFiles: []string{empty}}, Host{Name: "h,i"}, false, false},
		"new, IPv6 name": {Config{UserFiles: []string{empty}}, Host{Name: "fe80::1%eth0"}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := New(tc.cfg).Check(t.Context(), tc.host, pub(t, "ed"))
			if err != nil {
				t.Fatal(err)
			}
			if (v.Record != nil) != tc.record || v.Updatable != tc.updatable {
				t.Errorf("Record %v, Updatable %v", v.Record, v.Updatable)
			}
		})
	}
}

func TestCommandIsAskedWithReasonAndKey(t *testing.T) {
	var asked []string
	s := New(Config{Command: func(_ context.Context, reason string, key ssh.PublicKey) ([]byte, error) {
		typ := "NONE"
		if key != nil {
			typ = key.Type()
		}
		asked = append(asked, reason+" "+typ)
		return nil, nil
	}})
	h := Host{Name: "h", Addr: "192.0.2.1"}
	if _, err := s.Algorithms(t.Context(), h, []string{"ssh-ed25519"}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []ssh.PublicKey{pub(t, "ed"), pub(t, certify(t, "ca", "ed", "-h")+"-cert")} {
		if _, err := s.Check(t.Context(), h, key); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"ORDER NONE", "HOSTNAME ssh-ed25519", "ADDRESS ssh-ed25519", "HOSTNAME ssh-ed25519-cert-v01@openssh.com"}
	if !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
}

func TestErrorsLeaveNoVerdict(t *testing.T) {
	dir := t.TempDir()
	known := writeFile(t, filepath.Join(dir, "known"), "* "+keyText(t, "ed")+"\n* "+keyText(t, "rsa")+"\n")
	broken := errors.New("exit status 1")
	fails := func(context.Context, string, ssh.PublicKey) ([]byte, error) { return nil, broken }
	cut := writeFile(t, filepath.Join(dir, "krl"), string(krlOf(section(9))))
	user := []string{known}
	var small *KeyTooSmallError
	for name, tc := range map[string]struct {
		cfg Config
		key string
		is  func(error) bool
	}{
		"command":           {Config{UserFiles: user, Command: fails}, "ed", func(err error) bool { return errors.Is(err, broken) }},
		"no revoked file":   {Config{UserFiles: user, RevokedFiles: []string{dir + "/none"}}, "ed", func(err error) bool { return errors.Is(err, fs.ErrNotExist) }},
		"revoked directory": {Config{UserFiles: user, RevokedFiles: []string{dir}}, "ed", func(err error) bool { return err != nil }},
		"bad KRL":           {Config{UserFiles: user, RevokedFiles: []string{cut}}, "ed", func(err error) bool { return strings.Contains(err.Error(), "section 9") }},
		"bad revoked list":  {Config{UserFiles: user, RevokedFiles: []string{known}}, "ed", func(err error) bool { return strings.Contains(err.Error(), "line 1") }},
		"RSA too small":     {Config{UserFiles: user, RequiredRSASize: 2049}, "rsa", func(err error) bool { return errors.As(err, &small) && small.Bits == 2048 }},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := New(tc.cfg).Check(t.Context(), Host{Name: "h"}, pub(t, tc.key))
			if err == nil || !tc.is(err) || v.Status != 0 {
				t.Errorf("Check = %v, %v", v.Status, err)
			}
		})
	}
	if _, err := New(Config{Command: fails}).Algorithms(t.Context(), Host{Name: "h"}, nil); !errors.Is(err, broken) {
		t.Errorf("Algorithms = %v", err)
	}
	cert := pub(t, certify(t, "ca", "rsa", "-h")+"-cert")
	if _, err := New(Config{RequiredRSASize: 4096}).Check(t.Context(), Host{Name: "h"}, cert); !errors.As(err, &small) {
		t.Errorf("Check of a small certificate = %v", err)
	}
}

func TestRSAOfRequiredSizePasses(t *testing.T) {
	s := New(Config{RequiredRSASize: 2048})
	if v, err := s.Check(t.Context(), Host{Name: "h"}, pub(t, "rsa")); err != nil || v.Status != Unknown {
		t.Errorf("Check = %v, %v", v.Status, err)
	}
}

func TestForgedCertificateIsAnError(t *testing.T) {
	s := New(Config{UserFiles: []string{writeFile(t, filepath.Join(t.TempDir(), "k"), "@cert-authority * "+keyText(t, "ca")+"\n")}})
	good := pub(t, certify(t, "ca", "ed", "-h", "-n", "h")+"-cert").(*ssh.Certificate)
	for name, forge := range map[string]func(*ssh.Certificate){
		"principal":   func(c *ssh.Certificate) { c.ValidPrincipals = []string{"h", "x"} },
		"key":         func(c *ssh.Certificate) { c.Key = pub(t, "ed2") },
		"authority":   func(c *ssh.Certificate) { c.SignatureKey = pub(t, "ca2") },
		"no signer":   func(c *ssh.Certificate) { c.SignatureKey = nil },
		"unsigned":    func(c *ssh.Certificate) { c.Signature = nil },
		"other's sig": func(c *ssh.Certificate) { resign(t, c, "ca2"); c.SignatureKey = pub(t, "ca") },
	} {
		c := *good
		forge(&c)
		if v, err := s.Check(t.Context(), Host{Name: "h"}, &c); !errors.Is(err, ErrBadCertificate) {
			t.Errorf("%s: %v, %v", name, v.Status, err)
		}
	}
	if v, err := s.Check(t.Context(), Host{Name: "h"}, good); err != nil || !v.CA {
		t.Errorf("good: %+v, %v", v, err)
	}
}

func resign(t *testing.T, c *ssh.Certificate, ca string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(keyDir(), ca))
	if err != nil {
		t.Fatal(err)
	}
	if block, _ := pem.Decode(text); block == nil {
		t.Fatal("no PEM")
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SignCert(rand.Reader, signer); err != nil {
		t.Fatal(err)
	}
}

func TestRevokedByFile(t *testing.T) {
	dir := t.TempDir()
	list := writeFile(t, filepath.Join(dir, "list"), "# x\n"+keyText(t, "ec")+"\n"+keyText(t, "ed")+" c\n")
	krl := filepath.Join(dir, "krl")
	mustKeygen(t, "-k", "-f", krl, pubFile("ed"))
	for file, line := range map[string]int{list: 3, krl: 0} {
		v, err := New(Config{RevokedFiles: []string{file}}).Check(t.Context(), Host{Name: "h"}, pub(t, "ed"))
		if err != nil {
			t.Fatal(err)
		}
		if v.Status != Revoked || !v.RevokedByFile || v.Matches[0].File != file || v.Matches[0].Number != line || !strings.Contains(v.Reason, file) {
			t.Errorf("%+v", v)
		}
	}
	none := writeFile(t, filepath.Join(dir, "none"), "# nothing\n")
	v, err := New(Config{RevokedFiles: []string{none, krl}}).Check(t.Context(), Host{Name: "h"}, pub(t, "ed"))
	if err != nil || v.Status != Revoked || v.Matches[0].File != krl {
		t.Errorf("the second file: %+v, %v", v, err)
	}
	if _, err := New(Config{RevokedFiles: []string{none, dir + "/missing"}}).Check(t.Context(), Host{Name: "h"}, pub(t, "ed")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the second file is missing: %v", err)
	}
	v, err = New(Config{RevokedFiles: []string{os.DevNull}}).Check(t.Context(), Host{Name: "h"}, pub(t, "ed"))
	if err != nil || v.Status != Unknown {
		t.Errorf("empty file: %+v, %v", v, err)
	}
}

func TestUnreadableFilesKnowNothing(t *testing.T) {
	dir := t.TempDir()
	known := writeFile(t, filepath.Join(dir, "known"), "h "+keyText(t, "ed")+"\n")
	s := New(Config{UserFiles: []string{dir, dir + "/none", "", "/dev/null", known}})
	v, err := s.Check(t.Context(), Host{Name: "h"}, pub(t, "ed"))
	if err != nil || v.Status != Known {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestStatusString(t *testing.T) {
	for s, want := range map[Status]string{Known: "known", Unknown: "new", Changed: "changed", Revoked: "revoked", 0: "Status(0)"} {
		if s.String() != want {
			t.Errorf("%d is %q", int(s), s)
		}
	}
}

func TestOddDSAKeyCountsAsKnown(t *testing.T) {
	number := func(bits int) *big.Int { return new(big.Int).SetBit(big.NewInt(1), bits-1, 1) }
	blob := ssh.Marshal(struct {
		Name       string
		P, Q, G, Y *big.Int
	}{keyAlgoDSA, number(2048), number(256), number(2000), number(2001)})
	for end, want := range map[int]Status{len(blob): Changed, len(blob) - 1: Unknown} {
		text := "h ssh-dss " + base64.StdEncoding.EncodeToString(blob[:end]) + "\n"
		v := check(t, text, Host{Name: "h"}, pub(t, "ed"))
		if v.Status != want {
			t.Errorf("%d bytes of it: %v", end, v.Status)
		}
		if want == Changed && (v.Matches[0].Type != "DSA" || Bits(v.Matches[0].Key) != 2048 || v.Matches[0].Key.Verify(nil, nil) == nil) {
			t.Errorf("%+v", v.Matches[0])
		}
	}
}

func TestAddressFromGlobalFileForbidsUpdates(t *testing.T) {
	dir := t.TempDir()
	s := New(Config{
		UserFiles:   []string{writeFile(t, filepath.Join(dir, "user"), "h "+keyText(t, "ed")+"\n")},
		GlobalFiles: []string{writeFile(t, filepath.Join(dir, "global"), "192.0.2.1 "+keyText(t, "ed")+"\n")},
	})
	for addr, want := range map[string]bool{"": true, "192.0.2.1": false, "192.0.2.2": true} {
		v, err := s.Check(t.Context(), Host{Name: "h", Addr: addr}, pub(t, "ed"))
		if err != nil || v.Updatable != want {
			t.Errorf("%q: Updatable %v, %v", addr, v.Updatable, err)
		}
	}
}

func TestCertificateTimes(t *testing.T) {
	cert := pub(t, certify(t, "ca", "ed", "-h", "-V", "20200101000000Z:20210101000000Z")+"-cert")
	file := writeFile(t, filepath.Join(t.TempDir(), "k"), "@cert-authority * "+keyText(t, "ca")+"\n")
	from, to := time.Unix(int64(cert.(*ssh.Certificate).ValidAfter), 0), time.Unix(int64(cert.(*ssh.Certificate).ValidBefore), 0)
	for _, tc := range []struct {
		now    time.Time
		reason string // "" when it is valid
	}{
		{from.Add(-time.Second), "not yet valid"}, {from, ""}, {to.Add(-time.Second), ""}, {to, "expired"},
		{time.Unix(-5, 0), "not yet valid"},
	} {
		s := New(Config{UserFiles: []string{file}, Now: func() time.Time { return tc.now }})
		v, err := s.Check(t.Context(), Host{Name: "h"}, cert)
		if err != nil || v.CA != (tc.reason == "") || !strings.Contains(v.Reason, tc.reason) {
			t.Errorf("%v: %+v, %v", tc.now, v, err)
		}
	}
}
