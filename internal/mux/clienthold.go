package mux

import "context"

// Hold waits until the master closes the connection, which makes ErrLost, or a
// Lost if the master says why, or ctx ends. It is for a client that wants the
// master to stay and nothing else.
func (c *Client) Hold(ctx context.Context) error {
	defer c.interruptible(ctx)()
	body, err := c.c.readPacket()
	if err != nil {
		return ctxError(ctx, lost(err))
	}
	d := &decoder{b: body}
	kind, _ := d.uint32(), d.uint32()
	reason := d.string()
	if d.err != nil || kind != repFailure {
		return protocolErrorf("a message that nobody asked for")
	}
	return Lost{reason}
}
