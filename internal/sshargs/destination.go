package sshargs

import (
	"net"
	"os"
	"strconv"
	"strings"

	"sallyport/internal/sshconfig"
)

// destination reads [user@]host or ssh://[user@]host[:port]. A user or port
// that is already set stays.
func (p *parser) destination(word string) error {
	user, host, port, ok := sshconfig.ParseDestination(word, environment())
	if !ok {
		return failUsage("")
	}
	p.inv.Host = host
	if user != "" {
		p.set.offer("User", sshconfig.Quote(user), "destination")
	}
	if port != 0 {
		p.set.offer("Port", itoa(port), "destination")
	}
	return nil
}

// environment is what reading a word may need of the process.
func environment() sshconfig.Env {
	return sshconfig.Env{Getenv: os.LookupEnv, LookupService: lookupService}
}

// lookupService finds the port of a TCP service's name.
func lookupService(name string) (int, bool) {
	port, err := net.LookupPort("tcp", name)
	return port, err == nil
}

// validHost refuses what a shell or an option parser further on could
// misread (readconf.c: ssh_valid_hostname).
func validHost(s string) bool {
	return !strings.HasPrefix(s, "-") && !strings.ContainsFunc(s, func(r rune) bool {
		return isControl(r) || strings.ContainsRune("'`\"$\\;&<>|(){}, ", r)
	})
}

// validUser does the same for a user name, which may hold blanks, "$" and
// backslashes within limits (readconf.c: ssh_valid_ruser).
func validUser(s string) bool {
	if strings.HasPrefix(s, "-") || strings.Contains(s, " -") || strings.HasSuffix(s, `\`) {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return isControl(r) || strings.ContainsRune("'`\";&<>|(){}", r)
	})
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }

// validJump checks a ProxyJump value, and that each hop's names are harmless.
func validJump(s string) bool {
	hops, err := sshconfig.ParseJump(s, environment())
	for _, hop := range hops {
		if !validHost(hop.Host) || !validUser(hop.User) {
			return false
		}
	}
	return err == nil && s != ""
}

// parsePort reads a port number, 0 included, or the name of a TCP service.
func parsePort(s string) (int, bool) {
	if n, ok := number(s); ok {
		return int(n), n >= 0 && n <= 65535
	}
	if s == "" {
		return 0, false
	}
	return lookupService(s)
}

// number reads a decimal as strtonum(3) does: blanks and a sign may precede.
func number(s string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimLeft(s, blanks), 10, 64)
	return n, err == nil
}

func itoa(n int) string { return strconv.Itoa(n) }
