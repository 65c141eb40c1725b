package secret

// Cheap makes passphrases quick to try.
func (s *Store) Cheap() *Store { s.work = 4; return s }
