package sshconfig

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// roundTrips is how many configurations TestEditsChangeNothingElse edits.
const roundTrips = 300

// someConfig makes a configuration as people have them.
type someConfig struct {
	*rand.Rand
	b     strings.Builder
	eol   string
	names []string
}

func (c *someConfig) pick(of ...string) string { return of[c.IntN(len(of))] }

// line writes a keyword in the file's manner, which may waver.
func (c *someConfig) line(indent, key, value string) {
	if c.IntN(5) == 0 {
		key = strings.ToLower(key)
	}
	separator := " "
	switch c.IntN(8) {
	case 0:
		separator = "="
	case 1:
		separator = " = "
	case 2:
		separator = "\t"
	case 3:
		separator = "      "
	}
	comment := ""
	if c.IntN(8) == 0 && !strings.HasSuffix(key, "ommand") {
		comment = c.pick(" # why", "\t# since 2019", "   #")
	}
	c.b.WriteString(indent + key + separator + value + comment + c.pick("", "", "", " ", "\t") + c.eol)
}

// text writes the configuration.
func (c *someConfig) text() string {
	c.eol = c.pick("\n", "\n", "\n", "\r\n")
	for i := range 3 + c.IntN(5) {
		c.names = append(c.names, fmt.Sprintf("%s%d", c.pick("web", "db", "gw", "build-", "n."), i))
	}
	c.filler()
	if c.IntN(4) == 0 {
		c.line("", "IgnoreUnknown", "UseKeychain,Foo*")
		c.line("", "UseKeychain", "yes")
	}
	if c.IntN(3) == 0 {
		c.line("", "Include", "config.d/*.conf")
	}
	indent := c.pick("", "  ", "    ", "\t", " \t ")
	for i, name := range c.names {
		patterns := name
		switch c.IntN(6) {
		case 0:
			patterns += c.pick(" ", "  ", "\t") + name + ".example.com"
		case 1:
			patterns = `"` + name + `"`
		case 2:
			patterns = name + "* !" + name + "x " + name
		}
		c.line(c.pick("", "", " "), "Host", patterns)
		for range c.IntN(7) {
			c.keyword(indent, i)
		}
		c.filler()
		if c.IntN(6) == 0 {
			c.line("", "Match", c.pick("all", "host *.example.com", "user root", "originalhost "+name+" exec true", "final"))
			c.keyword(indent, i)
		}
	}
	if c.IntN(2) == 0 {
		c.line("", "Host", "*")
		c.keyword(indent, 0)
		c.keyword(indent, 0)
	}
	text := c.b.String()
	if c.IntN(4) == 0 {
		text = strings.TrimRight(text, "\r\n")
	}
	return text
}

// keyword writes a line for host i, which jumps through earlier ones only.
func (c *someConfig) keyword(indent string, i int) {
	if c.IntN(9) == 0 {
		c.b.WriteString(c.pick("", indent, " ") + c.pick("# note", "#Port 1", "", "#") + c.eol)
	}
	if c.IntN(4) == 0 {
		indent = c.pick("", " ", "\t", "    ")
	}
	switch c.IntN(12) {
	case 0:
		c.line(indent, "HostName", c.pick("10.0.0.1", "h.example.com", "%h.lab", `"10.0.0.2"`))
	case 1:
		c.line(indent, "Port", c.pick("22", "2222", `"2200"`))
	case 2:
		c.line(indent, "User", c.pick("root", "alice", `"bob"`, `a\\b`))
	case 3:
		if i > 0 {
			c.line(indent, "ProxyJump", c.names[c.IntN(i)])
		}
	case 4:
		c.line(indent, "IdentityFile", c.pick("~/.ssh/id_a", `"~/.ssh/my key"`, "%d/.ssh/%r"))
	case 5:
		c.line(indent, "LocalForward", c.pick("8080 localhost:80", "127.0.0.1:8081 [::1]:81", "/tmp/a.sock /tmp/b.sock"))
	case 6:
		c.line(indent, "SetEnv", c.pick("A=b", `A="b c" D=e`))
	case 7:
		c.line(indent, "ProxyCommand", c.pick("nc %h %p # x", "ssh -W %h:%p gw", "none"))
	case 8:
		c.line(indent, "SendEnv", c.pick("LANG LC_*", "LANG"))
	case 9:
		c.line(indent, "Ciphers", c.pick("aes128-ctr,aes256-ctr", "+aes128-cbc", "-*cbc"))
	case 10:
		c.line(indent, "ServerAliveInterval", c.pick("30", "1m", "0"))
	case 11:
		c.line(indent, "ForwardAgent", c.pick("no", "yes"))
	}
}

