package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"sallyport/internal/inventory"
	"sallyport/internal/sshconfig"
	"sallyport/internal/tui"
)

// The rows of the form, in order.
const (
	fieldName = iota
	fieldHost
	fieldPort
	fieldUser
	fieldJump
	fieldAlternates
	fieldIdentities
	fieldLocal
	fieldRemote
	fieldDynamic
	fieldTags
)

// hostForm asks for what a host's block is to say.
type hostForm struct {
	v       *verbCommand
	f       *entryFlags
	inv     *inventory.Inventory
	hosts   []inventory.Host
	editing bool
	was     sshconfig.Entry // what the form begins with
	shown   []string        // the same, as its rows show it
}

// addForm asks for a new host.
func (v *verbCommand) addForm(ctx context.Context, name string, f *entryFlags) error {
	h, err := v.newHostForm(ctx, f)
	if err != nil {
		return err
	}
	var e sshconfig.Entry
	f.apply(&e)
	name, e, err = h.ask(ctx, "add a host", name, e)
	if err != nil {
		return err
	}
	return v.addHost(ctx, name, e, f)
}

// editForm shows what a host's block says, to change it.
func (v *verbCommand) editForm(ctx context.Context, name string, f *entryFlags) error {
	h, err := v.newHostForm(ctx, f)
	if err != nil {
		return err
	}
	if h.was, err = h.inv.Entry(name); err != nil {
		return err
	}
	h.editing = true
	_, to, err := h.ask(ctx, "edit "+name, name, h.was)
	if err != nil {
		return err
	}
	return v.changeHost(ctx, name, f, func(inv *inventory.Inventory) (*inventory.Change, error) {
		now, err := inv.Entry(name)
		if err != nil {
			return nil, err
		}
		if between, err := h.was.Changes(now); err != nil || len(between) > 0 {
			return nil, fmt.Errorf("%s %w", name, sshconfig.ErrChanged)
		}
		return inv.Edit(ctx, name, func(e *sshconfig.Entry) { *e = to }, f.options())
	})
}

func (v *verbCommand) newHostForm(ctx context.Context, f *entryFlags) (*hostForm, error) {
	inv, err := v.loadInventory()
	if err != nil {
		return nil, err
	}
	return &hostForm{v: v, f: f, inv: inv, hosts: inv.Hosts(ctx)}, nil
}

// errFormLeft says that nothing was changed.
var errFormLeft = errors.New("left without saving; nothing was changed")

// ask shows the form.
func (h *hostForm) ask(ctx context.Context, title, name string, e sshconfig.Entry) (string, sshconfig.Entry, error) {
	port := ""
	if e.Port != 0 {
		port = strconv.Itoa(e.Port)
	}
	list := func(values []string) string { return strings.Join(values, ", ") }
	form := tui.Form{
		Title: title, In: h.v.Stdin, Out: h.v.Stdout, Env: h.v.Environ, Check: h.check,
		Fields: []tui.FormField{
			fieldName:       {Name: "Name", Value: name, Fixed: name != "", Hint: "what the host is called: sally NAME"},
			fieldHost:       {Name: "Host", Value: e.HostName, Hint: "its address, or its name for the name server of the hop before it"},
			fieldPort:       {Name: "Port", Value: port, Hint: "22 if empty"},
			fieldUser:       {Name: "User", Value: e.User, Hint: "your name there; your local one if empty"},
			fieldJump:       {Name: "Jump server", Value: strings.Join(e.Jump, ","), Choices: h.jumps, Hint: "a host to go through; with a comma behind it, the next one"},
			fieldAlternates: {Name: "Else at", Value: list(e.Alternates), Hint: "other addresses of it, host:port, with commas between"},
			fieldIdentities: {Name: "Keys", Value: list(e.Identities), Choices: func([]string) []tui.Choice { return keyFiles() }, Hint: "files of private keys, with commas between; the usual ones if empty"},
			fieldLocal:      {Name: "Forwards", Value: list(e.Local), Hint: "from here, as ssh -L takes them: 8080:localhost:80, with commas between"},
			fieldRemote:     {Name: "Back forwards", Value: list(e.Remote), Hint: "from there, as ssh -R takes them: 9000:localhost:3000"},
			fieldDynamic:    {Name: "SOCKS", Value: list(e.Dynamic), Hint: "a port here, as ssh -D takes it"},
			fieldTags:       {Name: "Tags", Value: strings.Join(e.Tags, " "), Choices: h.tags, Hint: "words to find it by"},
		},
	}
	h.was = e
	for _, field := range form.Fields {
		h.shown = append(h.shown, strings.TrimSpace(field.Value))
	}
	defer h.v.ending.keep(h.v.Stdin)()
	values, err := form.Run(ctx)
	switch {
	case errors.Is(err, tui.ErrCancelled):
		return "", e, errFormLeft
	case errors.Is(err, tui.ErrInterrupted):
		h.v.code = exitSignals + 2
		return "", e, errFormLeft
	case err != nil:
		return "", e, err
	}
	e, err = h.entry(values)
	return values[fieldName], e, err
}

