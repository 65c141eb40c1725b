package api

import "slices"

// Through are the masters that run through the one with a number. 0 stands for
// the machine itself, and for a master that is not in the list: who runs through
// one that has just ended will end, too.
func Through(all []Master, number int) []Master {
	return slices.DeleteFunc(slices.Clone(all), func(m Master) bool {
		through := m.Through
		if !slices.ContainsFunc(all, func(o Master) bool { return o.Number == through }) {
			through = 0
		}
		return through != number
	})
}
