package sshconfig

import (
	"strings"
	"time"
)

// ChannelTimeout is one "type=interval" of the keyword of that name
// (ssh_config(5), OpenSSH 9.5 and later).
type ChannelTimeout struct {
	// Type is a pattern of channel types, or "global".
	Type string
	// After is the time without traffic, 0 for no limit.
	After time.Duration
}

// ChannelTimeouts are the limits in the order in which they were given.
type ChannelTimeouts []ChannelTimeout

// globalTimeout is the type that means all channels taken together; no
// pattern matches it.
const globalTimeout = "global"

// For is the limit of a channel type, that of the first pattern that matches
// it; 0 for none.
func (l ChannelTimeouts) For(channelType string) time.Duration {
	for _, t := range l {
		if t.Type != globalTimeout && matchPattern(channelType, t.Type) {
			return t.After
		}
	}
	return 0
}

// Global is the limit for all channels taken together, 0 for none.
func (l ChannelTimeouts) Global() time.Duration {
	for _, t := range l {
		if t.Type == globalTimeout {
			return t.After
		}
	}
	return 0
}

// channelTimeouts types the words of the keyword, which were checked when
// they were read.
func channelTimeouts(words []string) ChannelTimeouts {
	var all ChannelTimeouts
	for _, w := range words {
		kind, interval, ok := strings.Cut(w, "=")
		seconds, isTime := parseTime(interval)
		if ok && isTime {
			all = append(all, ChannelTimeout{Type: kind, After: time.Duration(seconds) * time.Second})
		}
	}
	return all
}