func (c *someConfig) filler() {
	for range c.IntN(3) {
		c.b.WriteString(c.pick("", "", "# ---- section ----", "  # indented", "#Host gone", " ", "\t") + c.eol)
	}
}

// configDir is a directory with a configuration.
type configDir struct {
	t    *testing.T
	dir  string
	main string
}

func newConfigDir(t *testing.T, n int, hand []string) *configDir {
	t.Helper()
	c := &configDir{t: t, dir: t.TempDir()}
	c.main = filepath.Join(c.dir, "config")
	r := rand.New(rand.NewPCG(uint64(n), 7))
	text := ""
	if n < len(hand) {
		data, err := os.ReadFile(hand[n])
		if err != nil {
			t.Fatal(err)
		}
		text = string(data)
	} else {
		text = (&someConfig{Rand: r}).text()
	}
	c.write("config", strings.ReplaceAll(text, "config.d/", c.dir+"/config.d/"))
	c.write("config.d/one.conf", (&someConfig{Rand: r}).text())
	c.write("config.d/inner.inc", "User inner\nHost never\n  Port 4\n")
	return c
}

func (c *configDir) write(name, text string) {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

func (c *configDir) load() *Files {
	c.t.Helper()
	env := Env{Home: "/home/me", LocalUser: "me", UID: os.Getuid(), LocalHost: "here", SystemFile: c.dir + "/none"}
	f, err := Load(c.main, env)
	if err != nil {
		c.t.Fatal(err)
	}
	return f
}

// answers are what we make of hosts.
func (c *configDir) answers(hosts []string) map[string]string {
	files := c.load()
	out := map[string]string{}
	for _, h := range hosts {
		r, err := files.Resolve(c.t.Context(), Query{Host: h, PrintOnly: true})
		if err != nil {
			out[h] = "error" // the same whether lines moved or not
			continue
		}
		out[h] = r.dump()
	}
	return out
}

// sshAnswers are what ssh makes of them.
func (c *configDir) sshAnswers(hosts []string) map[string]string {
	out := map[string]string{}
	for _, h := range hosts {
		text, err := exec.Command("ssh", "-G", "-F", c.main, h).Output()
		out[h] = fmt.Sprint(string(text), err)
	}
	return out
}

// edits are what is done to a host of a document, each with how it is checked
// in the lines that go and come.
var edits = []struct {
	name  string
	do    func(d *Document, host string) error
	gone  func(shared bool) int // at most
	added func(shared bool, block int) int
}{
	{"port", func(d *Document, h string) error { return d.Set(h, []Setting{{"Port", []string{"4022"}}}) }, one, oneOrBlock},
	{"user", func(d *Document, h string) error { return d.Set(h, []Setting{{"User", []string{`"x y"`}}}) }, one, oneOrBlock},
	{"jump", func(d *Document, h string) error {
		return d.Set(h, []Setting{{"ProxyJump", []string{"other.example.net:23"}}})
	}, one, oneOrBlock},
	{"identity", func(d *Document, h string) error {
		e, err := d.Entry(h)
		if err != nil {
			return err
		}
		to := e
		to.Identities = append(slices.Clone(e.Identities), "~/.ssh/new key")
		settings, err := e.Changes(to)
		if err != nil {
			return err
		}
		return d.Set(h, settings)
	}, one, oneOrBlock},
	{"nothing", func(d *Document, h string) error {
		e, err := d.Entry(h)
		if err != nil {
			return err
		}
		settings, err := e.Settings()
		if err != nil {
			return err
		}
		settings = slices.DeleteFunc(settings, func(s Setting) bool { return strings.HasSuffix(s.Keyword, "Forward") })
		return d.Set(h, settings)
	}, none, func(bool, int) int { return 0 }},
	{"hostname out", func(d *Document, h string) error { return d.Set(h, []Setting{{"HostName", nil}}) }, func(bool) int { return 2 }, oneOrBlock},
	{"remove", func(d *Document, h string) error { return d.RemoveHost(h) }, func(bool) int { return 40 }, func(bool, int) int { return 4 }},
	{"add", func(d *Document, _ string) error {
		return d.AddBlock("added", []Setting{{"Port", []string{"4022"}}})
	}, none, func(bool, int) int { return 4 }},
}

func one(bool) int  { return 1 }
func none(bool) int { return 0 }
func oneOrBlock(shared bool, block int) int {
	if shared {
		return block + 3
	}
	return 1
}

// TestEditsChangeNothingElse edits 300 configurations, some of them written by
// hand, each in one way: no other byte changes, and the other hosts have what
// they had, for us and for ssh.
func TestEditsChangeNothingElse(t *testing.T) {
	requireSSH(t)
	hand, err := filepath.Glob("testdata/edit/*.conf")
	if err != nil || len(hand) == 0 {
		t.Fatal("no configurations", err)
	}
	hand = slices.Concat(slices.Repeat(hand, len(edits))) // each with every edit
	slices.Sort(hand)
	var group sync.WaitGroup
	defer group.Wait()
	slots := make(chan struct{}, 4)
	for n := range roundTrips {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			tryEdit(t, n, hand)
		})
	}
}

