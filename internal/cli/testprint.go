package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"

	"sallyport/internal/probe"
)

// testPrinter shows a test as it goes: a line for each stage that has ended,
// and on a terminal one for that under way.
type testPrinter struct {
	out   io.Writer
	live  bool
	quiet bool

	// state: guarded by mu
	mu      sync.Mutex
	hop     *probe.Hop // whose lines are printed now
	pending bool       // the line of a stage under way is on the terminal
}

func (p *testPrinter) printf(format string, args ...any) {
	fmt.Fprint(p.out, visible(fmt.Sprintf(format, args...)))
}

// clear takes away the line of the stage under way.
func (p *testPrinter) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
}

func (p *testPrinter) erase() {
	if p.pending {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.pending = false
	}
}

// route begins the report.
func (p *testPrinter) route(names string) {
	if !p.quiet {
		p.printf("%s\n", names)
	}
}

// began is probe.Config's.
func (p *testPrinter) began(h *probe.Hop, stage string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.quiet {
		return
	}
	p.head(h)
	if p.live {
		p.erase()
		p.printf("  …      %s", stage)
		p.pending = true
	}
}

// head prints the hop's own line before its first stage.
func (p *testPrinter) head(h *probe.Hop) {
	if p.hop == h {
		return
	}
	p.hop = h
	p.printf("\n%s\n", hopTitle(h))
}

func hopTitle(h *probe.Hop) string {
	title := h.Name
	if h.Addr != h.Name {
		title += " (" + h.Addr + ")"
	}
	if h.Via != "" {
		title += " via " + h.Via
	}
	return title + ", as " + h.User
}

// ended is probe.Config's.
func (p *testPrinter) ended(h *probe.Hop, s probe.Step) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.quiet {
		return
	}
	p.head(h)
	p.erase()
	if !s.OK {
		p.printf("  FAILED %-13s %s\n", s.Stage, took(s.Seconds))
		return
	}
	p.printf("  ok     %-13s %s  %s\n", s.Stage, took(s.Seconds), strings.Join(stepDetails(h, s.Stage), "\n"+strings.Repeat(" ", 32)))
}

// stepDetails says what a stage that went well brought, a line each.
func stepDetails(h *probe.Hop, stage string) []string {
	switch stage {
	case "resolve":
		var addrs []string
		for _, a := range h.Addresses {
			addrs = append(addrs, a.Addr)
		}
		return []string{strings.Join(addrs, ", ")}
	case "connect", "open":
		for _, a := range h.Addresses {
			if a.Used {
				return []string{a.Addr}
			}
		}
	case "banner":
		return []string{h.Server}
	case "host key":
		return hostKeyDetails(h.HostKey)
	case "authenticate":
		return authDetails(h)
	case probe.StageSession:
		return []string{"opened and closed"}
	case probe.StagePing:
		return []string{"the best of three"}
	}
	return []string{""}
}

// hostKeyDetails says what is known of a key that was accepted.
func hostKeyDetails(k *probe.HostKey) []string {
	if k == nil { // NoHostAuthenticationForLocalhost
		return []string{"not checked"}
	}
	lines := []string{k.Type + " " + k.Fingerprint, k.Status}
	if k.CA {
		lines[1] += " by an authority"
	}
	for i, at := range k.Known {
		lines[1] += map[bool]string{true: ": ", false: ", "}[i == 0] + fmt.Sprintf("%s:%d", at.File, at.Line)
	}
	return append(lines, howToTrust(k)...)
}

// howToTrust says how a new key becomes a known one.
func howToTrust(k *probe.HostKey) []string {
	if k == nil || k.Record == "" {
		return nil
	}
	lines := []string{"nothing was recorded. Have the fingerprint confirmed; then either log in once and answer with it,"}
	if k.File == "" {
		return append(lines, "or set a UserKnownHostsFile and add this line there:", k.Record)
	}
	return append(lines, "or add this line to "+k.File+":", k.Record)
}

