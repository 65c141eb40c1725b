package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"sallyport/internal/sshconfig"
)

// Plan is what fixing some findings changes.
type Plan struct {
	drafts []*sshconfig.Draft
	others []Fix
}

// Change is a file before and after.
type Change struct{ File, Before, After string }

// NewPlan puts the findings' fixes together. Nothing is changed yet.
func NewPlan(findings []Finding) (*Plan, error) {
	p := &Plan{}
	var edits []Fix
	for _, f := range findings {
		for _, fix := range f.Fixes {
			switch fix.Op {
			case Chmod, Mkdir, Remove:
				if !slices.Contains(p.others, fix) {
					p.others = append(p.others, fix)
				}
			default:
				if !slices.Contains(edits, fix) {
					edits = append(edits, fix)
				}
			}
		}
	}
	// From the end to the beginning, so that the numbers of the lines before
	// stay right; of one line, what is put behind it first, then the line.
	slices.SortStableFunc(edits, func(a, b Fix) int {
		if a.Line != b.Line {
			return b.Line - a.Line
		}
		return slices.Index(editOrder, a.Op) - slices.Index(editOrder, b.Op)
	})
	for _, e := range edits {
		if err := p.edit(e); err != nil {
			return nil, err
		}
	}
	return p, nil
}

var editOrder = []Op{AddLine, SetLine, DeleteLine, SetFirst}

// edit adds one change to its file's draft.
func (p *Plan) edit(e Fix) error {
	i := slices.IndexFunc(p.drafts, func(d *sshconfig.Draft) bool { return d.Name == e.File })
	if i < 0 {
		d, err := sshconfig.OpenDraft(e.File)
		if err != nil {
			return fmt.Errorf("fix %s: %w", e.File, err)
		}
		p.drafts = append(p.drafts, d)
		i = len(p.drafts) - 1
	}
	d, ok := p.drafts[i], true
	switch e.Op {
	case SetFirst:
		d.SetFirst(e.Keyword, e.Value)
	case SetLine:
		ok = d.SetLine(e.Line, e.Value)
	case AddLine:
		ok = d.AddLine(e.Line, e.Keyword, e.Value)
	case DeleteLine:
		ok = d.DeleteLine(e.Line)
	}
	if !ok {
		return fmt.Errorf("fix %s line %d: %w", e.File, e.Line, sshconfig.ErrChanged)
	}
	return nil
}

// Changes are the files whose text changes.
func (p *Plan) Changes() []Change {
	var all []Change
	for _, d := range p.drafts {
		before, _ := d.Before()
		all = append(all, Change{d.Name, before, d.String()})
	}
	return all
}

// Commands are the other changes, as a shell would make them.
func (p *Plan) Commands() []string {
	var all []string
	for _, f := range p.others {
		switch f.Op {
		case Chmod:
			all = append(all, fmt.Sprintf("chmod %o %s", f.Mode, f.File))
		case Mkdir:
			all = append(all, "mkdir -m 700 "+f.File)
		case Remove:
			all = append(all, "rm "+f.File)
		}
	}
	return all
}

// Empty reports whether there is nothing to change.
func (p *Plan) Empty() bool { return len(p.drafts) == 0 && len(p.others) == 0 }

// Apply makes the changes. Each file is replaced as a whole or not at all; the
// error says what was not done.
func (p *Plan) Apply() error {
	var failures []error
	for _, d := range p.drafts {
		failures = append(failures, save(d))
	}
	for _, f := range p.others {
		failures = append(failures, f.do())
	}
	return errors.Join(failures...)
}

// save writes one file while no other Sallyport changes its neighbours.
func save(d *sshconfig.Draft) error {
	unlock, err := sshconfig.LockDir(filepath.Dir(d.Name))
	if err != nil {
		return err
	}
	defer unlock()
	return d.Save()
}

func (f Fix) do() error {
	switch f.Op {
	case Chmod:
		return os.Chmod(f.File, f.Mode)
	case Mkdir:
		return os.MkdirAll(f.File, 0o700)
	case Remove:
		return removeSocket(f.File)
	}
	return fmt.Errorf("cannot %s", f.Op)
}

// removeSocket removes a socket only if still nobody listens there.
func removeSocket(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf("remove %s: it is no socket", path)
	}
	if err := dialOnce(path); !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("remove %s: somebody listens there by now", path)
	}
	return os.Remove(path)
}
