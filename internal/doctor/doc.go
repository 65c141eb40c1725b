// Package doctor looks at a user's whole ssh setup (configuration, known_hosts,
// keys, agent, control sockets, our own runtime directory) for what does not
// work, works otherwise than it looks, or is not safe. It is a table of checks;
// each finds Findings, with the place, the reason and, where that is safe, a
// Fix. It uses no network, runs no command of the configuration and changes
// nothing but by Apply; it must not know the terminal.
package doctor
