package inventory

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"sallyport/internal/sshconfig"
)

// Options shape an edit.
type Options struct {
	// AnyJump allows jump hosts of which the configuration knows nothing.
	AnyJump bool
	// Settings are keywords beside those of an Entry.
	Settings []sshconfig.Setting
}

// Add plans a new host, in our own file.
func (v *Inventory) Add(ctx context.Context, name string, e sshconfig.Entry, o Options) (*Change, error) {
	if err := ValidName(name); err != nil {
		return nil, err
	}
	c, err := v.newChange(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := c.add(name, e, o); err != nil {
		return nil, err
	}
	return c, c.finish(ctx, name, e, o)
}

// finish checks a host that is written.
func (c *Change) finish(ctx context.Context, name string, e sshconfig.Entry, o Options) error {
	if err := c.shield(); err != nil {
		return err
	}
	return c.check(ctx, name, e, o.AnyJump)
}

// add writes a host's block into our file.
func (c *Change) add(name string, e sshconfig.Entry, o Options) error {
	if named := c.inv.files.Naming(name); len(named) > 0 {
		return fmt.Errorf("%s %w: %s line %d", name, ErrExists, named[0].File, named[0].Line)
	}
	if err := validAddress(e.HostName); err != nil {
		return err
	}
	settings, err := e.Settings()
	if err != nil {
		return err
	}
	own, err := c.hostsDraft()
	if err != nil {
		return err
	}
	if own.Has(name) {
		return fmt.Errorf("%s %w: %s", name, ErrExists, own.Name)
	}
	if own.Empty() {
		own.Comment(`Hosts added by "sally add". ssh reads this file too; edit it as you like.`,
			"Of several IgnoreUnknown lines ssh takes the first: add to the one here.")
	}
	return own.AddBlock(name, append(settings, o.Settings...))
}

// ValidName refuses what cannot be a host's name in the inventory: it must be
// no pattern, and mean itself on a command line and in a ProxyJump.
func ValidName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("a host needs a name")
	case strings.HasPrefix(name, "-"), strings.EqualFold(name, "none"):
		return fmt.Errorf("%q cannot be a host's name", name)
	}
	for _, r := range name {
		if r <= ' ' || r == 0x7f || strings.ContainsRune("*?!,#@/\\\"'`$;&<>|(){}[]%=:", r) {
			return fmt.Errorf("%q cannot be a host's name: %q means something else", name, r)
		}
	}
	return nil
}

// validAddress refuses what is more than an address: ssh would read the line and
// look up a name that cannot be there.
func validAddress(host string) error {
	switch {
	case strings.ContainsFunc(host, unicode.IsSpace):
		return fmt.Errorf("%q is no address: it has a blank in it", host)
	case strings.Contains(host, "@"):
		return fmt.Errorf("%q is no address: the name before the @ is the user", host)
	case strings.HasSuffix(host, "]"):
		return fmt.Errorf("%q is no address: it has no brackets", host)
	case strings.HasPrefix(host, "["), strings.Count(host, ":") == 1:
		return fmt.Errorf("%q is no address: the port is a setting of its own", host)
	}
	return nil
}

// Entry is what the first Host block that names a host says of it.
func (v *Inventory) Entry(name string) (sshconfig.Entry, error) {
	d, err := v.firstDraft(name)
	if err != nil {
		return sshconfig.Entry{}, err
	}
	return d.Entry(name)
}

// firstDraft is the file in which a host is named first.
func (v *Inventory) firstDraft(name string) (*sshconfig.Draft, error) {
	named := v.files.Naming(name)
	if len(named) == 0 {
		return nil, fmt.Errorf("%s: %w", name, ErrUnknown)
	}
	return sshconfig.OpenDraft(named[0].File)
}

