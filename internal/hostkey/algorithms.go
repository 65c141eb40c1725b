package hostkey

import (
	"context"
	"slices"
)

// Algorithms orders the host key algorithms in preferred (HostKeyAlgorithms)
// so that those come first with which h can prove a key that is known: those
// for the types of its listed keys, and those for certificates when it has an
// authority. The order is otherwise kept; for an unknown host, and for one
// whose known keys fit the first preference, the list is returned as it is.
//
// OpenSSH asks this only when HostKeyAlgorithms is its default or adds to it
// or takes from it. sshconnect2.c: order_hostkeyalgs.
func (s *Store) Algorithms(ctx context.Context, h Host, preferred []string) ([]string, error) {
	host, name := lookup{name: h.Lookup()}, lookup{name: asciiLower(h.Name)}
	s.scanFiles(&host)
	// Here OpenSSH matches the command's lines against the name without port.
	if err := s.scanCommand(ctx, ReasonOrder, nil, &name); err != nil {
		return nil, err
	}
	entries := append(host.entries, name.entries...)
	if len(preferred) == 0 || len(entries) == 0 || typeKnown(entries, preferred[0]) {
		return preferred, nil
	}
	hasCA := slices.ContainsFunc(entries, func(e entry) bool { return e.Marker == MarkerCA })
	var first, last []string
	for _, algo := range preferred {
		if isCertAlgo(algo) && hasCA || typeKnown(entries, algo) {
			first = append(first, algo)
		} else {
			last = append(last, algo)
		}
	}
	return append(first, last...), nil
}

// typeKnown reports whether the first listed key of algo's plain type exists
// and is not revoked.
func typeKnown(entries []entry, algo string) bool {
	format := plainFormat(algo)
	for _, e := range entries {
		if e.Marker == "" && e.Key.Type() == format {
			status, _ := judge(entries, e.Key)
			return status == Known
		}
	}
	return false
}
