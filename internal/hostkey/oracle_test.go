package hostkey

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

var (
	foundAt     = regexp.MustCompile(`Found (?:CA )?key in (\S+):(\d+)`)
	offendingAt = regexp.MustCompile(`Offending \S+ key in (\S+):(\d+)`)
	proposal    = regexp.MustCompile(`debug2: host key algorithms: (\S+)`)
)

// wantVerdict is what the stock client says.
type wantVerdict struct {
	status Status
	at     string // file:line that it names
	ca     bool
	bare   bool
	algos  []string
}

func classify(t *testing.T, out string) wantVerdict {
	t.Helper()
	var w wantVerdict
	if m := proposal.FindStringSubmatch(out); m != nil {
		w.algos = strings.Split(m[1], ",")
	}
	w.bare = strings.Contains(out, "found matching key w/out port")
	at := func(re *regexp.Regexp) string {
		if all := re.FindAllStringSubmatch(out, -1); all != nil {
			m := all[len(all)-1]
			return m[1] + ":" + m[2]
		}
		return ""
	}
	switch {
	case strings.Contains(out, "REVOKED HOST KEY"), strings.Contains(out, "revoked by file"):
		w.status = Revoked
	case strings.Contains(out, "HOST IDENTIFICATION HAS CHANGED"):
		w.status, w.at = Changed, at(offendingAt)
	case strings.Contains(out, "host key is known for"):
		w.status = Unknown
	case strings.Contains(out, "is known and matches the"):
		w.status, w.at = Known, at(foundAt)
		w.ca = strings.Contains(out[strings.LastIndex(out, "is known and matches the"):], "host certificate.")
	case strings.Contains(out, "Error checking host key"):
	case strings.Contains(out, "Host key verification failed"):
		w.status = Unknown // unknown, and it cannot be recorded
	default:
		t.Fatalf("unclear answer of ssh:\n%s", out)
	}
	return w
}

// trial is one host with one key, and what is in the files about it.
type trial struct {
	key     string // of keyDir, or a path
	cert    bool   // the server has a certificate for it
	name    string // host.example when empty
	port    int    // 22 when 0
	alias   string
	user    []string // contents of the user's files
	global  string
	revoked string   // content of RevokedHostKeys, none when empty
	command string   // what KnownHostsCommand prints, none when empty
	args    []string // more options for ssh
	cfg     func(*Config)
}

// run asks the stock client and the Store, and compares.
func (tr trial) run(t *testing.T) Verdict {
	t.Helper()
	dir := t.TempDir()
	var cfg Config
	for i, text := range tr.user {
		cfg.UserFiles = append(cfg.UserFiles, writeFile(t, filepath.Join(dir, "user"+strconv.Itoa(i)), text))
	}
	cfg.GlobalFiles = []string{writeFile(t, filepath.Join(dir, "global"), tr.global)}
	name, port := tr.name, tr.port
	if name == "" {
		name = "host.example"
	}
	if port == 0 {
		port = 22
	}
	files := "none"
	if len(cfg.UserFiles) > 0 {
		files = strings.Join(cfg.UserFiles, " ")
	}
	args := []string{
		"-vv", "-oProxyCommand=" + sshdFor(t, tr.key, tr.cert), "-oStrictHostKeyChecking=yes",
		"-oPreferredAuthentications=none", "-p", strconv.Itoa(port),
		"-oUserKnownHostsFile=" + files, "-oGlobalKnownHostsFile=" + cfg.GlobalFiles[0],
	}
	h := Host{Name: asciiLower(name), Port: port}
	if tr.alias != "" {
		args = append(args, "-oHostKeyAlias="+tr.alias)
		h = Host{Name: tr.alias}
	}
	if tr.revoked != "" {
		file := writeFile(t, filepath.Join(dir, "revoked"), tr.revoked)
		cfg.RevokedFiles = []string{file}
		args = append(args, "-oRevokedHostKeys="+file)
	}
	if tr.command != "" {
		path := writeFile(t, filepath.Join(dir, "command"), tr.command)
		args = append(args, "-oKnownHostsCommand=/bin/cat "+path)
		cfg.Command = func(context.Context, string, ssh.PublicKey) ([]byte, error) { return os.ReadFile(path) }
	}
	if tr.cfg != nil {
		tr.cfg(&cfg)
	}
	out := runSSH(t, append(append(args, tr.args...), "--", name)...)
	return tr.compare(t, New(cfg), h, classify(t, out), out)
}

