package sshconfig

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Entry is what a Host block says of a host, as far as Sallyport's verbs and
// forms write it. Zero values are not said.
type Entry struct {
	HostName string   `json:"hostname,omitempty"`
	Port     int      `json:"port,omitempty"`
	User     string   `json:"user,omitempty"`
	Jump     []string `json:"jump,omitempty"` // hops in order, or "none" alone
	// Alternates are further addresses: host, host:port, v6 or [v6]:port.
	Alternates []string `json:"alternates,omitempty"`
	Identities []string `json:"identities,omitempty"`
	// Local, Remote and Dynamic are forwards as "ssh -L", "-R" and "-D" take them.
	Local   []string `json:"local_forwards,omitempty"`
	Remote  []string `json:"remote_forwards,omitempty"`
	Dynamic []string `json:"dynamic_forwards,omitempty"`
	Tags    []string `json:"tags,omitempty"`
}

// Settings are the lines that say the entry, those that Sallyport alone
// understands last.
func (e Entry) Settings() ([]Setting, error) {
	var out []Setting
	for _, f := range e.fields() {
		s, err := f.setting()
		if err != nil {
			return nil, err
		}
		if len(s.Values) > 0 {
			out = append(out, s)
		}
	}
	return out, nil
}

// Changes are the settings that make a block that says e say to; what both
// leave unsaid is not touched.
func (e Entry) Changes(to Entry) ([]Setting, error) {
	old, wanted := e.fields(), to.fields()
	var out []Setting
	for i, f := range wanted {
		if slices.Equal(old[i].values, f.values) {
			continue
		}
		s, err := f.setting()
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// entryField is one keyword of an Entry.
type entryField struct {
	kw     keyword
	name   string // as written
	values []string
	form   fieldForm
}

// fieldForm is how values become lines.
type fieldForm int

const (
	formWord    fieldForm = iota // one quoted argument a line
	formJump                     // one line, hops parted by commas
	formOneLine                  // one line of quoted arguments
	formForward                  // listen and target, a line each
)

// fields lists what an entry can say.
func (e Entry) fields() []entryField {
	one := func(s string) []string {
		if s == "" {
			return nil
		}
		return []string{s}
	}
	port := ""
	if e.Port != 0 {
		port = strconv.Itoa(e.Port)
	}
	return []entryField{
		{kwHostName, "HostName", one(e.HostName), formWord},
		{kwUser, "User", one(e.User), formWord},
		{kwPort, "Port", one(port), formWord},
		{kwProxyJump, "ProxyJump", e.Jump, formJump},
		{kwIdentityFile, "IdentityFile", e.Identities, formWord},
		{kwLocalForward, "LocalForward", e.Local, formForward},
		{kwRemoteForward, "RemoteForward", e.Remote, formForward},
		{kwDynamicForward, "DynamicForward", e.Dynamic, formForward},
		{kwAlternateAddress, "AlternateAddress", e.Alternates, formOneLine},
		{kwTags, "Tags", e.Tags, formOneLine},
	}
}

// setting writes a field's lines.
func (f *entryField) setting() (Setting, error) {
	s := Setting{Keyword: f.name}
	if len(f.values) == 0 {
		return s, nil
	}
	for _, v := range f.values {
		if v == "" || strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return s, fmt.Errorf("%s %q: a value must be text in one line", f.name, v)
		}
	}
	switch f.form {
	case formJump:
		s.Values = []string{strings.Join(f.values, ",")}
	case formOneLine:
		quoted := make([]string, len(f.values))
		for i, v := range f.values {
			quoted[i] = Quote(v)
		}
		s.Values = []string{strings.Join(quoted, " ")}
	case formForward:
		for _, v := range f.values {
			line, err := forwardLine(v, f.kw)
			if err != nil {
				return s, err
			}
			s.Values = append(s.Values, line)
		}
	default:
		for _, v := range f.values {
			s.Values = append(s.Values, Quote(v))
		}
	}
	return s, s.check()
}

// forwardLine turns the argument of "ssh -L" into what LocalForward takes.
func forwardLine(spec string, kw keyword) (string, error) {
	dynamic, remote := kw == kwDynamicForward, kw == kwRemoteForward
	env := Env{Getenv: func(string) (string, bool) { return "", false }, LookupService: lookupService}
	f, ok := parseForward(spec, dynamic, remote, &env)
	if !ok && remote {
		f, ok = parseForward(spec, true, remote, &env)
	}
	if !ok {
		return "", fmt.Errorf("%q is no forward: [listen:]port:host:hostport is one", spec)
	}
	listen, target := f.listen(), ""
	if f.hasHost && !strings.Contains(f.ListenHost, ":") {
		listen = f.ListenHost + ":" + strconv.Itoa(f.ListenPort)
	}
	if f.dynamic {
		return Quote(listen), nil
	}
	target = f.connect()
	if f.ConnectPath == "" && !strings.Contains(f.ConnectHost, ":") {
		target = f.ConnectHost + ":" + strconv.Itoa(f.ConnectPort)
	}
	return Quote(listen) + " " + Quote(target), nil
}

// Entry reads what a host's first block says.
func (d *Document) Entry(name string) (Entry, error) {
	found := d.hostLines(name)
	if len(found) == 0 {
		return Entry{}, fmt.Errorf("%s: %w", name, ErrNoBlock)
	}
	var e Entry
	b := d.blockAt(found[0])
	seen := map[keyword]bool{}
	for i := b.start + 1; i <= b.last; i++ {
		l := &d.lines[i]
		if seen[l.kw] && !l.kw.addsUp() {
			continue
		}
		seen[l.kw] = true
		e.take(l)
	}
	return e, nil
}

// take reads one line.
func (e *Entry) take(l *textLine) {
	args := l.args()
	word := ""
	if len(args) > 0 {
		word = args[0]
	}
	switch l.kw {
	case kwHostName:
		e.HostName = word
	case kwUser:
		e.User = word
	case kwPort:
		e.Port, _ = strconv.Atoi(word)
	case kwProxyJump:
		e.Jump = strings.Split(l.given(), ",")
	case kwIdentityFile:
		e.Identities = append(e.Identities, word)
	case kwLocalForward:
		e.Local = append(e.Local, strings.Join(args, ":"))
	case kwRemoteForward:
		e.Remote = append(e.Remote, strings.Join(args, ":"))
	case kwDynamicForward:
		e.Dynamic = append(e.Dynamic, strings.Join(args, ":"))
	case kwAlternateAddress:
		e.Alternates = append(e.Alternates, args...)
	case kwTags:
		e.Tags = append(e.Tags, args...)
	}
}

// Single are the settings of which ssh takes the first that it reads.
func (e Entry) Single() []Setting {
	var out []Setting
	for _, f := range e.fields() {
		if f.kw.addsUp() || len(f.values) == 0 {
			continue
		}
		if s, err := f.setting(); err == nil {
			out = append(out, s)
		}
	}
	return out
}

// CheckBlock reports what ssh would not read of a host's block, by itself.
func CheckBlock(name string, settings []Setting) error {
	d := ParseDocument("")
	if err := d.AddBlock(name, settings); err != nil {
		return err
	}
	const file = "block"
	nothing := &Files{env: Env{Home: "/", LocalUser: "nobody", LocalHost: "localhost"}, name: file}
	files, err := nothing.checking(map[string]string{file: d.String()})
	if err != nil {
		return err
	}
	_, err = files.Resolve(context.Background(), Query{Host: name, PrintOnly: true})
	var bad *BadLines
	if errors.As(err, &bad) && len(bad.Lines) > 0 {
		return fmt.Errorf("%s: %s", bad.Lines[0].Keyword, bad.Lines[0].Msg)
	}
	return err
}

// checking is With in surroundings that have no part in the answer.
func (f *Files) checking(texts map[string]string) (*Files, error) {
	env := f.env
	env.Getenv = func(string) (string, bool) { return "x", true }
	env.Exec = func(context.Context, string) (bool, error) { return false, nil }
	if err := env.fill(); err != nil {
		return nil, err
	}
	return load(f.name, env, texts)
}
