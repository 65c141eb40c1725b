package hostkey

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// TestKRLAgainstKeygen asks ssh-keygen -Q and the KRL about the same keys.
func TestKRLAgainstKeygen(t *testing.T) {
	needOpenSSH(t)
	caPub, hash := pubFile("ca"), Fingerprint(pub(t, "ed"), "sha256")
	keys := krlKeys(t)
	for name, spec := range map[string]string{
		"empty":            "",
		"serials":          "serial: 1\nserial: 5\nserial: 999999\n",
		"range":            "serial: 3-8\n",
		"long range":       "serial: 2-18446744073709551615\n",
		"bitmap":           "serial: 1\nserial: 3\nserial: 5\nserial: 7\nserial: 10\nserial: 12\nserial: 63\nserial: 64\nserial: 66\n",
		"mixed":            "serial: 1-3\nserial: 6\nserial: 8-9\nserial: 999999\nserial: 4294967296\n",
		"id":               "id: id of ed\n",
		"other id":         "id: id of\nid: x\n",
		"id and serial":    "id: id of rsa\nserial: 5\n",
		"key":              "key: " + keyText(t, "ed") + "\n",
		"key of cert":      "key: " + certText(t, "ca", "ec") + "\n",
		"ca key":           "key: " + keyText(t, "ca") + "\n",
		"sha1":             "sha1: " + keyText(t, "ed") + "\n",
		"sha256":           "sha256: " + keyText(t, "rsa") + "\n",
		"hash":             "hash: " + hash + "\n",
		"everything":       "serial: 64\nid: id of ec\nkey: " + keyText(t, "ed2") + "\nsha1: " + keyText(t, "ca2") + "\n",
		"many fingerprint": "sha256: " + keyText(t, "ed") + "\nsha256: " + keyText(t, "ec") + "\nsha1: " + keyText(t, "ed2") + "\n",
	} {
		for _, ca := range []string{"none", caPub} {
			t.Run(name+" "+filepath.Base(ca), func(t *testing.T) {
				compareKRL(t, makeKRL(t, spec, ca), keys)
			})
		}
	}
}

func TestKRLFilesOfKeygen(t *testing.T) {
	needOpenSSH(t)
	keys := krlKeys(t)
	dir := t.TempDir()
	krl := filepath.Join(dir, "krl")
	mustKeygen(t, "-k", "-f", krl, "-z", "7")
	compareKRL(t, krl, keys)
	for _, add := range []string{keys[1], pubFile("ed2"), pubFile("ca2")} {
		mustKeygen(t, "-k", "-u", "-f", krl, "-s", pubFile("ca"), add)
		compareKRL(t, krl, keys)
	}
	data, err := os.ReadFile(krl)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParseKRL(data)
	if err != nil || k.Version != 7 || k.Generated.IsZero() {
		t.Errorf("ParseKRL = %+v, %v", k, err)
	}
}

func TestRandomKRLAgainstKeygen(t *testing.T) {
	needOpenSSH(t)
	if testing.Short() {
		t.Skip("many runs of ssh-keygen")
	}
	keys := krlKeys(t)
	for i := range 15 {
		r := rand.New(rand.NewPCG(uint64(i), 2))
		var spec strings.Builder
		for range 1 + r.IntN(40) {
			lo := 1 + r.Uint64N(1<<(1+r.UintN(20)))
			switch r.IntN(8) {
			case 0:
				fmt.Fprintf(&spec, "serial: %d-%d\n", lo, lo+1+r.Uint64N(100))
			case 1:
				fmt.Fprintf(&spec, "id: id of %s\n", []string{"ed", "ec", "rsa", "x"}[r.IntN(4)])
			default:
				fmt.Fprintf(&spec, "serial: %d\n", lo)
			}
		}
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			compareKRL(t, makeKRL(t, spec.String(), pubFile("ca")), keys)
		})
	}
}

