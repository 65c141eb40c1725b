package mux

import "context"

// Hold waits until the master closes the connection, which makes ErrLost, or
// ctx ends. It is for a client that wants the master to stay and nothing else.
func (c *Client) Hold(ctx context.Context) error {
	defer c.interruptible(ctx)()
	var one [1]byte
	_, err := c.c.conn.Read(one[:])
	if err == nil {
		return protocolErrorf("a message that nobody asked for")
	}
	return ctxError(ctx, lost(err))
}
