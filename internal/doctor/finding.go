package doctor

import (
	"io/fs"
	"slices"
)

// Severity is how bad a finding is.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // something does not work, or not as it is written, or is not safe
	Warning Severity = "warning" // it will hurt some day
	Note    Severity = "note"    // good to know
)

// Finding is something that is not as it should be.
type Finding struct {
	ID       string   `json:"id"` // of the check
	Severity Severity `json:"severity"`
	// File and Line are where it is; Line is 0 for a whole file, File "" for
	// what is in none.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	// Hosts are the names concerned, none for all or when it matters to none
	// in particular.
	Hosts []string `json:"hosts,omitempty"`
	What  string   `json:"what"`
	Why   string   `json:"why"`
	Fix   string   `json:"fix"` // what to do
	// Fixable is set when Apply can do it.
	Fixable bool `json:"fixable"`
	// Fixes are what Apply does.
	Fixes []Fix `json:"-"`
}

// Op is what a Fix does.
type Op string

// The operations of fixes.
const (
	SetFirst   Op = "set first"   // Keyword and Value at the top of File
	SetLine    Op = "set line"    // the statement on Line of File has Value
	AddLine    Op = "add line"    // Keyword and Value behind Line of File
	DeleteLine Op = "delete line" // Line of File goes
	Chmod      Op = "chmod"       // File has Mode
	Mkdir      Op = "mkdir"       // directory File is made, 0700
	Remove     Op = "remove"      // File, a socket that nobody listens on
)

// Fix is one change.
type Fix struct {
	Op             Op
	File           string
	Line           int
	Keyword, Value string
	Mode           fs.FileMode
}

// Report is what an examination found.
type Report struct {
	Findings []Finding `json:"findings"`
	// Checked says what was looked at.
	Checked Checked `json:"checked"`
}

// Checked counts what was looked at.
type Checked struct {
	Checks int      `json:"checks"`
	Files  []string `json:"files"` // of the configuration
	Hosts  int      `json:"hosts"`
	// Unresolved are hosts of which nobody knows what applies to them, since the
	// reading ends at an error: what is wrong with them is not found.
	Unresolved int      `json:"unresolved,omitempty"`
	Keys       int      `json:"keys"`
	KnownHosts []string `json:"known_hosts"`
	Sockets    int      `json:"sockets"`
	Agents     int      `json:"agents"`
	// Cut is set when the time was up before all was looked at.
	Cut bool `json:"cut,omitempty"`
}

// Worst reports whether there is a finding of severity Error.
func (r *Report) Worst() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Severity == Error })
}

// rank orders severities.
func (s Severity) rank() int { return slices.Index([]Severity{Error, Warning, Note}, s) }
