package sshconfig

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Override is one keyword that is set before any file: by "ssh -o", or by a flag
// that means the same.
type Override struct {
	// Keyword and Value are as in a line of a file: Value is split into
	// arguments, so a flag's plain value goes through Quote.
	Keyword, Value string
	// From says where it comes from, for Origin: "command line -o", "-p".
	From string
	// Replace sets the keyword even when an earlier override has, as most
	// flags do, while the first "-o" of a keyword wins.
	Replace bool
}

// Query asks about one destination.
type Query struct {
	// Host is the destination without user and port.
	Host string
	// Overrides are applied in order, before the files.
	Overrides []Override
	// Command is the remote command of the command line, for Match command,
	// Match sessiontype and the rules that concern commands.
	Command string
	// StdioForward is set for "ssh -W", which changes two defaults.
	StdioForward bool
	// PrintOnly is set for "ssh -G": what ssh finds wrong only when it
	// connects is then no error.
	PrintOnly bool
}

// Resolved is the answer to a Query. It is plain data but for its origins and
// its Dump.
type Resolved struct {
	Options
	// Warnings are what ssh would print on its standard error and go on.
	Warnings []string
	// Trace says how the answer came about, in the words of "ssh -v".
	Trace []string

	dump func() string // for the few who ask
	from map[keyword][]Origin
}

// pass is the state of one resolution.
type pass struct {
	files *Files
	env   *Env
	query *Query
	// exec and lookup are Env's, bound to the call's context.
	exec   func(command string) (bool, error)
	lookup func(name string) (cname string, err error)

	vals                          [numKeywords]value
	localForwards, remoteForwards []forward
	jump                          jumpSpec
	// class are the givers of the entries of IdentityFile and CertificateFile.
	class [2][]giver

	// host is what Host and Match look at; original is what was typed.
	host, original string
	final          bool
	wantFinal      bool

	// While a file is read: its line's state, and whether nothing may match.
	state      *bool
	neverMatch bool
	depth      int

	warnings []string
	traced   []string
	argbuf   [16]string
}

// trace notes a step for "ssh -v".
func (p *pass) trace(format string, args ...any) {
	p.traced = append(p.traced, visible(fmt.Sprintf(format, args...)))
}

// warn notes what ssh would print and go on; once, where ssh says it again in
// the second pass.
func (p *pass) warn(text string) {
	if !slices.Contains(p.warnings, text) {
		p.warnings = append(p.warnings, text)
	}
}