// krlKeys are the public keys and certificates to ask about.
func krlKeys(t *testing.T) []string {
	keys := []string{pubFile("ed"), pubFile("ed2"), pubFile("rsa"), pubFile("ec"), pubFile("ca")}
	for i, serial := range []string{"0", "1", "4", "5", "6", "64", "65", "999999", "4294967296", "18446744073709551615"} {
		ca := []string{"ca", "ca", "ca2"}[i%3]
		name := []string{"ed", "rsa", "ec"}[i%3]
		for _, ca := range []string{ca, "ca"} {
			keys = append(keys, certify(t, ca, name, "-h", "-z", serial)+"-cert.pub")
		}
	}
	return keys
}

func makeKRL(t *testing.T, spec, ca string) string {
	t.Helper()
	dir := t.TempDir()
	krl := filepath.Join(dir, "krl")
	mustKeygen(t, "-k", "-f", krl, "-s", ca, writeFile(t, filepath.Join(dir, "spec"), spec))
	return krl
}

func compareKRL(t *testing.T, krl string, keys []string) {
	t.Helper()
	data, err := os.ReadFile(krl)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParseKRL(data)
	if err != nil {
		t.Fatal(err)
	}
	out, _ := keygen(t, append([]string{"-Q", "-f", krl}, keys...)...)
	answers := strings.Split(strings.TrimSpace(out), "\n")
	if len(answers) != len(keys) {
		t.Fatalf("ssh-keygen -Q: %s", out)
	}
	for i, path := range keys {
		key := pub(t, strings.TrimSuffix(path, ".pub"))
		want := strings.HasSuffix(answers[i], ": REVOKED")
		if why := k.Revokes(key); (why != "") != want {
			serial := uint64(0)
			if c, ok := key.(*ssh.Certificate); ok {
				serial = c.Serial
			}
			t.Errorf("%s (serial %d): revoked %q, ssh-keygen says %s", path, serial, why, answers[i])
		}
	}
}

// krlOf is a KRL made of sections.
func krlOf(sections ...[]byte) []byte {
	b := append([]byte(krlMagic), 0, 0, 0, 1)
	b = append(b, make([]byte, 24)...) // version, date, flags
	b = append(b, wireString(nil)...)
	b = append(b, wireString([]byte("a comment"))...)
	for _, s := range sections {
		b = append(b, s...)
	}
	return b
}

func wireString(s []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(s))), s...)
}

func section(typ byte, parts ...[]byte) []byte {
	var body []byte
	for _, p := range parts {
		body = append(body, p...)
	}
	return append([]byte{typ}, wireString(body)...)
}

