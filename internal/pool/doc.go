// Package pool keeps one master a route and lends it out: single flight for
// concurrent requests, leases, persistence, maximum age, and the tree in
// which a master holds a lease on the master of its parent route. It must not
// know what channels carry, nor the protocols of the sockets in front of it.
package pool
