package hop

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"

	"sallyport/internal/hostkey"
	"sallyport/internal/route"
)

// maxKnownHosts bounds what a KnownHostsCommand may print.
const maxKnownHosts = 16 << 20

// knownHostsCommand is KnownHostsCommand for one hop (ssh_config(5)).
type knownHostsCommand struct {
	hop  route.Hop
	host hostkey.Host
	from Origin
}

// newKnownHostsCommand gives what hostkey.Config.Command wants, nil when the
// hop has no such command.
func newKnownHostsCommand(h route.Hop, host hostkey.Host, from Origin) func(context.Context, string, ssh.PublicKey) ([]byte, error) {
	if h.Options.HostKey.KnownHostsCommand == "" {
		return nil
	}
	c := &knownHostsCommand{hop: h, host: host, from: from}
	return c.run
}

// run starts the command, without a shell, and returns what it printed.
func (c *knownHostsCommand) run(ctx context.Context, reason string, key ssh.PublicKey) ([]byte, error) {
	words, err := splitWords(c.hop.Options.HostKey.KnownHostsCommand)
	if err != nil {
		return nil, fmt.Errorf("KnownHostsCommand: %w", err)
	}
	values := c.values(reason, key)
	for i, word := range words {
		if words[i], err = expandTokens(word, values); err != nil {
			return nil, fmt.Errorf("KnownHostsCommand: %w", err)
		}
	}
	if len(words) == 0 || !filepath.IsAbs(words[0]) {
		return nil, fmt.Errorf("KnownHostsCommand %q: not an absolute path", c.hop.Options.HostKey.KnownHostsCommand)
	}
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env, cmd.Dir = c.from.Env, c.from.Dir
	ownGroup(cmd)
	cmd.Cancel = func() error { killGroup(cmd); return nil }
	cmd.WaitDelay = proxyGrace
	var out, complaint capped
	out.room, complaint.room = maxKnownHosts, 4096
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		if text := strings.TrimSpace(Clean(complaint.String())); text != "" {
			err = fmt.Errorf("%w: %s", err, text)
		}
		return nil, fmt.Errorf("KnownHostsCommand: %w", err)
	}
	return out.Bytes(), nil
}

// capped keeps the first bytes that are written to it.
type capped struct {
	bytes.Buffer
	room int
}

func (c *capped) Write(p []byte) (int, error) {
	keep := min(len(p), c.room)
	c.room -= keep
	c.Buffer.Write(p[:keep])
	return len(p), nil
}

// values are the tokens of ssh_config(5) that KnownHostsCommand accepts.
func (c *knownHostsCommand) values(reason string, key ssh.PublicKey) map[byte]string {
	o := c.hop.Options
	localHost, _ := os.Hostname()
	short, _, _ := strings.Cut(localHost, ".")
	port := strconv.Itoa(o.Port)
	values := map[byte]string{
		'%': "%", 'h': o.HostName, 'n': o.Original, 'p': port, 'r': o.User,
		'k': o.Original, 'l': localHost, 'L': short, 'j': o.Proxy.Jump, 'i': "", 'u': "", 'd': "",
		'C': fmt.Sprintf("%x", sha1.Sum([]byte(localHost+o.HostName+port+o.User))),
		'I': reason, 'H': c.host.Lookup(), 'f': "NONE", 'K': "NONE", 't': "NONE",
	}
	if o.HostKey.Alias != "" {
		values['k'] = o.HostKey.Alias
	}
	if reason == hostkey.ReasonAddress {
		values['H'] = c.host.AddrLookup()
	}
	if me, err := user.Current(); err == nil {
		values['u'], values['d'], values['i'] = me.Username, me.HomeDir, me.Uid
	}
	if key != nil {
		values['f'] = hostkey.Fingerprint(key, o.HostKey.FingerprintHash)
		values['K'] = base64.StdEncoding.EncodeToString(key.Marshal())
		values['t'] = key.Type()
	}
	return values
}

// expandTokens replaces %x by its value.
func expandTokens(s string, values map[byte]string) (string, error) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "%")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		if after == "" {
			return "", fmt.Errorf("%q ends with %%", s)
		}
		value, known := values[after[0]]
		if !known {
			return "", fmt.Errorf("unknown token %q", "%"+after[:1])
		}
		b.WriteString(value)
		s = after[1:]
	}
}

// splitWords cuts a command into words at spaces outside of quotes; a
// backslash keeps a quote or a backslash, and outside of quotes a space, from
// its meaning.
func splitWords(s string) ([]string, error) {
	var words []string
	var word []byte
	inWord := false
	quote := byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s) && (s[i+1] == '\'' || s[i+1] == '"' || s[i+1] == '\\' || quote == 0 && s[i+1] == ' '):
			i++
			word, inWord = append(word, s[i]), true
		case quote == 0 && (c == ' ' || c == '\t'):
			if inWord {
				words, word, inWord = append(words, string(word)), nil, false
			}
		case quote == 0 && (c == '\'' || c == '"'):
			quote, inWord = c, true
		case c == quote:
			quote = 0
		default:
			word, inWord = append(word, c), true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("%q: a quote is not closed", s)
	}
	if inWord {
		words = append(words, string(word))
	}
	return words, nil
}
