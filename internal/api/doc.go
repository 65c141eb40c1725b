// Package api is our own control protocol between a command and the daemon,
// both ends: JSON requests, questions and notices on the way, and one result.
// It carries requests and performs none, and knows neither the pool nor SSH.
//
// A connection carries one request. Each message is a 32-bit big-endian
// length and that many bytes of JSON, so that nothing beyond a message is ever
// read: after a successful attach the same connection goes on in OpenSSH's
// control-socket protocol.
package api
