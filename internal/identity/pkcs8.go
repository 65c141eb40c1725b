package identity

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"hash"

	"golang.org/x/crypto/pbkdf2"
	"golang.org/x/crypto/scrypt"
)

// Object identifiers of RFC 8018 appendix C, RFC 7914 §7 and NIST.
const (
	oidPBES2  = "1.2.840.113549.1.5.13"
	oidPBKDF2 = "1.2.840.113549.1.5.12"
	oidScrypt = "1.3.6.1.4.1.11591.4.11"
)

var pkcs8PRFs = map[string]func() hash.Hash{
	"":                    sha1.New, // RFC 8018: the default
	"1.2.840.113549.2.7":  sha1.New,
	"1.2.840.113549.2.8":  sha256.New224,
	"1.2.840.113549.2.9":  sha256.New,
	"1.2.840.113549.2.10": sha512.New384,
	"1.2.840.113549.2.11": sha512.New,
}

type pkcs8Cipher struct {
	key int // bytes
	new func([]byte) (cipher.Block, error)
}

var pkcs8Ciphers = map[string]pkcs8Cipher{
	"1.2.840.113549.3.7":      {24, des.NewTripleDESCipher},
	"2.16.840.1.101.3.4.1.2":  {16, aes.NewCipher},
	"2.16.840.1.101.3.4.1.22": {24, aes.NewCipher},
	"2.16.840.1.101.3.4.1.42": {32, aes.NewCipher},
}

// Bounds on the work that a file can ask for.
const (
	maxPBKDF2Rounds = 100_000_000
	maxScryptMemory = 1 << 30 // bytes
)

// decryptPKCS8 returns the PrivateKeyInfo inside an EncryptedPrivateKeyInfo
// that uses PBES2. RFC 5958 §3, RFC 8018 §6.2
func decryptPKCS8(der, passphrase []byte) ([]byte, error) {
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	if err := unmarshalDER(der, &info); err != nil {
		return nil, err
	}
	if scheme := info.Algorithm.Algorithm.String(); scheme != oidPBES2 {
		return nil, fmt.Errorf("%w: encryption scheme %s is not PBES2", ErrInvalidFormat, scheme)
	}
	var params struct{ KDF, Cipher pkix.AlgorithmIdentifier }
	if err := unmarshalDER(info.Algorithm.Parameters.FullBytes, &params); err != nil {
		return nil, err
	}
	c, ok := pkcs8Ciphers[params.Cipher.Algorithm.String()]
	if !ok {
		return nil, fmt.Errorf("%w: unknown cipher %s", ErrInvalidFormat, params.Cipher.Algorithm)
	}
	var iv []byte
	if err := unmarshalDER(params.Cipher.Parameters.FullBytes, &iv); err != nil {
		return nil, err
	}
	if len(passphrase) == 0 {
		return nil, ErrWrongPassphrase
	}
	key, err := pkcs8Key(params.KDF, passphrase, c.key)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	return decryptPadded(c, key, iv, info.Data)
}

// pkcs8Key derives a key of the given length.
func pkcs8Key(kdf pkix.AlgorithmIdentifier, passphrase []byte, length int) ([]byte, error) {
	switch kdf.Algorithm.String() {
	case oidPBKDF2:
		var p struct {
			Salt   []byte
			Rounds int
			Length int                      `asn1:"optional"`
			PRF    pkix.AlgorithmIdentifier `asn1:"optional"`
		}
		if err := unmarshalDER(kdf.Parameters.FullBytes, &p); err != nil {
			return nil, err
		}
		prf, ok := pkcs8PRFs[p.PRF.Algorithm.String()]
		if !ok || p.Rounds < 1 || p.Rounds > maxPBKDF2Rounds {
			return nil, fmt.Errorf("%w: PBKDF2 with function %q and %d rounds", ErrInvalidFormat, p.PRF.Algorithm, p.Rounds)
		}
		return pbkdf2.Key(passphrase, p.Salt, p.Rounds, length, prf), nil
	case oidScrypt:
		var p struct {
			Salt    []byte
			N, R, P int
			Length  int `asn1:"optional"`
		}
		if err := unmarshalDER(kdf.Parameters.FullBytes, &p); err != nil {
			return nil, err
		}
		if p.N < 1 || p.R < 1 || p.P < 1 || p.P > 64 || p.R > 1<<10 || p.N > maxScryptMemory/128/p.R {
			return nil, fmt.Errorf("%w: scrypt with N=%d r=%d p=%d", ErrInvalidFormat, p.N, p.R, p.P)
		}
		key, err := scrypt.Key(passphrase, p.Salt, p.N, p.R, p.P, length)
		if err != nil {
			return nil, fmt.Errorf("%w: %v", ErrInvalidFormat, err)
		}
		return key, nil
	}
	return nil, fmt.Errorf("%w: unknown key derivation %s", ErrInvalidFormat, kdf.Algorithm)
}

// decryptPadded decrypts in CBC mode and takes off the padding, whose shape
// shows most wrong passphrases. RFC 8018 §6.1.1
func decryptPadded(c pkcs8Cipher, key, iv, data []byte) ([]byte, error) {
	b, err := c.new(key)
	if err != nil {
		return nil, err
	}
	size := b.BlockSize()
	if len(iv) != size || len(data) == 0 || len(data)%size != 0 {
		return nil, fmt.Errorf("%w: encrypted part has %d bytes", ErrInvalidFormat, len(data))
	}
	out := make([]byte, len(data))
	cipher.NewCBCDecrypter(b, iv).CryptBlocks(out, data)
	pad := int(out[len(out)-1])
	if pad < 1 || pad > size {
		return nil, ErrWrongPassphrase
	}
	good := 1
	for _, p := range out[len(out)-pad:] {
		good &= subtle.ConstantTimeByteEq(p, byte(pad))
	}
	if good != 1 {
		return nil, ErrWrongPassphrase
	}
	return out[:len(out)-pad], nil
}

func unmarshalDER(der []byte, into any) error {
	rest, err := asn1.Unmarshal(der, into)
	if err != nil {
		return fmt.Errorf("%w: %v", ErrInvalidFormat, err)
	}
	if len(rest) > 0 {
		return fmt.Errorf("%w: trailing data", ErrInvalidFormat)
	}
	return nil
}
