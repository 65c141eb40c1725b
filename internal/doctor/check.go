package doctor

import (
	"context"
	"slices"
	"strings"

	"sallyport/internal/sshconfig"
)

// check looks for one kind of trouble. Its texts are what a finding says
// unless it knows better.
type check struct {
	id       string
	severity Severity
	why      string
	fix      string
	find     func(*setup) []Finding
}

// groups are all checks, by what they look at.
var groups = [][]check{fileChecks, blockChecks, jumpChecks, controlChecks, socketChecks, keyChecks, agentChecks, trustChecks, knownHostsChecks, daemonChecks}

// About is what a check is for, for documents.
type About struct {
	ID       string
	Severity Severity
	Why, Fix string
}

// Checks lists all checks.
func Checks() []About {
	var all []About
	for _, g := range groups {
		for _, c := range g {
			all = append(all, About{c.id, c.severity, c.why, c.fix})
		}
	}
	return all
}

// Run examines a setup. The error is about what keeps it from looking at all;
// what is wrong with the setup is in the report. When ctx ends first, the
// report says that it was cut.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	s, err := newSetup(ctx, cfg)
	if err != nil {
		return nil, err
	}
	report := &Report{}
	for _, g := range groups {
		for _, c := range g {
			s.checked.Checks++
			if ctx.Err() != nil {
				s.checked.Cut = true
				continue
			}
			for _, f := range c.find(s) {
				if s.system(f.File) {
					f.Fixes = nil // it is the administrator's
				}
				report.Findings = append(report.Findings, c.complete(f))
			}
		}
	}
	report.Findings = merge(report.Findings)
	slices.SortStableFunc(report.Findings, func(a, b Finding) int { return a.Severity.rank() - b.Severity.rank() })
	s.countFiles()
	report.Checked = s.checked
	return report, nil
}

// system reports whether a file is one of the system's.
func (s *setup) system(file string) bool {
	return slices.ContainsFunc(s.statements, func(st sshconfig.Statement) bool { return st.System && st.File == file })
}

// complete fills in what the finding does not say.
func (c check) complete(f Finding) Finding {
	f.ID = c.id
	if f.Severity == "" {
		f.Severity = c.severity
	}
	if f.Why == "" {
		f.Why = c.why
	}
	if f.Fix == "" {
		f.Fix = c.fix
	}
	f.Fixable = len(f.Fixes) > 0
	return f
}

// merge joins what is the same at the same place, for several hosts.
func merge(all []Finding) []Finding {
	merged := []Finding{} // no null in JSON
	index := make(map[string]int)
	for _, f := range all {
		key := strings.Join([]string{f.ID, f.File, itoa(f.Line), f.What}, "\x00")
		if i, seen := index[key]; seen {
			for _, h := range f.Hosts {
				if !slices.Contains(merged[i].Hosts, h) {
					merged[i].Hosts = append(merged[i].Hosts, h)
				}
			}
			continue
		}
		index[key] = len(merged)
		merged = append(merged, f)
	}
	return merged
}

// countFiles notes which files of the configuration were read.
func (s *setup) countFiles() {
	add := func(name string) {
		if name != "" && !slices.Contains(s.checked.Files, name) {
			s.checked.Files = append(s.checked.Files, name)
		}
	}
	if s.files == nil {
		return
	}
	add(s.files.UserFile())
	for _, st := range s.statements {
		add(st.File)
	}
	add(s.files.SystemFile())
}
