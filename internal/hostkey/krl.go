package hostkey

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	krlMagic   = "SSHKRL\n\x00"
	krlVersion = 1
)

// The sections of a KRL and of its certificate sections. PROTOCOL.krl.
const (
	krlCertificates = 1
	krlExplicitKey  = 2
	krlSHA1         = 3
	krlSignature    = 4
	krlSHA256       = 5
	krlExtension    = 255

	krlSerialList    = 0x20
	krlSerialRange   = 0x21
	krlSerialBitmap  = 0x22
	krlKeyID         = 0x23
	krlCertExtension = 0x39
)

// ErrNotKRL reports data that does not begin like a KRL.
var ErrNotKRL = errors.New("not a key revocation list")

var errTruncated = errors.New("truncated or malformed")

// KRL is a parsed key revocation list.
type KRL struct {
	Version   uint64
	Generated time.Time
	Comment   string

	keys, sha1s, sha256s map[string]bool
	certs                []krlCerts
}

// krlCerts are the certificates of one authority that are revoked.
type krlCerts struct {
	ca      ssh.PublicKey // nil for any
	ranges  []serialRange
	bitmaps []serialBitmap
	ids     map[string]bool
}

type serialRange struct{ lo, hi uint64 }

type serialBitmap struct {
	offset uint64
	bits   []byte // big-endian, without leading zeros
}

// ParseKRL parses a KRL in its binary format. Data that does not begin like
// one gives ErrNotKRL. Signatures are skipped, as OpenSSH does from 9.4 on: a
// KRL is trusted because of where it lies.
func ParseKRL(data []byte) (*KRL, error) {
	if !bytes.HasPrefix(data, []byte(krlMagic)) {
		return nil, ErrNotKRL
	}
	k := &KRL{keys: map[string]bool{}, sha1s: map[string]bool{}, sha256s: map[string]bool{}}
	r := &reader{b: data[len(krlMagic):]}
	if v := r.u32(); !r.bad && v != krlVersion {
		return nil, fmt.Errorf("parse KRL: unknown format version %d", v)
	}
	k.Version = r.u64()
	k.Generated = time.Unix(int64(r.u64()), 0)
	r.u64() // flags: none are defined
	r.str() // reserved
	k.Comment = r.text()
	signed := false
	for !r.bad && len(r.b) > 0 {
		typ, body := r.u8(), r.str()
		if r.bad {
			break
		}
		if typ == krlSignature {
			signed = true
			r.str() // the signature; body was the key
			continue
		}
		if signed {
			return nil, errors.New("parse KRL: a section follows a signature")
		}
		if err := k.section(typ, body); err != nil {
			return nil, fmt.Errorf("parse KRL section %d: %w", typ, err)
		}
	}
	if r.bad {
		return nil, fmt.Errorf("parse KRL: %w", errTruncated)
	}
	return k, nil
}

func (k *KRL) section(typ byte, body []byte) error {
	switch typ {
	case krlCertificates:
		return k.certSection(body)
	case krlExplicitKey:
		return blobs(body, k.keys, 0)
	case krlSHA1:
		return blobs(body, k.sha1s, sha1.Size)
	case krlSHA256:
		return blobs(body, k.sha256s, sha256.Size)
	case krlExtension:
		return extension(body)
	}
	return errors.New("unsupported section")
}

// blobs reads a section of strings, each of the given size unless that is 0.
func blobs(body []byte, into map[string]bool, size int) error {
	r := &reader{b: body}
	for len(r.b) > 0 {
		v := r.str()
		if r.bad || size != 0 && len(v) != size {
			return errTruncated
		}
		into[string(v)] = true
	}
	return nil
}

// extension reads an extension section: one that is critical is not
// understood, any other does not matter.
func extension(body []byte) error {
	r := &reader{b: body}
	name, critical := r.text(), r.u8()
	r.str()
	if r.bad || len(r.b) > 0 {
		return errTruncated
	}
	if critical != 0 {
		return fmt.Errorf("unsupported critical extension %q", name)
	}
	return nil
}