// entry reads the rows of the form. What was not touched stays as it was: a file's
// name with a comma, say, which a row cannot tell from two files.
func (h *hostForm) entry(values []string) (sshconfig.Entry, error) {
	e, err := entryOf(values)
	was := h.was
	for i, list := range map[int][2]*[]string{
		fieldJump: {&e.Jump, &was.Jump}, fieldAlternates: {&e.Alternates, &was.Alternates}, fieldIdentities: {&e.Identities, &was.Identities},
		fieldLocal: {&e.Local, &was.Local}, fieldRemote: {&e.Remote, &was.Remote}, fieldDynamic: {&e.Dynamic, &was.Dynamic},
		fieldTags: {&e.Tags, &was.Tags},
	} {
		if values[i] == h.shown[i] {
			*list[0] = *list[1]
		}
	}
	return e, err
}

// entryOf reads the rows of the form.
func entryOf(values []string) (sshconfig.Entry, error) {
	commas := func(i int) []string { return trimmed(strings.Split(values[i], ",")) }
	e := sshconfig.Entry{
		HostName: values[fieldHost], User: values[fieldUser], Jump: commas(fieldJump), Identities: commas(fieldIdentities),
		Local: commas(fieldLocal), Remote: commas(fieldRemote), Dynamic: commas(fieldDynamic),
		Alternates: words(values[fieldAlternates]), Tags: words(values[fieldTags]),
	}
	if p := values[fieldPort]; p != "" {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return e, fmt.Errorf("%q is no port", p)
		}
		e.Port = int(n)
	}
	return e, nil
}

func trimmed(list []string) []string {
	var out []string
	for _, s := range list {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

func words(s string) []string {
	return trimmed(strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' }))
}

// check tells the route that the values give, or what is wrong with them.
func (h *hostForm) check(ctx context.Context, values []string) (string, error) {
	name := values[fieldName]
	if name == "" {
		return "", errors.New("it needs a name")
	}
	e, err := h.entry(values)
	if err != nil {
		return "", err
	}
	if e.HostName == "" && !h.editing {
		return "", errors.New("it needs an address; the name may be one")
	}
	var c *inventory.Change
	if h.editing {
		c, err = h.inv.Edit(ctx, name, func(to *sshconfig.Entry) { *to = e }, h.f.options())
	} else {
		c, err = h.inv.Add(ctx, name, e, h.f.options())
	}
	if err != nil {
		return "", err
	}
	note := ""
	if host, ok := c.After(ctx, name); ok {
		note = "route: " + routeText(host)
	}
	return note + "\n" + strings.Join(c.Warnings, "; "), nil
}

// jumps offers the hosts through which a jump leads somewhere: not the host
// itself, and none that is reached through it.
func (h *hostForm) jumps(values []string) []tui.Choice {
	var out []tui.Choice
	for _, host := range h.hosts {
		if host.Err != nil || host.Name == values[fieldName] || slices.Contains(host.Jumps, values[fieldName]) {
			continue
		}
		out = append(out, tui.Choice{Value: host.Name, Note: routeText(host) + " → " + values[fieldName]})
	}
	return out
}

// tags offers those of other hosts.
func (h *hostForm) tags([]string) []tui.Choice {
	count := map[string]int{}
	for _, host := range h.hosts {
		for _, t := range host.Tags {
			count[t]++
		}
	}
	var out []tui.Choice
	for t, n := range count {
		out = append(out, tui.Choice{Value: t, Note: plural(n, "host")})
	}
	slices.SortFunc(out, func(a, b tui.Choice) int { return strings.Compare(a.Value, b.Value) })
	return out
}

// keyFiles offers the private keys in ~/.ssh.
func keyFiles() []tui.Choice {
	env, err := sshconfig.DefaultEnv()
	if err != nil {
		return nil
	}
	names, _ := filepath.Glob(filepath.Join(env.Home, ".ssh", "*"))
	var out []tui.Choice
	for _, name := range names {
		if kind := privateKey(name); kind != "" {
			out = append(out, tui.Choice{Value: "~/.ssh/" + filepath.Base(name), Note: kind})
		}
	}
	return out
}

// privateKey says what kind of private key is in a file, "" for none.
func privateKey(name string) string {
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	head := make([]byte, 64)
	n, _ := f.Read(head)
	if !bytes.Contains(head[:n], []byte("PRIVATE KEY-----")) {
		return ""
	}
	if public, err := os.ReadFile(name + ".pub"); err == nil {
		if fields := strings.Fields(string(public)); len(fields) > 0 {
			return strings.Join(append(fields[:1:1], fields[min(2, len(fields)):]...), " ")
		}
	}
	return "private key"
}