func tryEdit(t *testing.T, n int, hand []string) {
	edit := edits[n%len(edits)]
	c := newConfigDir(t, n, hand)
	blocks := slices.DeleteFunc(c.load().Hosts(), func(b HostBlock) bool { return b.File != c.main })
	if len(blocks) == 0 {
		t.Errorf("%d: no hosts", n)
		return
	}
	target := blocks[(n*7)%len(blocks)].Name
	others := []string{"other.example.com", "added.example.com", "web1x", "db-7"}
	for _, b := range c.load().Hosts() {
		if b.Name != target {
			others = append(others, b.Name)
		}
	}
	seen := others[n%4:][:2]
	if len(others) > 5 {
		seen = []string{others[n%4], others[4+n%(len(others)-4)]}
	}
	before, beforeSSH := c.answers(others), c.sshAnswers(seen)
	if before[others[0]] == "error" {
		t.Errorf("%d is no configuration", n)
	}

	d, err := OpenDraft(c.main)
	if err != nil {
		t.Error(err)
		return
	}
	was := d.String()
	found := d.hostLines(target)
	b := d.blockAt(found[0])
	shared := needsBlock(d.othersAt(found[0], target))
	if err := edit.do(d.Document, target); err != nil {
		t.Errorf("%d %s: %v\n%s", n, edit.name, err, was)
		return
	}
	if err := d.Save(); err != nil {
		t.Error(err)
		return
	}
	data, _ := os.ReadFile(c.main)
	// A last line without an end has one when another line follows.
	now := string(data)
	if strings.HasSuffix(was, "\n") != strings.HasSuffix(now, "\n") && now != "" {
		t.Errorf("%d %s: the file ended with %q, now with %q", n, edit.name, was[max(len(was)-3, 0):], now[max(len(now)-3, 0):])
	}
	end := "\n"
	if strings.Contains(was, "\r\n") {
		end = "\r\n"
	}
	gone, added := lineDifference(strings.TrimSuffix(was, end)+end, strings.TrimSuffix(now, end)+end)
	if len(gone) > edit.gone(shared) || len(added) > edit.added(shared, b.last-b.start+1) {
		t.Errorf("%d %s of %q: gone %q, added %q\n%s", n, edit.name, target, gone, added, was)
	}
	for _, other := range others {
		if after := c.answers([]string{other})[other]; after != before[other] {
			t.Errorf("%d %s of %q changed %s:\n%s\n%s", n, edit.name, target, other, lineDiff(before[other], after), was)
		}
	}
	for host, after := range c.sshAnswers(seen) {
		if after != beforeSSH[host] {
			t.Errorf("%d %s of %q changed %s for ssh:\n%s\n%s", n, edit.name, target, host, lineDiff(beforeSSH[host], after), was)
		}
	}
}

// lineDifference lists lines that are in one text and not in the other, as
// diff does: the longest common part, in order, stays.
func lineDifference(before, after string) (gone, added []string) {
	a, b := slices.Collect(strings.Lines(before)), slices.Collect(strings.Lines(after))
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			i, j = i+1, j+1
		case j == len(b) || (i < len(a) && common[i+1][j] >= common[i][j+1]):
			gone = append(gone, a[i])
			i++
		default:
			added = append(added, b[j])
			j++
		}
	}
	return gone, added
}
