// Package hostkey knows which keys belong to which host: known_hosts files
// and KnownHostsCommand output, host certificates and their authorities,
// revocation lists, and the verdict (known, new, changed, revoked) that
// follows from them. It also writes what was learned back to known_hosts.
//
// It must not know how a host is reached or whom to ask about an unknown key:
// it neither dials nor prompts, and StrictHostKeyChecking is its callers' word.
//
// The semantics are OpenSSH's (sshd(8) "SSH_KNOWN_HOSTS FILE FORMAT",
// ssh_config(5), PROTOCOL.krl, PROTOCOL.certkeys). Where they differ on
// purpose, a comment says "Differs from OpenSSH".
package hostkey
