// Package inventory is the hosts of the user's ssh configuration: it lists
// them with their tags and their ways, adds, edits and removes them, and
// exchanges them with known_hosts, Ansible and CSV. What a keyword is called
// and how a file is changed it leaves to sshconfig; it must not know the
// terminal, connections or the daemon.
package inventory