func (tr trial) compare(t *testing.T, s *Store, h Host, want wantVerdict, out string) Verdict {
	t.Helper()
	algos, err := s.Algorithms(t.Context(), h, defaultAlgorithms(t))
	if err != nil {
		t.Fatal(err)
	}
	if want.algos != nil && !slices.Equal(algos, want.algos) {
		t.Errorf("Algorithms:\n got %q\nwant %q", algos, want.algos)
	}
	got, err := s.Check(t.Context(), h, tr.presented(t, algos))
	if want.status == 0 {
		if err == nil {
			t.Errorf("Check gave %v, ssh an error", got)
		}
		return got
	}
	if err != nil {
		t.Fatalf("Check: %v; ssh:\n%s", err, out)
	}
	at := ""
	switch got.Status {
	case Known:
		at = fmt.Sprintf("%s:%d", got.Matches[0].File, got.Matches[0].Number)
	case Changed:
		last := got.Matches[len(got.Matches)-1]
		at = fmt.Sprintf("%s:%d", last.File, last.Number)
	}
	if got.Status != want.status || at != want.at || got.CA != want.ca || got.WithoutPort != want.bare {
		t.Errorf("got %v at %s (CA %v, without port %v, reason %q), want %+v; ssh:\n%.1500s",
			got.Status, at, got.CA, got.WithoutPort, got.Reason, want, out[max(strings.Index(out, "debug1: Server host"), 0):])
	}
	return got
}

// presented is the key or certificate that a server with tr's would present.
func (tr trial) presented(t *testing.T, algos []string) ssh.PublicKey {
	t.Helper()
	key := pub(t, tr.key)
	if !tr.cert {
		return key
	}
	cert := pub(t, tr.key+"-cert")
	for _, a := range algos {
		switch keyFormat(a) {
		case cert.Type():
			return cert
		case key.Type():
			return key
		}
	}
	return cert
}

// defaultAlgorithms is the stock client's HostKeyAlgorithms.
func defaultAlgorithms(t *testing.T) []string {
	t.Helper()
	out := runSSHG(t)
	for line := range strings.Lines(out) {
		if list, ok := strings.CutPrefix(line, "hostkeyalgorithms "); ok {
			return strings.Split(strings.TrimSpace(list), ",")
		}
	}
	t.Fatal("ssh -G has no hostkeyalgorithms")
	return nil
}