// ours refuses to change the system's files.
func (v *Inventory) ours(name string) ([]sshconfig.HostBlock, error) {
	named := v.files.Naming(name)
	if len(named) == 0 {
		return nil, fmt.Errorf("%s: %w", name, ErrUnknown)
	}
	for _, b := range named {
		if b.System {
			return nil, fmt.Errorf("%s is in the system's configuration, which is its administrator's: %s line %d", name, b.File, b.Line)
		}
	}
	return named, nil
}

// changeOf begins a change of a host that is there; named are its blocks.
func (v *Inventory) changeOf(ctx context.Context, name string) (c *Change, named []sshconfig.HostBlock, err error) {
	if c, err = v.newChange(ctx, name); err != nil {
		return nil, nil, err
	}
	named, err = v.ours(name)
	return c, named, err
}

// Edit plans that a host's first block says what edit makes of it.
func (v *Inventory) Edit(ctx context.Context, name string, edit func(*sshconfig.Entry), o Options) (*Change, error) {
	c, named, err := v.changeOf(ctx, name)
	if err != nil {
		return nil, err
	}
	d, err := c.draft(named[0].File)
	if err != nil {
		return nil, err
	}
	was, err := d.Entry(name)
	if err != nil {
		return nil, err
	}
	to := copyEntry(was)
	edit(&to)
	if to.HostName != was.HostName {
		if err := validAddress(to.HostName); err != nil {
			return nil, err
		}
	}
	settings, err := was.Changes(to)
	if err != nil {
		return nil, err
	}
	if err := d.Set(name, append(settings, o.Settings...)); err != nil {
		return nil, err
	}
	if slices.Equal(to.Jump, was.Jump) {
		o.AnyJump = true // not what is asked about now
	}
	return c, c.finish(ctx, name, to, o)
}

// copyEntry copies an entry with its lists.
func copyEntry(e sshconfig.Entry) sshconfig.Entry {
	for _, list := range []*[]string{&e.Jump, &e.Alternates, &e.Identities, &e.Local, &e.Remote, &e.Dynamic, &e.Tags} {
		*list = slices.Clone(*list)
	}
	return e
}

// Text is the first Host block that names a host, as it is written.
func (v *Inventory) Text(name string) (string, error) {
	d, err := v.firstDraft(name)
	if err != nil {
		return "", err
	}
	return d.BlockText(name)
}

// Replace plans that a host's first block, which must still be before, is
// another text.
func (v *Inventory) Replace(ctx context.Context, name, before, after string) (*Change, error) {
	c, named, err := v.changeOf(ctx, name)
	if err != nil {
		return nil, err
	}
	d, err := c.draft(named[0].File)
	if err != nil {
		return nil, err
	}
	if now, err := d.BlockText(name); err != nil || now != before {
		return nil, fmt.Errorf("%s in %s %w", name, named[0].File, sshconfig.ErrChanged)
	}
	if err := d.ReplaceBlock(name, after); err != nil {
		return nil, err
	}
	if !d.Has(name) && len(named) == 1 {
		if by := v.Dependents(name); len(by) > 0 {
			return nil, &InUseError{name, by}
		}
	}
	return c, c.finish(ctx, name, sshconfig.Entry{}, Options{AnyJump: true})
}

// Remove plans that no Host line names a host any more. A host that others jump
// through stays: they would be dialled directly.
func (v *Inventory) Remove(ctx context.Context, name string) (*Change, error) {
	c, named, err := v.changeOf(ctx, name)
	if err != nil {
		return nil, err
	}
	if by := v.Dependents(name); len(by) > 0 {
		return nil, &InUseError{name, by}
	}
	for _, b := range named {
		d, err := c.draft(b.File)
		if err != nil {
			return nil, err
		}
		if d.Has(name) {
			if err := d.RemoveHost(name); err != nil {
				return nil, err
			}
		}
	}
	files, err := c.after()
	if err != nil {
		return nil, err
	}
	_, err = printing{files}.Resolve(ctx, sshconfig.Query{Host: name})
	return c, err
}
