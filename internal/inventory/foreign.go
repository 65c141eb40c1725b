package inventory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"sallyport/internal/route"
	"sallyport/internal/sshconfig"
)

// Foreign is a host as another program lists it.
type Foreign struct {
	Name  string
	Entry sshconfig.Entry
	// Settings are keywords beside those of an Entry.
	Settings []sshconfig.Setting
	// Notes say what of the host has no place in ssh_config.
	Notes []string
	// Err says why the host cannot be taken over.
	Err error
}

// note adds a note once.
func (f *Foreign) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(f.Notes, text) {
		f.Notes = append(f.Notes, text)
	}
}

// Formats are what Read understands.
var Formats = []string{"ansible-ini", "ansible-yaml", "csv", "known_hosts"}

// maxForeign bounds a file that is imported.
const maxForeign = 64 << 20

// Read reads hosts of a format; "" guesses by the file's name and its text.
// Notes are about the file as a whole.
func Read(r io.Reader, name, format string) (hosts []Foreign, notes []string, err error) {
	data, err := io.ReadAll(io.LimitReader(r, maxForeign+1))
	if err != nil {
		return nil, nil, err
	}
	if len(data) > maxForeign {
		return nil, nil, fmt.Errorf("%s is larger than %d bytes", name, maxForeign)
	}
	text := strings.TrimPrefix(string(data), "\ufeff")
	if format == "" {
		format = Guess(name, text)
	}
	switch format {
	case "ansible-ini":
		return readAnsibleINI(text)
	case "ansible-yaml":
		return readAnsibleYAML(text)
	case "csv", "termius":
		return readCSV(text)
	case "known_hosts":
		return readKnownHosts(text)
	}
	return nil, nil, fmt.Errorf("format %q is not one of %s", format, strings.Join(Formats, ", "))
}

// Guess tells a format by a file's name and its text.
func Guess(name, text string) string {
	name = strings.ToLower(name)
	first := ""
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, ";") {
			first = line
			break
		}
	}
	fields := strings.Fields(first)
	keyed := func(i int) bool {
		return len(fields) > i+1 && (strings.HasPrefix(fields[i], "ssh-") || strings.HasPrefix(fields[i], "ecdsa-") || strings.HasPrefix(fields[i], "sk-"))
	}
	switch {
	case strings.HasSuffix(name, ".yml"), strings.HasSuffix(name, ".yaml"), first == "---", strings.HasSuffix(first, ":"):
		return "ansible-yaml"
	case strings.HasSuffix(name, ".csv"), strings.HasSuffix(name, ".tsv"):
		return "csv"
	case strings.Contains(name, "known_hosts"), keyed(1), keyed(2):
		return "known_hosts"
	case isColumnNames(first):
		return "csv"
	case strings.HasSuffix(name, ".ini"), strings.HasPrefix(first, "["), strings.Contains(first, "ansible_"):
		return "ansible-ini"
	case strings.Count(first, ",") > 1, strings.Count(first, ";") > 1:
		return "csv"
	}
	return "ansible-ini"
}

// isColumnNames reports whether a line parts several words, one of which calls a
// column of names or addresses.
func isColumnNames(line string) bool {
	cells := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(",;\t", r) })
	return len(cells) > 1 && slices.ContainsFunc(cells, func(c string) bool {
		column := csvColumns[strings.ToLower(strings.Trim(c, " \""))]
		return column == "name" || column == "host"
	})
}

// Outcome is what becomes of one host of an import.
type Outcome struct {
	Name string
	// Err says why the host is not taken over; ErrExists for one that is there.
	Err   error
	Notes []string
}

// Import plans to add hosts. A host that is there already, that ssh would not
// read, or whose jump host is in neither the configuration nor the import is
// left out and says so: it is never imported as one that is reached directly.
func (v *Inventory) Import(ctx context.Context, hosts []Foreign, o Options) (*Change, []Outcome, error) {
	c, err := v.newChange(ctx, "")
	if err != nil {
		return nil, nil, err
	}
	im := &importing{Change: c, hosts: slices.Clone(hosts), options: o, taken: map[string]bool{}}
	im.byAddress(ctx)
	im.sift()
	if err := im.write(); err != nil {
		return nil, nil, err
	}
	for {
		again, err := im.verify(ctx)
		if err != nil {
			return nil, nil, err
		}
		if !again {
			break
		}
	}
	var outcomes []Outcome
	for _, h := range im.hosts {
		outcomes = append(outcomes, Outcome{h.Name, h.Err, h.Notes})
	}
	return c, outcomes, nil
}

// importing is an import under way: taken are the hosts that go in.
type importing struct {
	*Change
	hosts   []Foreign
	options Options
	taken   map[string]bool
}