func TestVerdictsAreThoseOfSSH(t *testing.T) {
	needOpenSSH(t)
	ed, ed2, ec, rsa := keyText(t, "ed"), keyText(t, "ed2"), keyText(t, "ec"), keyText(t, "rsa")
	host, h2222 := "host.example ", "[host.example]:2222 "
	hashed := hashName("host.example") + " "
	files := func(s ...string) []string { return s }
	for name, tr := range map[string]trial{
		"plain":                   {key: "ed", user: files(host + ed + "\n")},
		"no file":                 {key: "ed", user: files("")},
		"no user file":            {key: "ed"},
		"no final newline":        {key: "ed", user: files("# c\n\n" + host + ed)},
		"comment, CRLF":           {key: "ed", user: files("x y\r\n" + host + ed + " a comment\r\n")},
		"CRLF without comment":    {key: "ec", user: files(host + ec + "\r\n")},
		"upper case":              {key: "ed", name: "HOST.Example", user: files("hOST.eXAMPLE " + ed + "\n")},
		"leading blanks":          {key: "ed", user: files(" \t " + host + "\t " + ed + "\n")},
		"list":                    {key: "ed", user: files("a,b,host.example,c " + ed + "\n")},
		"pattern":                 {key: "ed", user: files("*.exampl? " + ed + "\n")},
		"negated":                 {key: "ed", user: files("*.example,!host.* " + ed + "\n")},
		"negated first":           {key: "ed", user: files("!host.*,*.example " + ed + "\n")},
		"negated other":           {key: "ed", user: files("!other.*,*.example " + ed + "\n")},
		"empty pattern":           {key: "ed", user: files(",,host.example " + ed + "\n")},
		"long pattern":            {key: "ed", user: files("host.example," + strings.Repeat("x", 1023) + " " + ed + "\n")},
		"almost too long pattern": {key: "ed", user: files("host.example," + strings.Repeat("x", 1022) + " " + ed + "\n")},
		"hashed":                  {key: "ed", user: files(hashed + ed + "\n")},
		"hashed list":             {key: "ed", user: files(strings.TrimSpace(hashed) + ",host.example " + ed + "\n")},
		"hashed, bad magic":       {key: "ed", user: files("|2|" + hashed[3:] + ed + "\n" + host + ed2 + "\n")},
		"changed":                 {key: "ed", user: files(host + ed2 + "\n")},
		"changed, other type":     {key: "ed", user: files(host + ec + "\n" + host + rsa + "\n")},
		"changed hashed":          {key: "ed", user: files("\n\n" + hashed + ed2 + "\n")},
		"two keys, second fits":   {key: "ed", user: files(host + ed2 + "\n" + host + ed + "\n")},
		"second file":             {key: "ed", user: files("", host+ed+"\n")},
		"changed in two files":    {key: "ed", user: files(host+ed2+"\n", host+ec+"\n")},
		"global":                  {key: "ed", user: files(""), global: host + ed + "\n"},
		"user other, global this": {key: "ed", user: files(host + ed2 + "\n"), global: host + ed + "\n"},
		"port":                    {key: "ed", port: 2222, user: files(h2222 + ed + "\n")},
		"port, plain name":        {key: "ed", port: 2222, user: files(host + ed + "\n")},
		"port, plain name other":  {key: "ed", port: 2222, user: files(host + ed2 + "\n")},
		"port changed, name fits": {key: "ed", port: 2222, user: files(h2222 + ed2 + "\n" + host + ed + "\n")},
		"port 22 as [name]:22":    {key: "ed", user: files("[host.example]:22 " + ed + "\n")},
		"pattern with port":       {key: "ed", port: 2222, user: files("[*.example]:2222 " + ed + "\n")},
		"star takes port":         {key: "ed", port: 2222, user: files("* " + ed + "\n")},
		"wrong port":              {key: "ed", port: 2222, user: files("[host.example]:2223 " + ed + "\n")},
		"alias":                   {key: "ed", alias: "other", port: 2222, user: files("other " + ed + "\n")},
		"alias, name known":       {key: "ed", alias: "other", user: files(host + ed + "\n")},
		"revoked":                 {key: "ed", user: files("@revoked * " + ed + "\n" + host + ed + "\n")},
		"revoked after":           {key: "ed", user: files(host + ed + "\n@revoked host.example " + ed + "\n")},
		"revoked for another":     {key: "ed", user: files(host + ed + "\n@revoked other " + ed + "\n")},
		"revoked global":          {key: "ed", user: files(host + ed + "\n"), global: "@revoked * " + ed + "\n"},
		"revoked other key":       {key: "ed", user: files("@revoked * " + ed2 + "\n")},
		"revoked known type":      {key: "ed", user: files("@revoked * " + ec + "\n" + host + ec + "\n" + host + ed + "\n")},
		"unknown marker":          {key: "ed", user: files("@other host.example " + ed2 + "\n" + host + ed + "\n")},
		"two markers":             {key: "ed", user: files("@revoked @cert-authority host.example " + ed + "\n" + host + ed + "\n")},
		"CA marker, plain key":    {key: "ed", user: files("@cert-authority host.example " + ed + "\n")},
		"marker only":             {key: "ed", user: files("@revoked\n" + host + ed + "\n")},
		"truncated":               {key: "ed", user: files("host.example\nhost.example ssh-ed25519\n" + host + ed[:40] + "\n" + host + ed + "\n")},
		"no key but comment":      {key: "ed", user: files("host.example # ssh-ed25519\n" + host + ed + "\n")},
		"wrong type":              {key: "ed", user: files(host + "ssh-rsa " + strings.Fields(ed)[1] + "\n")},
		"unknown type":            {key: "ed", user: files(host + "ssh-future AAAA\n" + host + ed + "\n")},
		"RSA as rsa-sha2-512":     {key: "rsa", user: files(host + "rsa-sha2-512 " + strings.Fields(rsa)[1] + "\n")},
		"bad base64":              {key: "ed", user: files(host + strings.Replace(ed, "AAAAC3", "AA!AC3", 1) + "\n" + host + ed2 + "\n")},
		"unpadded base64":         {key: "ec", user: files(host + strings.TrimRight(ec, "=") + "\n")},
		"NUL":                     {key: "ed", user: files(host + "\x00" + ed + "\n" + "host.example\x00 x\n" + host + ed + "\x00garbage\n")},
		"NUL cuts the key":        {key: "ed", user: files(host + ed2[:30] + "\x00" + ed2[30:] + "\n")},
		"huge line":               {key: "ed", user: files(strings.Repeat("x", 1<<20) + "\n" + host + ed + "\n")},
		"garbage":                 {key: "ed", user: files("\xff\xfe\x00\x01\n|1|\n|\n,\n!\n@\n@ \n" + host + ed + "\n")},
		"certificate as key":      {key: "ed", user: files(host + certText(t, "ca", "ed") + "\n")},
		"RSA of 1024 bits listed": {key: "ed", user: files(host + keyText(t, "rsa1024") + "\n" + host + ec + "\n")},
		"DSA listed":              {key: "ed", user: files(host + dsaKey + "\n")},
		"small RSA listed":        {key: "ed", user: files(host + smallRSA + "\n")},
		"command":                 {key: "ec", user: files(""), command: "# c\n" + host + ec + "\n"},
		"command, no user file":   {key: "ec", command: host + ec + "\n"},
		"command and file":        {key: "ec", user: files(host + ec + "\n"), command: host + ec + "\n"},
		"command says otherwise":  {key: "ec", user: files(host + ed + "\n"), command: host + ec + "\n"},
		"command changed":         {key: "ec", user: files(host + ed + "\n"), command: host + rsa + "\n"},
		"command revokes":         {key: "ec", user: files(host + ec + "\n"), command: "@revoked * " + ec + "\n"},
		"command with port":       {key: "ec", port: 2222, user: files(""), command: h2222 + ec + "\n"},
		"command, plain name":     {key: "ec", port: 2222, user: files(""), command: host + ec + "\n"},
		"RSA, odd exponent":       {key: "ed", user: files(host + oddRSA(t) + "\n")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr.run(t)
		})
	}
}

