package sshargs

// Awaited is the flag whose argument is still to come behind args, 0 for none.
func Awaited(args []string) byte {
	s := &scanner{args: args}
	for {
		if s.rest == "" && s.next < len(args) && len(args[s.next]) > 2 && args[s.next][:2] == "--" {
			s.next++
			continue
		}
		f, _, ok, err := s.flag()
		switch {
		case err != nil && f != nil:
			return f.letter
		case err != nil || !ok:
			return 0
		}
	}
}

// Letters lists ssh's flags as they are typed, for completion: "-A".
func Letters() []string {
	var all []string
	for _, f := range flags {
		if !f.obsolete {
			all = append(all, "-"+string(f.letter))
		}
	}
	return all
}