// byAddress gives jump hosts that are written as addresses their names.
func (im *importing) byAddress(ctx context.Context) {
	names := map[string]string{}
	for _, h := range im.inv.Hosts(ctx) {
		names[h.HostName] = h.Name
	}
	for _, h := range im.hosts {
		if _, there := names[h.Entry.HostName]; !there && h.Err == nil && h.Entry.HostName != "" {
			names[h.Entry.HostName] = h.Name
		}
	}
	known := map[string]bool{}
	for _, h := range im.hosts {
		known[h.Name] = true
	}
	for i := range im.hosts {
		h := &im.hosts[i]
		h.Entry.Jump = slices.Clone(h.Entry.Jump)
		for j, jump := range h.Entry.Jump {
			hops, err := sshconfig.ParseJump(jump, sshconfig.Env{LookupService: noService})
			if err != nil || len(hops) != 1 || known[hops[0].Host] || im.inv.files.Knows(hops[0].Host) {
				continue
			}
			if name, ok := names[hops[0].Host]; ok && name != h.Name {
				h.Entry.Jump[j] = jumpText(hops[0], name)
			}
		}
	}
}

// jumpText writes a hop with another host.
func jumpText(h sshconfig.Hop, host string) string {
	text := host
	if h.User != "" {
		text = h.User + "@" + text
	}
	if h.Port != 0 {
		text = fmt.Sprintf("%s:%d", text, h.Port)
	}
	return text
}

// sift decides which hosts go in, by themselves and by their jump hosts.
func (im *importing) sift() {
	for i := range im.hosts {
		h := &im.hosts[i]
		switch {
		case h.Err != nil:
		case im.inv.Has(h.Name):
			h.Err = ErrExists
		case im.taken[h.Name]:
			h.Err = errors.New("is there twice")
		default:
			if h.Err = im.sound(h); h.Err == nil {
				im.taken[h.Name] = true
			}
		}
	}
	for im.dropJumpless() {
	}
}

// sound checks a host by itself.
func (im *importing) sound(h *Foreign) error {
	if err := ValidName(h.Name); err != nil {
		return err
	}
	if err := validAddress(h.Entry.HostName); err != nil {
		return err
	}
	settings, err := h.Entry.Settings()
	if err != nil {
		return err
	}
	return sshconfig.CheckBlock(h.Name, append(settings, h.Settings...))
}

// dropJumpless drops the hosts whose jump host is nowhere, and reports whether
// there were any: others may have been behind them.
func (im *importing) dropJumpless() bool {
	dropped := false
	for i := range im.hosts {
		h := &im.hosts[i]
		if h.Err != nil {
			continue
		}
		for _, jump := range h.Entry.Jump {
			hops, err := sshconfig.ParseJump(jump, sshconfig.Env{LookupService: noService})
			for _, hop := range hops {
				if !im.taken[hop.Host] && !im.inv.files.Knows(hop.Host) && !im.options.AnyJump {
					err = fmt.Errorf("%s: %w", hop.Host, ErrNoJump)
				}
			}
			if err != nil {
				im.drop(h, err)
				dropped = true
				break
			}
		}
	}
	return dropped
}

func (im *importing) drop(h *Foreign, err error) {
	h.Err = err
	delete(im.taken, h.Name)
}

// write puts the hosts into our file.
func (im *importing) write() error {
	if len(im.taken) == 0 {
		return nil
	}
	for i := range im.hosts {
		h := &im.hosts[i]
		if h.Err == nil {
			if err := im.add(h.Name, h.Entry, Options{Settings: h.Settings}); err != nil {
				return err
			}
		}
	}
	return im.shield()
}

// verify looks at the ways of the hosts as they will be. It reports whether
// something had to go, and so has to be looked at again.
func (im *importing) verify(ctx context.Context) (again bool, err error) {
	if len(im.taken) == 0 {
		im.drafts = nil
		return false, nil
	}
	files, err := im.after()
	if err != nil {
		return false, err
	}
	own, err := im.hostsDraft()
	if err != nil {
		return false, err
	}
	res := route.NewMemory(files)
	before := len(im.taken)
	for i := range im.hosts {
		h := &im.hosts[i]
		if h.Err != nil {
			continue
		}
		res.Passing = h.Name
		if _, err := route.Resolve(ctx, printing{res}, sshconfig.Query{Host: h.Name}); err != nil {
			im.drop(h, wouldBeBad(err))
		}
	}
	for im.dropJumpless() {
	}
	for i := range im.hosts {
		if h := &im.hosts[i]; h.Err != nil && own.Has(h.Name) && !im.taken[h.Name] && !im.inv.Has(h.Name) {
			if err := own.RemoveHost(h.Name); err != nil {
				return false, err
			}
		}
	}
	return len(im.taken) < before, nil
}
