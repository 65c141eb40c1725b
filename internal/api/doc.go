// Package api is our own control protocol between a command and the daemon,
// both ends: requests, questions and notices on the way, and one result. It
// carries requests and performs none, and knows neither the pool nor SSH.
//
// A connection carries one request. Each message is a 32-bit big-endian
// length and that many bytes, so that nothing beyond a message is ever read:
// after a successful attach the same connection goes on in OpenSSH's
// control-socket protocol. The first message says which messages the command
// knows; all others are encoded by position (package plain), which only the same
// messages can be read by.
package api