// Resolve answers for one destination. Its errors are *Error, *BadLines (which
// unwraps to *Error), or those of Env.
func (f *Files) Resolve(ctx context.Context, q Query) (*Resolved, error) {
	p := &pass{files: f, env: &f.env, query: &q, host: q.Host, original: q.Host}
	p.exec = func(command string) (bool, error) { return f.env.Exec(ctx, command) }
	p.lookup = func(name string) (string, error) {
		return f.env.LookupHost(ctx, network(p.family()), name)
	}
	r, err := p.resolve()
	var s *stop
	if errors.As(err, &s) {
		err = s.err
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// resolve follows ssh.c's main.
func (p *pass) resolve() (*Resolved, error) {
	if err := p.applyOverrides(); err != nil {
		return nil, err
	}
	if !validHostName(p.host) {
		return nil, fatalf("hostname contains invalid characters")
	}
	if v := &p.vals[kwUser]; v.set && !validUser(v.s) {
		return nil, fatalf("remote username contains invalid characters")
	}
	if v := &p.vals[kwSessionType]; v.set && v.n == sessionSubsystem && p.query.Command == "" {
		return nil, fatalf("You must specify a subsystem to invoke.")
	}
	if err := p.readRoots(); err != nil {
		return nil, err
	}
	if p.wantFinal {
		p.trace("configuration requests final Match pass")
	}
	p.settleCanonical()
	if err := p.takeHostName(); err != nil {
		return nil, err
	}
	if err := p.canonicalize(); err != nil {
		return nil, err
	}
	if !p.wantFinal && p.vals[kwCanonicalizeHostname].n != canonicalizeNo {
		p.trace("hostname canonicalisation enabled, will re-parse configuration")
		p.wantFinal = true
	}
	if p.wantFinal {
		p.trace("re-parsing configuration")
		p.final = true
		p.vals[kwHostName].s, p.vals[kwHostName].set = p.host, true
		if err := p.readRoots(); err != nil {
			return nil, err
		}
	}
	return p.finish()
}

// applyOverrides applies the command line.
func (p *pass) applyOverrides() error {
	active := true
	p.state = &active
	for _, o := range p.query.Overrides {
		if o.Keyword == "" {
			continue
		}
		kw := lookupKeyword(o.Keyword)
		if o.Replace {
			p.reset(kw)
		}
		st := statement{
			pass: p, kw: kw, key: o.Keyword, raw: o.Value,
			file: commandLine, cmdline: true, from: o.From, active: true, giver: giverUser,
		}
		if o.From == "-i" {
			st.giver = giverFlag
		}
		if err := st.apply(); err != nil {
			return err
		}
	}
	return nil
}

// reset forgets a keyword.
func (p *pass) reset(kw keyword) {
	p.vals[kw] = value{}
	if kw == kwIdentityFile || kw == kwCertificateFile {
		p.class[kw-kwIdentityFile] = nil
	}
	if kw == kwProxyJump || kw == kwProxyCommand {
		p.jump = jumpSpec{}
		p.vals[kwProxyCommand], p.vals[kwProxyJump] = value{}, value{}
	}
}

// readRoots reads the user's and the system's file.
func (p *pass) readRoots() error {
	for _, r := range p.files.roots {
		active := true
		if err := p.readFile(r.file, r.giver, &active, 0); err != nil {
			return err
		}
	}
	return nil
}

// readFile applies the lines of a file. readconf.c: read_config_file_depth.
func (p *pass) readFile(f *file, giver giver, active *bool, depth int) error {
	if depth > maxDepth {
		return &stop{fatalf("Too many recursive configuration includes")}
	}
	p.trace("Reading configuration data %s", f.name)
	outer, outerDepth := p.state, p.depth
	p.state, p.depth = active, depth
	defer func() { p.state, p.depth = outer, outerDepth }()

	checked := f.checked.Load()
	var index *blockIndex
	if checked {
		index = f.indexed()
	}
	var bad []*Error
	st := statement{pass: p, file: f.name, giver: giver}
	for i := 0; i < len(f.lines); i++ {
		if index != nil && !*active {
			if i = index.next(i, p.host, len(f.lines)); i == len(f.lines) {
				break
			}
		}
		l := &f.lines[i]
		if checked && !*active && !l.kw.always() {
			continue
		}
		st.kw, st.key, st.raw, st.line, st.active = l.kw, l.key, l.rest, int(l.number), *active
		if err := st.apply(); err != nil {
			e, ok := err.(*Error)
			if !ok || e.File == "" { // no line is to blame
				return endedBy(err, f.name, bad)
			}
			bad = append(bad, e)
		}
	}
	if len(bad) > 0 {
		return &stop{&BadLines{File: f.name, Lines: bad}}
	}
	f.checked.Store(true)
	return nil
}

// endedBy is err, told after the bad lines that were found before it.
func endedBy(err error, file string, bad []*Error) error {
	if len(bad) == 0 {
		return err
	}
	var s *stop
	if errors.As(err, &s) {
		err = s.err
	}
	return &stop{&BadLines{File: file, Lines: bad, Last: err}}
}

// always tells the keywords that matter when their line does not apply.
func (kw keyword) always() bool {
	switch kw {
	case noKeyword, kwHost, kwMatch, kwInclude, kwSyslogFacility, kwStreamLocalBindMask,
		kwDeprecated, kwUnsupported:
		return true
	}
	return false
}

// setHost decides whether the lines that follow apply.
func (st *statement) setHost() error {
	if st.cmdline {
		return fatalf("Host directive not supported as a command-line option")
	}
	words := st.args
	st.args = nil
	*st.state = false
	first := "" // the pattern that matched first
	for _, w := range words {
		if w == "" {
			return st.bad("keyword %s empty argument", lowerASCII(st.key))
		}
		if st.neverMatch {
			return nil
		}
		pattern, negated := strings.CutPrefix(w, "!")
		if !matchPattern(st.host, pattern) {
			continue
		}
		if negated {
			*st.state = false
			st.trace("%s line %d: Skipping Host block because of negated match for %s", st.file, st.line, pattern)
			return nil
		}
		if !*st.state {
			first = pattern
		}
		*st.state = true
	}
	if *st.state {
		st.trace("%s line %d: Applying options for %s", st.file, st.line, first)
	}
	return nil
}

// settleCanonical fixes what canonicalization goes by: the second pass cannot
// change it. readconf.c: fill_default_options_for_canonicalization.
func (p *pass) settleCanonical() {
	for kw, def := range map[keyword]int64{
		kwCanonicalizeMaxDots: defaultMaxDots, kwCanonicalizeFallbackLocal: yes,
		kwCanonicalizeHostname: canonicalizeNo,
	} {
		if v := &p.vals[kw]; !v.set {
			v.set, v.n = true, def
		}
	}
}

// takeHostName takes HostName into use. An address is left as it is.
func (p *pass) takeHostName() error {
	if v := &p.vals[kwHostName]; v.set {
		host, err := p.env.expandTokens(v.s, tokens{'h': always(p.host)})
		if err != nil {
			return err
		}
		p.host, v.s = host, host
	}
	if !isAddress(p.host, p.family()) {
		p.host = lowerASCII(p.host)
	}
	return nil
}

// Origin tells where the first value of a keyword came from; ok is false when
// it has its default.
func (r *Resolved) Origin(name string) (Origin, bool) {
	from := r.Origins(name)
	if len(from) == 0 {
		return Origin{}, false
	}
	return from[0], true
}

// Origins tells where each value of a keyword came from, in the order in which
// "ssh -G" prints them.
func (r *Resolved) Origins(name string) []Origin {
	return slices.Clone(r.from[lookupKeyword(name)])
}

// Keywords lists the names of all keywords in lower case, without obsolete
// ones. The last ones are Sallyport's own: AlternateAddress,
// AlternateProxyJump, AlternatePolicy, ControlMaxAge, PasswordCommand,
// OTPCommand, Tags, RememberHost and ResumeWith; a file that OpenSSH reads too needs
// "IgnoreUnknown" for them.
func Keywords() []string {
	var out []string
	for kw := range numKeywords {
		switch keywordTable[kw].kind {
		case kindUnknown, kindIgnore, kindDeprecated, kindUnsupported:
		default:
			out = append(out, kw.name())
		}
	}
	return out
}
