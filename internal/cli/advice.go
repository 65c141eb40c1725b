package cli

import (
	"strings"
)

// failure is a hop that could not be reached, or was lost.
type failure struct {
	hop, via, addr string
	stage, cause   string
}

// advice is about one cause of failures (hop.Cause): why it likely happened
// and what to do, or to ask somebody for. {hop}, {via}, {addr} and {host} stand
// for the hop's alias, the one it is dialled through, its address, and that
// without the port.
type advice struct{ why, do string }

// adviceFor fills in what is known of a failure; ok is false when there is
// nothing to add to the error itself.
func adviceFor(f failure) (a advice, ok bool) {
	a, ok = adviceTable[f.cause]
	if f.via != "" {
		if behind, has := adviceBehind[f.cause]; has {
			a, ok = behind, true
		}
	}
	host := f.addr
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		host = strings.Trim(host[:i], "[]")
	}
	via := f.via
	if via == "" {
		via = "the jump host"
	}
	fill := strings.NewReplacer("{hop}", f.hop, "{via}", via, "{addr}", f.addr, "{host}", host)
	return advice{fill.Replace(a.why), fill.Replace(a.do)}, ok
}

// adviceTable has the causes of package hop.
var adviceTable = map[string]advice{
	"name-unknown": {"no \"Host {hop}\" in your configuration names an address for it, or the name server does not know it",
		"correct HostName (\"sally ssh -G {hop}\" shows it); if only a jump host knows the name, set ProxyJump"},
	"resolver": {"the name server did not answer as it should", "check this machine's network, or give HostName an address"},

	"refused": {"nothing listens on {addr}, or a firewall says so",
		"check HostName and Port; else ask the administrator whether sshd runs there and on which port"},
	"unreachable": {"this machine has no way to {addr}", "check the network or VPN; if {hop} is behind a jump host, set ProxyJump"},
	"silent": {"{addr} does not answer: it is down, or a firewall drops what comes from here",
		"check the network or VPN; if {hop} is behind a jump host, set ProxyJump"},
	"proxy": {"the ProxyCommand ended before an SSH server was heard", "run it by hand; what it says goes to standard error"},

	"forwarding": {"{via} does not let you through to {addr}: not a matter of keys or passwords",
		"ask {via}'s administrator for AllowTcpForwarding yes (or local), DisableForwarding no and a PermitOpen that has {addr}, " +
			"and no \"restrict\" or \"no-port-forwarding\" before your key in authorized_keys"},
	"unsafe-jump": {"the jump host's key is not the known one; StrictHostKeyChecking no lets a command run there, and nothing go through",
		"have its administrator confirm the new key, then correct known_hosts"},
	"far-name": {"{via} does not know the name {host}: behind a jump host, the jump host looks names up",
		"give {hop} a HostName that {via} knows, or an address; else ask {via}'s administrator about its name servers"},
	"far-refused": {"{via} reached {host}, and nothing listens on {addr}",
		"check HostName and Port of {hop}; else ask its administrator whether sshd runs there"},
	"far-unreachable": {"{via} has no way to {addr}", "check HostName of {hop}; else ask {via}'s administrator about routes and firewalls"},
	"far-silent": {"{addr} does not answer {via}: it is down, or a firewall between the two drops packets",
		"ask {via}'s administrator whether it may reach {addr}"},
	"no-forwarding": {"{via}'s server cannot forward at all", "ask its administrator for an SSH server that does, or for another jump host"},
	"sessions":      {"{hop} lets you in and opens no session", "ask its administrator for MaxSessions 1 or more; 0 only lets through"},
	"shortage":      {"{via} has no resources left for one more channel", "close what you do not need (\"sally status\"), or wait"},

	"startups": {"too many connections to {hop} are logging in at this moment (MaxStartups)",
		"wait and try again; if it stays so, ask its administrator for a higher MaxStartups"},
	"penalty": {"{hop} refuses your address for a while, after failed logins from there (PerSourcePenalties)",
		"wait a few minutes; its administrator can exempt the address (PerSourcePenaltyExemptList)"},
	"not-ssh":        {"something other than an SSH server listens on {addr}", "check HostName and Port"},
	"closed-at-once": {"a firewall, fail2ban or hosts.deny on {hop} may refuse your address; or its sshd is starting or overloaded", "wait and try again; else ask its administrator"},
	"mute":           {"the connection stands and the server is silent: it is overloaded, or something on the way swallows data", "try again; else ask the administrator of {hop}"},

	"algorithms": {"{hop} is much older or newer than this program, or an option limits one side",
		"see what both offer above; options like KexAlgorithms and HostKeyAlgorithms are often the reason, else the server needs an update"},
	"kex-closed": {"something between here and {hop} ended the connection, often a firewall that inspects it", "try another network; else ask the administrator of {hop} for its log"},
	"kex-silent": {"small packets come through and large ones do not (MTU), or the server is overloaded", "try a smaller MTU on a VPN; else ask the administrator"},
	"damaged":    {"something on the way changes what is sent", "try another network; this is no matter of the configuration"},

	"key-new": {"{hop} is not in known_hosts", "have the fingerprint confirmed by its administrator, then answer yes to \"sally {hop}\" on a terminal"},
	"key-changed": {"somebody may be listening in, or the host was set up anew",
		"if the administrator confirms the new key, remove the old line that is named above"},
	"key-revoked":  {"its key was revoked: somebody else may have it", "do not go on; ask the administrator for a host with a new key"},
	"key-unusable": {"the key cannot be checked", "see the reason above"},

	"no-keys":          {"{hop} wants a key and there is none to offer", "set IdentityFile, or add a key to the agent (\"ssh-add\"); \"sally doctor {hop}\" says what is left out"},
	"no-methods":       {"{hop} accepts nothing that your options allow and this program has", "see PreferredAuthentications and the …Authentication options of {hop}; else ask its administrator"},
	"too-many-keys":    {"the agent holds many keys and the server counts each one offered (MaxAuthTries)", "set IdentityFile and \"IdentitiesOnly yes\" for {hop}"},
	"keys-refused":     {"{hop} knows none of your keys for this user, or the account is locked, expired or not allowed in", "check User; then ask the administrator to add your public key to authorized_keys and to look at sshd's log"},
	"secret-refused":   {"what was typed is wrong, or the account is locked or expired", "check User; then ask the administrator"},
	"more-wanted":      {"one step succeeded and {hop} wants another", "answer its next question; with BatchMode or without a terminal nobody is asked"},
	"nobody":           {"{hop} asks a question and there is no terminal", "run it on a terminal, set SSH_ASKPASS, or use a key"},
	"password-expired": {"the password must be changed first", "log in with plain ssh on a terminal and change it"},
	"account": {"{hop} accepted what you showed and then closed: the account may be locked or expired, or its rules keep it out",
		"ask the administrator to look at sshd's log (PAM, AllowUsers, chage -l)"},
	"auth-closed": {"{hop} closed during the login: a time limit (LoginGraceTime), or too many attempts", "try again; else ask the administrator for sshd's log"},
	"auth-silent": {"{hop} does not answer the login: often a slow name lookup or directory (LDAP) on its side", "try again later; else ask the administrator (UseDNS no helps)"},

	"fell-quiet": {"nothing comes back from {hop} any more: the network changed, or the host hangs", "the next command dials anew"},
}

// adviceBehind is where a jump host makes the advice another one.
var adviceBehind = map[string]advice{
	"closed-at-once": {"{hop} may refuse the address of {via}, or its sshd is starting or overloaded", "wait and try again; else ask its administrator"},
	"silent":         {"{addr} does not answer {via}", "ask {via}'s administrator whether it may reach {addr}"},
}