func (k *KRL) certSection(body []byte) error {
	r := &reader{b: body}
	blob := r.str()
	r.str() // reserved
	if r.bad {
		return errTruncated
	}
	c := krlCerts{ids: map[string]bool{}}
	if len(blob) > 0 {
		ca, err := parseKeyBlob(blob)
		if err != nil {
			return fmt.Errorf("authority: %w", err)
		}
		c.ca = ca
	}
	for len(r.b) > 0 {
		typ, sub := r.u8(), r.str()
		if r.bad {
			return errTruncated
		}
		if err := c.subsection(typ, sub); err != nil {
			return fmt.Errorf("subsection %#x: %w", typ, err)
		}
	}
	k.certs = append(k.certs, c)
	return nil
}

func (c *krlCerts) subsection(typ byte, body []byte) error {
	r := &reader{b: body}
	var err error
	switch typ {
	case krlSerialList:
		for len(r.b) > 0 && !r.bad && err == nil {
			serial := r.u64()
			err = c.addRange(r, serial, serial)
		}
	case krlSerialRange:
		err = c.addRange(r, r.u64(), r.u64())
	case krlSerialBitmap:
		err = c.addBitmap(r, r.u64(), r.mpint())
	case krlKeyID:
		for len(r.b) > 0 && !r.bad {
			c.ids[r.text()] = true
		}
	case krlCertExtension:
		return extension(body)
	default:
		return errors.New("unsupported subsection")
	}
	if err == nil && (r.bad || len(r.b) > 0) {
		err = errTruncated
	}
	return err
}

// addRange revokes serials. Serial 0 stands for "none" and cannot be revoked.
func (c *krlCerts) addRange(r *reader, lo, hi uint64) error {
	if r.bad {
		return errTruncated
	}
	if lo == 0 || lo > hi {
		return fmt.Errorf("bad range of serials %d-%d", lo, hi)
	}
	c.ranges = append(c.ranges, serialRange{lo, hi})
	return nil
}

func (c *krlCerts) addBitmap(r *reader, offset uint64, bits []byte) error {
	if r.bad {
		return errTruncated
	}
	if len(bits) == 0 {
		return nil
	}
	top := uint64(len(bits))*8 - 1 - uint64(leadingZeros(bits[0]))
	if offset+top < offset || offset == 0 && bits[len(bits)-1]&1 != 0 {
		return fmt.Errorf("bad bitmap of serials from %d", offset)
	}
	c.bitmaps = append(c.bitmaps, serialBitmap{offset, bits})
	return nil
}

func (b serialBitmap) has(serial uint64) bool {
	n := serial - b.offset
	if serial < b.offset || n/8 >= uint64(len(b.bits)) {
		return false
	}
	return b.bits[uint64(len(b.bits))-1-n/8]>>(n%8)&1 != 0
}

// Revokes says what in the list revokes key, or the authority that signed it
// when it is a certificate; "" when nothing does.
func (k *KRL) Revokes(key ssh.PublicKey) string {
	if why := k.revokesKey(key); why != "" {
		return why
	}
	if cert, ok := key.(*ssh.Certificate); ok {
		if why := k.revokesKey(cert.SignatureKey); why != "" {
			return "the certificate's authority: " + why
		}
	}
	return ""
}

// revokesKey looks up key, or a certificate and its key, without its
// authority. krl.c: is_key_revoked.
func (k *KRL) revokesKey(key ssh.PublicKey) string {
	blob := Plain(key).Marshal()
	s1, s256 := sha1.Sum(blob), sha256.Sum256(blob)
	switch {
	case k.sha1s[string(s1[:])]:
		return "by its SHA1 hash"
	case k.sha256s[string(s256[:])]:
		return "by its SHA256 hash"
	case k.keys[string(blob)]:
		return "by its key"
	}
	cert, ok := key.(*ssh.Certificate)
	if !ok {
		return ""
	}
	for _, c := range k.certs {
		if c.ca != nil && !sameKey(c.ca, cert.SignatureKey) {
			continue
		}
		if why := c.revokes(cert); why != "" {
			return why
		}
	}
	return ""
}

func (c *krlCerts) revokes(cert *ssh.Certificate) string {
	if c.ids[cert.KeyId] {
		return fmt.Sprintf("by its key ID %q", cert.KeyId)
	}
	if cert.Serial == 0 {
		return ""
	}
	found := false
	for _, s := range c.ranges {
		found = found || s.lo <= cert.Serial && cert.Serial <= s.hi
	}
	for _, b := range c.bitmaps {
		found = found || b.has(cert.Serial)
	}
	if found {
		return fmt.Sprintf("by its serial %d", cert.Serial)
	}
	return ""
}
