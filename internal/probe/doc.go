// Package probe tests a route: it dials one hop after another over connections
// of its own, in this process, and reports what each stage brought and how
// long it took. It changes nothing: no known_hosts file, no agent, no shared
// connection. It must not know the terminal or any wording but that of errors;
// what a failure means to a person is its caller's to say, by its cause.
package probe
