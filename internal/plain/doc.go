// Package plain encodes plain data by position, without names: booleans,
// numbers, strings, slices, maps with string keys, pointers, structs whose
// fields are all exported, and time.Time. What was nil stays nil. It is made for
// short processes: it walks the values by reflection and prepares nothing.
//
// A message can be read only by who has the same types. Layout identifies
// them; who exchanges messages compares it first. The package must not know
// what the data means or how it travels.
package plain