func TestCertificateVerdictsAreThoseOfSSH(t *testing.T) {
	needOpenSSH(t)
	ed, ed2, ca, ca2 := keyText(t, "ed"), keyText(t, "ed2"), keyText(t, "ca"), keyText(t, "ca2")
	good := certify(t, "ca", "ed", "-h", "-n", "host.example", "-z", "7")
	files := func(s ...string) []string { return s }
	trust := "@cert-authority *.example " + ca + "\n"
	for name, tr := range map[string]trial{
		"good":                   {key: good, user: files(trust)},
		"hashed authority":       {key: good, user: files("@cert-authority " + hashName("host.example") + " " + ca + "\n")},
		"other authority":        {key: good, user: files("@cert-authority *.example " + ca2 + "\n")},
		"authority elsewhere":    {key: good, user: files("@cert-authority *.org " + ca + "\n")},
		"authority as plain key": {key: good, user: files("*.example " + ca + "\n")},
		"tab after marker":       {key: good, user: files("@cert-authority\t*.example " + ca + "\n")},
		"tabs only":              {key: good, user: files("@cert-authority\t*.example\t" + strings.ReplaceAll(ca, " ", "\t") + "\n")},
		"plain key known":        {key: good, user: files("host.example " + ed + "\n")},
		"plain key changed":      {key: good, user: files("host.example " + ed2 + "\n")},
		"both known":             {key: good, user: files("host.example " + ed + "\n" + trust)},
		"CA, plain changed":      {key: good, user: files("host.example " + ed2 + "\n" + trust)},
		"revoked authority":      {key: good, user: files(trust + "@revoked * " + ca + "\n")},
		"revoked key":            {key: good, user: files(trust + "@revoked * " + ed + "\n")},
		"revoked, no authority":  {key: good, user: files("@revoked * " + ca + "\nhost.example " + ed + "\n")},
		"revoked certificate":    {key: good, user: files(trust + "@revoked * " + certText(t, "ca", "ed") + "\n")},
		"port":                   {key: good, port: 2222, user: files("@cert-authority [*.example]:2222 " + ca + "\n")},
		"port, plain pattern":    {key: good, port: 2222, user: files("@cert-authority host.example " + ca + "\n")},
		"port, plain name known": {key: good, port: 2222, user: files("host.example " + ed + "\n")},
		"alias":                  {key: good, alias: "Alias", user: files("@cert-authority alias " + ca + "\n")},
		"alias is principal":     {key: good, name: "other", alias: "host.example", user: files(trust)},
		"CA algorithm":           {key: good, user: files(trust), args: []string{"-oCASignatureAlgorithms=ecdsa-sha2-nistp256"}, cfg: caAlgorithms("ecdsa-sha2-nistp256")},
		"user certificate":       {key: certify(t, "ca", "ed", "-n", "host.example"), user: files(trust)},
		"no principals":          {key: certify(t, "ca", "ed", "-h"), user: files(trust)},
		"wrong principal":        {key: certify(t, "ca", "ed", "-h", "-n", "foo"), user: files(trust)},
		"wildcard principal":     {key: certify(t, "ca", "ed", "-h", "-n", "*.example"), user: files(trust)},
		"wrong but key known":    {key: certify(t, "ca", "ed", "-h", "-n", "foo"), user: files(trust + "host.example " + ed + "\n")},
		"not yet valid":          {key: certify(t, "ca", "ed", "-h", "-V", "20990101:21000101"), user: files(trust)},
		"expired":                {key: certify(t, "ca", "ed", "-h", "-V", "19800101:19900101"), user: files(trust)},
		"valid now":              {key: certify(t, "ca", "ed", "-h", "-V", "-1w:+2w"), user: files(trust)},
		"critical option":        {key: certify(t, "ca", "ed", "-h", "-O", "critical:x@y=z"), user: files(trust)},
		"extension":              {key: certify(t, "ca", "ed", "-h", "-O", "extension:x@y=z"), user: files(trust)},
		"RSA signed by ECDSA":    {key: certify(t, "ca2", "rsa", "-h", "-n", "host.example"), user: files("@cert-authority * " + ca2 + "\n")},
		"ECDSA signed by RSA":    {key: certify(t, "rsa", "ec", "-h", "-n", "host.example"), user: files("@cert-authority * " + keyText(t, "rsa") + "\n")},
		"text: key revoked":      {key: good, user: files(trust), revoked: "# x\n\n" + ed2 + "\n" + ed + "\n"},
		"text: CA revoked":       {key: good, user: files(trust), revoked: ca + " comment\n"},
		"text: cert revoked":     {key: good, user: files(trust), revoked: certText(t, "ca", "ed") + "\n"},
		"text: not revoked":      {key: good, user: files(trust), revoked: ed2 + "\n" + smallRSA + "\n"},
		"text: garbage":          {key: good, user: files(trust), revoked: ed2 + "\ngarbage\n"},
		"text: match, garbage":   {key: good, user: files(trust), revoked: ed + "\ngarbage\n"},
		"text: CRLF":             {key: good, user: files(trust), revoked: ed2 + "\r\n" + ed + "\r\n"},
		"text: blank CRLF line":  {key: good, user: files(trust), revoked: ed2 + "\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr.cert = true
			tr.run(t)
		})
	}
}

