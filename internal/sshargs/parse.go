package sshargs

import (
	"sallyport/internal/sshconfig"
)

// Action is what a command line asks for.
type Action int

const (
	// ActionSession opens a session: a shell, a command, a subsystem or, with
	// SessionType none, only the forwards.
	ActionSession Action = iota
	// ActionDumpConfig prints the resolved configuration (-G).
	ActionDumpConfig
	// ActionQuery lists algorithms (-Q); Invocation.Query says which.
	ActionQuery
	// ActionVersion prints the version (-V).
	ActionVersion
	// ActionControl sends Invocation.Control to a live master (-O).
	ActionControl
	// ActionStdioForward joins the standard streams to
	// Invocation.StdioForward (-W).
	ActionStdioForward
	// ActionListKeys lists the public keys that would be offered (-Z).
	ActionListKeys
)

// Invocation is a parsed command line.
type Invocation struct {
	Action Action
	// Query is -Q's argument, as typed.
	Query string
	// Control is -O's argument: check, conninfo, channels, forward, exit,
	// stop, cancel or proxy.
	Control string
	// Host is the destination without user and port, as typed; what was
	// encoded in an ssh:// URI is decoded. It is "" for -V and -Q.
	Host string
	// Overrides are the keywords that the flags stand for, to be applied
	// before any file, in this order: the first value of a keyword wins,
	// forwards and identities accumulate. From names the flag ("-p", "-o") or
	// "destination". A value is spelt as in a configuration file, quoted where
	// it must be.
	//
	// An IdentityFile from "-i" is to be ignored, with a warning, when the
	// file is not there; Parse looks at no file.
	Overrides []sshconfig.Override
	// ConfigFile is -F's argument, "" when not given; "none" means no file.
	ConfigFile string
	// LogFile is -E's argument, "" for standard error.
	LogFile string
	// Syslog sends messages to the system log (-y).
	Syslog bool
	// Verbose counts -v. The level that -v and -q lead to is an override.
	Verbose int
	// Command holds the words of the remote command, as typed. Joined by one
	// space each they are the command, or the subsystem's name (-s).
	Command []string
	// StdioForward is -W's target, in the Connect fields; nil without -W.
	// With it ExitOnForwardFailure and ClearAllForwardings default to yes;
	// a configuration may still say no, so these are no overrides.
	StdioForward *sshconfig.ForwardSpec
}

// Parse reads a command line, without the program's name. Its errors are of
// type *UsageError. Environment variables in forwards are looked up in the
// process's environment, as ssh does while it parses.
func Parse(args []string) (*Invocation, error) {
	p := &parser{inv: &Invocation{}}
	if err := p.run(args); err != nil {
		return nil, err
	}
	p.inv.Overrides = p.set.list()
	return p.inv, nil
}

// parser is the state that a command line builds up.
type parser struct {
	inv      *Invocation
	set      overrides
	done     bool // -V or -Q: the rest is not looked at
	hostSeen bool
	dump     bool // -G
	listKeys bool // -Z
	verbose  bool // a -v was seen
	flag     string
}

// run follows ssh.c:main: options, destination, options again, command.
func (p *parser) run(args []string) error {
	s := &scanner{args: args}
	if err := p.options(s); err != nil || p.done {
		return err
	}
	words := s.operands()
	if len(words) == 0 {
		return failUsage("")
	}
	if err := p.destination(words[0]); err != nil {
		return err
	}
	p.hostSeen = true
	words = words[1:]
	if len(words) > 0 && !s.terminated() {
		s = &scanner{args: words}
		if err := p.options(s); err != nil || p.done {
			return err
		}
		words = s.operands()
	}
	p.inv.Command = words
	return p.check()
}

func (p *parser) options(s *scanner) error {
	for !p.done {
		f, value, ok, err := s.flag()
		if err != nil || !ok {
			return err
		}
		p.flag = "-" + string(f.letter)
		if err := f.apply(p, value); err != nil {
			return err
		}
	}
	return nil
}

// check looks at the whole once everything is read, and settles the action.
func (p *parser) check() error {
	if user, ok := p.set.value("user"); ok && !validUser(user) {
		return &UsageError{Text: ErrUser.Error(), Err: ErrUser}
	}
	if !validHost(p.inv.Host) {
		return &UsageError{Text: ErrHost.Error(), Err: ErrHost}
	}
	if kind, _ := p.set.value("sessiontype"); equalFold(kind, "subsystem") && len(p.inv.Command) == 0 {
		return failUsage("You must specify a subsystem to invoke.")
	}
	if p.inv.Syslog && p.inv.LogFile != "" {
		return fail("Can't specify both -y and -E")
	}
	switch {
	case p.dump:
		p.inv.Action = ActionDumpConfig
	case p.inv.Control != "":
		p.inv.Action = ActionControl
	case p.listKeys:
		p.inv.Action = ActionListKeys
	case p.inv.StdioForward != nil:
		p.inv.Action = ActionStdioForward
	}
	return nil
}
