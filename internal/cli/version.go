package cli

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"sallyport/internal/api"
	"sallyport/internal/daemon"
	"sallyport/internal/mux"
)

// Build is what a release build is told about itself; only Version must be
// set.
type Build struct {
	Version string
	Commit  string // with "+changes" behind it when there were some
	Date    string // the commit's, RFC 3339
}

// versionReport is what "version --json" prints.
type versionReport struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Date     string `json:"date,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Speaks   speaks `json:"speaks"`
	Daemon   bool   `json:"daemon"` // whether this system can have one
}

// speaks are the versions of the protocols.
type speaks struct {
	SSH     string `json:"ssh"`
	Mux     int    `json:"mux"`     // OpenSSH's control sockets
	Control int    `json:"control"` // our daemon's
}

func (v *verbCommand) versionVerb() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use: "version", Short: "print the version", Args: noArgs,
		Example: "  sally version\n  sally version --json | jq -r .commit",
		RunE: func(*cobra.Command, []string) error {
			r := v.versionReport()
			if asJSON {
				return v.printJSON(r)
			}
			fmt.Fprintln(v.out, r)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a *App) versionReport() versionReport {
	build := a.build.orOfGo()
	return versionReport{
		Version: a.Version, Commit: build.Commit, Date: build.Date,
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Speaks: speaks{SSH: "2.0", Mux: mux.Version, Control: api.Version},
		Daemon: daemon.Supported() == nil,
	}
}

// orOfGo fills in what "go build" has noted by itself, in a repository.
func (b Build) orOfGo() Build {
	info, ok := debug.ReadBuildInfo()
	if b.Commit != "" || !ok {
		return b
	}
	noted := map[string]string{}
	for _, s := range info.Settings {
		noted[s.Key] = s.Value
	}
	b.Commit, b.Date = noted["vcs.revision"], cmp.Or(b.Date, noted["vcs.time"])
	if b.Commit != "" && noted["vcs.modified"] == "true" {
		b.Commit += "+changes"
	}
	return b
}

// String is the one line for people: "sally 1.2.0 (commit 0123456789ab, 2026-01-02)".
func (r versionReport) String() string {
	line := "sally " + r.Version
	if r.Commit == "" {
		return line
	}
	line += " (commit " + shortCommit(r.Commit)
	if len(r.Date) >= len("2026-01-02") {
		line += ", " + r.Date[:len("2026-01-02")]
	}
	return line + ")"
}

// shortCommit keeps the first twelve digits, and what is behind a "+".
func shortCommit(commit string) string {
	const digits, hash = 12, 40
	if len(commit) < hash {
		return commit
	}
	return commit[:digits] + commit[hash:]
}
