package hostkey

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// TestArtIsThatOfKeygen compares fingerprints, sizes, types and pictures.
func TestArtIsThatOfKeygen(t *testing.T) {
	needOpenSSH(t)
	dir := t.TempDir()
	edBlob := reader{b: pub(t, "ed").Marshal()}
	edBlob.str()
	sk := ssh.Marshal(struct {
		Name, Point []byte
		App         string
	}{[]byte(ssh.KeyAlgoSKED25519), edBlob.str(), "ssh:"})
	ecBlob := reader{b: pub(t, "ec").Marshal()}
	ecBlob.str()
	ecBlob.str()
	skEC := ssh.Marshal(struct {
		Name, Curve, Point []byte
		App                string
	}{[]byte(ssh.KeyAlgoSKECDSA256), []byte("nistp256"), ecBlob.str(), "ssh:"})
	paths := map[string]string{}
	for _, name := range []string{"ed", "ec", "ec384", "ec521", "rsa", "rsa1024", "rsa3"} {
		paths[name] = pubFile(name)
		paths[name+"-cert"] = certify(t, "ca", name, "-h") + "-cert.pub"
	}
	paths["dsa"] = writeFile(t, filepath.Join(dir, "dsa.pub"), dsaKey+"\n")
	for name, blob := range map[string][]byte{"sk-ed": sk, "sk-ec": skEC} {
		key, err := ssh.ParsePublicKey(blob)
		if err != nil {
			t.Fatal(err)
		}
		paths[name] = writeFile(t, filepath.Join(dir, name+".pub"), string(ssh.MarshalAuthorizedKey(key)))
		mustKeygen(t, "-q", "-h", "-s", filepath.Join(keyDir(), "ca"), "-I", "x", paths[name])
		paths[name+"-cert"] = filepath.Join(dir, name+"-cert.pub")
	}
	for name, path := range paths {
		for _, hash := range []string{"sha256", "md5", "sha1", "sha384", "sha512"} {
			t.Run(name+" "+hash, func(t *testing.T) {
				out := strings.SplitN(strings.TrimSuffix(mustKeygen(t, "-lv", "-E", hash, "-f", path), "\n"), "\n", 2)
				key := pub(t, strings.TrimSuffix(path, ".pub"))
				if got := RandomArt(key, hash); got != out[1] {
					t.Errorf("got\n%s\nwant\n%s", got, out[1])
				}
				f := strings.Fields(out[0])
				if got := Fingerprint(key, hash); got != f[1] {
					t.Errorf("Fingerprint = %s, want %s", got, f[1])
				}
				if typ := "(" + TypeName(key) + ")"; typ != f[len(f)-1] {
					t.Errorf("TypeName = %s, want %s", typ, f[len(f)-1])
				}
			})
		}
	}
}