func u64(v ...uint64) []byte {
	var b []byte
	for _, n := range v {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}

// certSections is a certificate section for any authority.
func certSections(subs ...[]byte) []byte {
	return section(krlCertificates, append([][]byte{wireString(nil), wireString(nil)}, subs...)...)
}

func TestParseKRL(t *testing.T) {
	ext := func(critical byte) []byte {
		return append(append(wireString([]byte("x@y")), critical), wireString([]byte("z"))...)
	}
	sig := append(section(krlSignature, []byte("key")), wireString([]byte("signature"))...)
	big := make([]byte, maxMPInt+2)
	big[1] = 1
	for name, tc := range map[string]struct {
		data []byte
		ok   bool
	}{
		"empty":                    {krlOf(), true},
		"signed":                   {krlOf(section(krlExplicitKey), sig, sig), true},
		"section after signature":  {krlOf(sig, section(krlExplicitKey)), false},
		"signature cut":            {krlOf(section(krlSignature, []byte("key"))), false},
		"extension":                {krlOf(section(krlExtension, ext(0))), true},
		"critical extension":       {krlOf(section(krlExtension, ext(1))), false},
		"extension with tail":      {krlOf(section(krlExtension, ext(0), []byte{0})), false},
		"cert extension":           {krlOf(certSections(section(krlCertExtension, ext(0)))), true},
		"critical cert extension":  {krlOf(certSections(section(krlCertExtension, ext(1)))), false},
		"unknown section":          {krlOf(section(9)), false},
		"unknown subsection":       {krlOf(certSections(section(0x30))), false},
		"bad hash length":          {krlOf(section(krlSHA1, wireString(make([]byte, 19)))), false},
		"hash cut":                 {krlOf(section(krlSHA256, []byte{0, 0, 0, 32, 1})), false},
		"bad authority":            {krlOf(section(krlCertificates, wireString([]byte("x")), wireString(nil))), false},
		"serial 0":                 {krlOf(certSections(section(krlSerialList, u64(0)))), false},
		"serial cut":               {krlOf(certSections(section(krlSerialList, u64(1), []byte{1}))), false},
		"range reversed":           {krlOf(certSections(section(krlSerialRange, u64(2, 1)))), false},
		"range with tail":          {krlOf(certSections(section(krlSerialRange, u64(1, 2, 3)))), false},
		"bitmap":                   {krlOf(certSections(section(krlSerialBitmap, u64(1), wireString([]byte{0x7f})))), true},
		"empty bitmap":             {krlOf(certSections(section(krlSerialBitmap, u64(1), wireString(nil)))), true},
		"negative bitmap":          {krlOf(certSections(section(krlSerialBitmap, u64(1), wireString([]byte{0xff})))), false},
		"bitmap holds serial 0":    {krlOf(certSections(section(krlSerialBitmap, u64(0), wireString([]byte{1})))), false},
		"bitmap from 0 without it": {krlOf(certSections(section(krlSerialBitmap, u64(0), wireString([]byte{2})))), true},
		"bitmap wraps":             {krlOf(certSections(section(krlSerialBitmap, u64(1<<64-1), wireString([]byte{2})))), false},
		"bitmap to the last":       {krlOf(certSections(section(krlSerialBitmap, u64(1<<64-1), wireString([]byte{1})))), true},
		"bitmap too long":          {krlOf(certSections(section(krlSerialBitmap, u64(1), wireString(big)))), false},
		"id with NUL":              {krlOf(certSections(section(krlKeyID, wireString([]byte("a\x00b"))))), false},
		"magic only":               {[]byte(krlMagic), false},
		"format version":           {append([]byte(krlMagic), 0, 0, 0, 2), false},
		"length overflow":          {append(krlOf(), krlExplicitKey, 0xff, 0xff, 0xff, 0xff), false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseKRL(tc.data)
			if (err == nil) != tc.ok || errors.Is(err, ErrNotKRL) {
				t.Errorf("ParseKRL = %v, want ok %v", err, tc.ok)
			}
		})
	}
	if _, err := ParseKRL([]byte("ssh-ed25519 AAAA")); !errors.Is(err, ErrNotKRL) {
		t.Errorf("ParseKRL of a text = %v", err)
	}
}

// TestTruncatedKRLIsRefused cuts a good KRL everywhere.
func TestTruncatedKRLIsRefused(t *testing.T) {
	data := krlOf(certSections(section(krlSerialRange, u64(1, 2))), section(krlSHA1, wireString(make([]byte, 20))))
	empty := len(krlOf())
	first := empty + len(certSections(section(krlSerialRange, u64(1, 2))))
	for n := range data {
		_, err := ParseKRL(data[:n])
		if whole := n == empty || n == first; (err == nil) != whole {
			t.Errorf("%d of %d bytes: %v", n, len(data), err)
		}
	}
}

func TestBitmapHas(t *testing.T) {
	b := serialBitmap{offset: 100, bits: []byte{0b10, 0b00000101}}
	for serial := range uint64(130) {
		want := serial == 100 || serial == 102 || serial == 109
		if b.has(serial) != want {
			t.Errorf("has(%d) = %v", serial, !want)
		}
	}
	if b.has(1<<64 - 1) {
		t.Error("has the last serial")
	}
}

func FuzzParseKRL(f *testing.F) {
	f.Add(krlOf())
	f.Add(krlOf(certSections(section(krlSerialRange, u64(1, 2)), section(krlSerialBitmap, u64(1), wireString([]byte{0x7f})))))
	f.Add(krlOf(section(krlExtension, wireString([]byte("x")), []byte{0}, wireString(nil))))
	key, err := parseKeyText(keyText(f, "ed"))
	if err != nil {
		f.Fatal(err)
	}
	cert := pub(f, certify(f, "ca", "ed", "-h", "-z", "5")+"-cert")
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := ParseKRL(data)
		if err != nil {
			return
		}
		k.Revokes(key)
		k.Revokes(cert)
	})
}
