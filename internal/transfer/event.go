package transfer

import "fmt"

// Kind is what an Event tells.
type Kind int

// The kinds of events.
const (
	Found    Kind = iota // a file of Size will be copied
	Scanned              // every file has been found
	Started              // a file's copying begins, with Bytes there already
	Moved                // Bytes more of a file are copied
	Done                 // a file, directory or link is whole
	Present              // a file was there already and is left alone
	Verified             // checksums agree; Text says how the far side's was made
	Skipped              // something that cannot be copied was left out; Text says why
	Noted                // Text is worth knowing
	Failed               // something was not copied: Err
)

var kindNames = [...]string{"found", "scanned", "started", "moved", "done", "present", "verified", "skipped", "note", "failed"}

func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("kind %d", int(k))
	}
	return kindNames[k]
}

// Event is one step of a copy. Name is the source's as a command line has it;
// it holds whatever bytes the file's name has.
type Event struct {
	Kind  Kind
	Name  string
	To    string
	Size  int64
	Bytes int64
	Text  string
	Err   error
}

// Totals is what a copy came to.
type Totals struct {
	Files, Dirs, Links int
	// Present are files that were whole already.
	Present int
	Skipped int
	Failed  int
	// Bytes went over the connections; Resumed did not have to.
	Bytes, Resumed int64
}

// add counts an event.
func (t *Totals) add(e Event) {
	switch e.Kind {
	case Started:
		t.Resumed += e.Bytes
	case Moved:
		t.Bytes += e.Bytes
	case Present:
		t.Present++
	case Skipped:
		t.Skipped++
	case Failed:
		t.Failed++
	}
}