func caAlgorithms(list ...string) func(*Config) {
	return func(c *Config) { c.CASignatureAlgorithms = list }
}

// TestRandomKnownHostsAgainstSSH builds known_hosts files from pieces that get
// on badly with each other.
func TestRandomKnownHostsAgainstSSH(t *testing.T) {
	needOpenSSH(t)
	if testing.Short() {
		t.Skip("many runs of ssh")
	}
	n := 60
	if v, err := strconv.Atoi(os.Getenv("HOSTKEY_TRIALS")); err == nil {
		n = v
	}
	cert := certify(t, "ca", "ed", "-h", "-n", "host.example")
	names := []string{"host.example", "*", "*.example", "!host.example", "other", "[host.example]:2222", "[*]:2222", "HOST.EXAMPLE", "?ost.example", "", hashName("host.example"), hashName("[host.example]:2222"), "|1|x|y"}
	keys := []string{keyText(t, "ed"), keyText(t, "ed"), keyText(t, "ed2"), keyText(t, "ec"), keyText(t, "rsa"), keyText(t, "ca"), keyText(t, "ca"), "ssh-ed25519 AAAA", "x", ""}
	marks := []string{"", "", "", "", "@cert-authority ", "@revoked ", "@x ", " "}
	for i := range n {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(uint64(i), 1))
			pick := func(from []string) string { return from[r.IntN(len(from))] }
			text := func() string {
				var b strings.Builder
				for range 1 + r.IntN(3) {
					line := pick(names)
					for r.IntN(3) == 0 {
						line += "," + pick(names[:9])
					}
					b.WriteString(pick(marks) + line + " " + pick(keys) + pick([]string{"\n", "\n", " c\n", "\r\n"}))
				}
				return b.String()
			}
			tr := trial{key: cert, cert: r.IntN(2) == 0, user: []string{text(), text()}, global: text()}
			if r.IntN(2) == 0 {
				tr.port = 2222
			}
			if bareRevoked(tr) {
				t.Skip("differs on purpose")
			}
			tr.run(t)
			if t.Failed() {
				t.Logf("user %q global %q", tr.user, tr.global)
			}
		})
	}
}

// bareRevoked tells the one case in which a verdict is not OpenSSH's.
func bareRevoked(tr trial) bool {
	all := strings.Join(append(tr.user, tr.global), "")
	return tr.port != 0 && strings.Contains(all, "@revoked")
}

// certText is a host certificate for a key as known_hosts would hold it.
func certText(t testing.TB, ca, name string) string {
	return keyText(t, certify(t, ca, name, "-h")+"-cert")
}
