// Package wake tells when the paths of this machine may have changed: it has
// resumed from sleep, or its addresses or routes are others. Where the system
// does not say, it is silent. It must not know what depends on those paths.
package wake
