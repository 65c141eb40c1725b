package inventory

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"sallyport/internal/route"
	"sallyport/internal/sshconfig"
)

// Change is an edit that was checked and is not written yet.
type Change struct {
	// Host is the name concerned, "" for several.
	Host string
	// Warnings say what will not be as it was asked for.
	Warnings []string

	inv    *Inventory
	drafts []*sshconfig.Draft // in the order of writing
}

// ErrExists says that a host is there already.
var ErrExists = errors.New("is there already")

// ErrUnknown says that a host is not in the inventory.
var ErrUnknown = errors.New("no Host line names it")

// ErrNoJump says that a jump host is not in the inventory.
var ErrNoJump = errors.New("the jump host is not in the configuration")

// InUseError says that others jump through a host.
type InUseError struct {
	Host string
	By   []Dependent
}

// dependentsNamed is how many dependents an InUseError names: a bastion may have
// hundreds.
const dependentsNamed = 10

func (e *InUseError) Error() string {
	var named []string
	for _, d := range e.By[:min(len(e.By), dependentsNamed)] {
		named = append(named, fmt.Sprintf("%s (%s line %d)", d.Who, d.File, d.Line))
	}
	text := fmt.Sprintf("%s is the jump host of %s", e.Host, strings.Join(named, ", "))
	if more := len(e.By) - len(named); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// Update makes a change while no other Sallyport can: it waits for the lock,
// reads the configuration, lets plan decide, and writes. Nil for a Change
// writes nothing.
func Update(file string, env sshconfig.Env, plan func(*Inventory) (*Change, error)) (*Change, error) {
	v, err := Load(file, env)
	if err != nil {
		return nil, err
	}
	if v.main == "" {
		return nil, errors.New("there is no configuration to change: -F none")
	}
	unlock, err := sshconfig.LockDir(filepath.Dir(v.main))
	if err != nil {
		return nil, fmt.Errorf("lock the configuration: %w", err)
	}
	defer unlock()
	if v, err = Load(file, env); err != nil {
		return nil, err
	}
	c, err := plan(v)
	if err != nil || c == nil {
		return nil, err
	}
	return c, c.write()
}

// write saves the files. The one that is included comes first, so that the
// configuration is complete at any time.
func (c *Change) write() error {
	for i, d := range c.drafts {
		if err := d.Save(); err != nil {
			if i > 0 {
				return fmt.Errorf("%w (%s is written already)", err, c.drafts[0].Name)
			}
			return err
		}
	}
	return nil
}

// Files lists the files that change.
func (c *Change) Files() []string {
	var names []string
	for _, d := range c.drafts {
		if d.Changed() {
			names = append(names, d.Name)
		}
	}
	return names
}

// File is what becomes of a file.
type File struct{ Name, Before, After string }

// Texts are the files that change, before and after.
func (c *Change) Texts() []File {
	var files []File
	for _, d := range c.drafts {
		if d.Changed() {
			before, _ := d.Before()
			files = append(files, File{d.Name, before, d.String()})
		}
	}
	return files
}

// draft is the change's copy of a file.
func (c *Change) draft(name string) (*sshconfig.Draft, error) {
	for _, d := range c.drafts {
		if d.Name == name {
			return d, nil
		}
	}
	d, err := sshconfig.OpenDraft(name)
	if err == nil {
		c.drafts = append(c.drafts, d)
	}
	return d, err
}

// newChange begins a change of a configuration that must be correct.
func (v *Inventory) newChange(ctx context.Context, host string) (*Change, error) {
	if v.main == "" {
		return nil, errors.New("there is no configuration to change: -F none")
	}
	probe := host
	if probe == "" {
		probe = "localhost"
	}
	var bad *sshconfig.BadLines
	if _, err := (printing{v.files}).Resolve(ctx, sshconfig.Query{Host: probe}); errors.As(err, &bad) {
		return nil, fmt.Errorf("the configuration must be correct before it is changed: %w", err)
	} else if err != nil {
		return nil, err
	}
	return &Change{Host: host, inv: v}, nil
}

// hostsDraft is our own file, with the line that includes it.
func (c *Change) hostsDraft() (*sshconfig.Draft, error) {
	v := c.inv
	own, err := c.draft(v.HostsFile())
	if err != nil || v.files.Reads(v.HostsFile()) {
		return own, err
	}
	main, err := c.draft(v.main)
	if err != nil {
		return nil, err
	}
	if line, err := v.includeLine(); err != nil {
		return nil, err
	} else if first, _, _ := strings.Cut(main.String(), "\n"); strings.TrimRight(first, "\r") != line {
		main.Prepend(line, `Include "`+filepath.Join(filepath.Dir(v.main), SharingFile)+`"`, line)
	}
	return own, nil
}

// includeLine is how the configuration includes our file. "ssh -F" looks for a
// relative name in ~/.ssh, wherever the file is that has the line.
func (v *Inventory) includeLine() (string, error) {
	if v.whole {
		return "Include " + HostsFile, nil
	}
	if name := v.HostsFile(); !strings.ContainsAny(name, "\"\\\n\r*?[]%$") {
		return `Include "` + name + `"`, nil
	}
	return "", fmt.Errorf("%q cannot be included: its name means something else to ssh", v.HostsFile())
}

// after is the configuration as the change makes it.
func (c *Change) after() (*sshconfig.Files, error) {
	texts := make(map[string]string)
	for _, d := range c.drafts {
		texts[d.Name] = d.String()
	}
	return c.inv.files.With(texts)
}

// shield sees to it that ssh reads the keywords that are ours alone: the first
// IgnoreUnknown of all must name them, and those that other lines name, since
// ssh looks at no other.
func (c *Change) shield() error {
	files, err := c.after()
	if err != nil {
		return err
	}
	before := len(c.inv.files.Unshielded())
	if len(files.Unshielded()) <= before {
		return nil
	}
	own, err := c.hostsDraft()
	if err != nil {
		return err
	}
	patterns := sshconfig.OwnKeywords()
	for _, p := range files.IgnoredUnknown() {
		if !slices.ContainsFunc(patterns, func(q string) bool { return strings.EqualFold(p, q) }) {
			patterns = append(patterns, p)
		}
	}
	own.SetFirst("IgnoreUnknown", strings.Join(patterns, ","))
	if files, err = c.after(); err != nil {
		return err
	}
	if bare := files.Unshielded(); len(bare) > before {
		at := bare[0]
		return fmt.Errorf("%s line %d: ssh would stop at %s: the first IgnoreUnknown that it reads must name %s",
			at.File, at.Line, at.Keyword, strings.Join(sshconfig.OwnKeywords(), ","))
	}
	return nil
}

// check looks at what becomes of a host that was given settings: whether it is
// valid, where it leads, and whether other lines come first.
func (c *Change) check(ctx context.Context, name string, want sshconfig.Entry, anyJump bool) error {
	files, err := c.after()
	if err != nil {
		return err
	}
	for _, jump := range want.Jump {
		if err := knownJump(files, name, jump, anyJump); err != nil {
			return err
		}
	}
	r, err := offline{files}.Resolve(ctx, sshconfig.Query{Host: name})
	if err != nil {
		return wouldBeBad(err)
	}
	if _, err := route.Resolve(ctx, offline{files}, sshconfig.Query{Host: name}); err != nil {
		return err
	}
	c.Warnings = append(c.Warnings, shadows(files, name, want, r)...)
	return nil
}

// wouldBeBad says what is wrong with lines that are nowhere yet.
func wouldBeBad(err error) error {
	var bad *sshconfig.BadLines
	if !errors.As(err, &bad) || len(bad.Lines) == 0 {
		return err
	}
	var said []string
	for _, l := range bad.Lines {
		said = append(said, (&sshconfig.Error{Msg: l.Keyword + ": " + l.Msg}).Error())
	}
	return fmt.Errorf("nothing was changed: %s", strings.Join(said, "; "))
}

// knownJump refuses a jump host that nothing is known of: it would be a typing
// mistake most of the time.
func knownJump(files *sshconfig.Files, name, jump string, anyJump bool) error {
	hops, err := sshconfig.ParseJump(jump, sshconfig.Env{LookupService: noService})
	if err != nil {
		return err
	}
	for _, h := range hops {
		if h.Host == name {
			return &route.LoopError{Path: []string{name, name}}
		}
		if !anyJump && !files.Knows(h.Host) {
			return fmt.Errorf("%s: %w", h.Host, ErrNoJump)
		}
	}
	return nil
}

func noService(string) (int, bool) { return 0, false }

// shadows tells which of the settings have no effect, because a line that ssh
// reads before says otherwise.
func shadows(files *sshconfig.Files, name string, want sshconfig.Entry, r *sshconfig.Resolved) []string {
	var told []string
	for _, s := range want.Single() {
		from, ok := r.Origin(s.Keyword)
		if !ok && r.Proxy.Jump == "" { // ssh takes the first of the two
			from, ok = r.Origin("ProxyCommand")
		}
		if !ok || files.Gives(from, name) {
			continue
		}
		told = append(told, fmt.Sprintf("%s %s has no effect on %s: %s line %d comes first", s.Keyword, strings.Join(s.Values, " "), name, from.File, from.Line))
	}
	return told
}

// After is a host as the change makes it; false when nothing names it then.
func (c *Change) After(ctx context.Context, name string) (Host, bool) {
	files, err := c.after()
	if err != nil {
		return Host{}, false
	}
	named := files.Naming(name)
	if len(named) == 0 {
		return Host{}, false
	}
	return resolveHost(ctx, files, named[0]), true
}