// authDetails says how the login went, and what it was agreed to go by.
func authDetails(h *probe.Hop) []string {
	var lines []string
	if a := h.Auth; a != nil && len(a.Worked) > 0 {
		text := strings.Join(a.Worked, ", then ")
		if key := workingKey(a); key != "" {
			text += ": " + key
		}
		lines = append(lines, text)
		if len(a.Offered) > 0 {
			lines = append(lines, "the server offers "+strings.Join(a.Offered, ", "))
		}
		if n := triedKeys(a); n > 1 {
			lines = append(lines, fmt.Sprintf("after %s of %d to offer; IdentityFile with IdentitiesOnly yes spares attempts", plural(n, "key"), len(a.Keys)))
		}
	}
	if g := h.Algorithms; g != nil {
		lines = append(lines, "agreed on "+g.KeyExchange+", "+g.HostKey+", "+cipher(g.CipherOut, g.MACOut)+inward(g))
	}
	if len(lines) == 0 {
		lines = []string{""}
	}
	return lines
}

// workingKey is the key that was accepted, the last one tried.
func workingKey(a *probe.Auth) string {
	key := ""
	for _, t := range a.Tried {
		if t.Key != "" {
			key = t.Key
		}
	}
	for _, method := range a.Worked {
		if method == "publickey" {
			return key
		}
	}
	return ""
}

func triedKeys(a *probe.Auth) int {
	n := 0
	for _, t := range a.Tried {
		if t.Key != "" {
			n++
		}
	}
	return n
}

func cipher(name, mac string) string {
	if mac == "" {
		return name
	}
	return name + " with " + mac
}

// inward is what protects the other direction, where that differs.
func inward(g *probe.Algorithms) string {
	if g.CipherIn == g.CipherOut && g.MACIn == g.MACOut {
		return ""
	}
	return ", in: " + cipher(g.CipherIn, g.MACIn)
}

// verdict ends the report: the addresses that do not answer, and the failure
// with what to do about it.
func (p *testPrinter) verdict(r *probe.Report) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	p.printf("\n")
	for _, h := range r.Hops {
		for _, a := range h.Addresses {
			if !a.OK && a.Error != "" && len(h.Addresses) > 1 {
				p.printf("note: %s: its address %s does not answer: %s\n", h.Name, a.Addr, a.Error)
			}
		}
		for _, w := range h.OtherWays {
			way := "directly"
			if len(w) > 0 {
				way = "via " + strings.Join(w, " → ")
			}
			p.printf("note: %s: another way to it is not tested: %s\n", h.Name, way)
		}
	}
	h := failedHop(r)
	if h == nil {
		p.printf("%s: good, %s in %s\n", r.Target, plural(len(r.Hops), "hop"), shortDuration(seconds(r.Seconds)))
		return
	}
	f := h.Failure
	p.printf("%s: %s: %s\n", strings.TrimSuffix(hopTitle(h), ", as "+h.User), f.Stage, f.Message)
	for _, line := range failureDetails(h) {
		p.printf("  %s\n", line)
	}
	if f.Why != "" {
		p.printf("  why: %s\n   do: %s\n", f.Why, f.Advice)
	}
	if n := untested(r); len(n) > 0 {
		p.printf("  not tested: %s\n", strings.Join(n, ", "))
	}
}

func untested(r *probe.Report) []string {
	var names []string
	for _, h := range r.Hops {
		if !h.Tested {
			names = append(names, h.Name)
		}
	}
	return names
}

// failureDetails is what was found of the hop that helps with its failure.
func failureDetails(h *probe.Hop) []string {
	var lines []string
	switch h.Failure.Stage {
	case "host key":
		lines = howToTrust(h.HostKey)
	case "authenticate":
		lines = authNotes(h.Auth)
	case "key exchange":
		if h.Server != "" {
			lines = []string{"the server is " + h.Server}
		}
	}
	return lines
}

// authNotes says what there was to log in with.
func authNotes(a *probe.Auth) []string {
	if a == nil {
		return nil
	}
	var lines []string
	switch {
	case a.Agent == "":
		lines = append(lines, "no agent is set (SSH_AUTH_SOCK, IdentityAgent)")
	case a.AgentKeys == 0:
		lines = append(lines, "the agent "+a.Agent+" has no keys to offer")
	}
	return append(lines, a.Notes...)
}
