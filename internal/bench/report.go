package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Report is what a run found.
type Report struct {
	Date     time.Time `json:"date"`
	Quick    bool      `json:"quick,omitempty"`
	System   System    `json:"system"`
	Versions Versions  `json:"versions"`
	// Algorithms are those of the connection to the target, by client.
	Algorithms map[string]Algorithms `json:"algorithms"`
	Figures    []Figure              `json:"figures"`
}

// System is the machine; Load is its load average before and after.
type System struct {
	Processor string     `json:"processor"`
	Kernel    string     `json:"kernel"`
	Cores     int        `json:"cores"`
	Load      [2]float64 `json:"load"`
}

// Versions are those of the programs.
type Versions struct {
	Sally  string `json:"sally"`
	Peer   string `json:"peer"`
	Server string `json:"server"`
	Go     string `json:"go"`
}

// Algorithms are what a client and the server agreed on.
type Algorithms struct {
	KeyExchange string `json:"key_exchange"`
	Cipher      string `json:"cipher"`
	MAC         string `json:"mac,omitempty"`
}

// Samples are the values of one figure for one client.
type Samples struct {
	Median float64   `json:"median"`
	Min    float64   `json:"min"`
	Max    float64   `json:"max"`
	Values []float64 `json:"values"`
}

func (s *Samples) add(v float64) { s.Values = append(s.Values, v) }

func (s *Samples) finish() {
	if len(s.Values) == 0 {
		return
	}
	sorted := slices.Sorted(slices.Values(s.Values))
	s.Min, s.Max, s.Median = sorted[0], sorted[len(sorted)-1], quantile(sorted, 0.5)
}

// quantile of sorted values.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (sorted[high]-sorted[low])*(at-float64(low))
}

// Figure is one line of the report.
type Figure struct {
	Name  string  `json:"name"`
	Title string  `json:"title"`
	Unit  string  `json:"unit"`
	Peer  Samples `json:"peer"`
	Sally Samples `json:"sally"`
	// More says that a greater value is better.
	More bool `json:"more,omitempty"`
	// Ratio is ours to the peer's; 0 when there is none.
	Ratio float64 `json:"ratio"`
	// Goal is what is to be reached; nil is nothing in particular.
	Goal *Goal `json:"goal,omitempty"`
	// Verdict says whether it was.
	Verdict Verdict `json:"verdict"`
}

// Goal bounds the ratio, or with Of another figure of ours, or with Value the
// value itself: from above, or from below for what should be more.
type Goal struct {
	Bound float64 `json:"bound"`
	Of    string  `json:"of,omitempty"`
	Value bool    `json:"value,omitempty"`
}

// Verdict is how a figure stands to its goal and to the peer.
type Verdict string

// The verdicts.
const (
	Reached    Verdict = "reached"
	NotReached Verdict = "not reached"
	Worse      Verdict = "worse than the peer"
	Better     Verdict = "better than the peer"
)

// figure finds a figure by its name.
func (r *Report) figure(name string) *Figure {
	i := slices.IndexFunc(r.Figures, func(f Figure) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return &r.Figures[i]
}

// finish computes what follows from the samples.
func (r *Report) finish() {
	r.System.Load[1] = load()
	for i := range r.Figures {
		f := &r.Figures[i]
		f.Peer.finish()
		f.Sally.finish()
		if f.Peer.Median != 0 {
			f.Ratio = f.Sally.Median / f.Peer.Median
		}
	}
	for i := range r.Figures {
		r.Figures[i].judge(r)
	}
}

func (f *Figure) judge(r *Report) {
	f.Verdict = Better
	ratio := asShown(f.Ratio)
	if worse := ratio > 1; ratio != 0 && worse != f.More && ratio != 1 {
		f.Verdict = Worse
	}
	if f.Goal == nil {
		return
	}
	value := ratio
	switch {
	case f.Goal.Value:
		value = f.Sally.Median
	case f.Goal.Of != "":
		other := r.figure(f.Goal.Of)
		if other == nil || other.Sally.Median == 0 {
			return
		}
		value = asShown(f.Sally.Median / other.Sally.Median)
	}
	switch {
	case f.More == (value >= f.Goal.Bound) || value == f.Goal.Bound:
		f.Verdict = Reached
	case f.Verdict != Worse:
		f.Verdict = NotReached
	}
}

// asShown is a ratio as the table has it: what is beyond two digits is noise.
func asShown(ratio float64) float64 { return math.Round(ratio*100) / 100 }

// JSON is the report for programs.
func (r *Report) JSON() ([]byte, error) {
	text, err := json.MarshalIndent(r, "", "  ")
	return append(text, '\n'), err
}

// newReport says what is measured, and with what.
func (b *bench) newReport(ctx context.Context) (*Report, error) {
	r := &Report{
		Date: time.Now().UTC().Truncate(time.Second), Quick: b.Quick, Algorithms: map[string]Algorithms{},
		System:   System{Processor: processor(), Kernel: kernel(), Cores: runtime.NumCPU(), Load: [2]float64{load()}},
		Versions: Versions{Sally: versionOf(ctx, b.Sally), Peer: versionOf(ctx, b.Peer), Go: runtime.Version()},
	}
	said, err := b.peerSays(ctx)
	if err != nil {
		return nil, err
	}
	r.Versions.Server = after(said, "remote software version ")
	r.Algorithms["peer"] = Algorithms{KeyExchange: after(said, "kex: algorithm: "), Cipher: after(said, "client->server cipher: "), MAC: after(said, "client->server cipher: ", " MAC: ")}
	r.Algorithms["sally"], err = b.ourAlgorithms(ctx)
	return r, err
}

// peerSays is what the peer says about a connection to the target with -v.
func (b *bench) peerSays(ctx context.Context) (string, error) {
	// Into a file: the masters of the jump hosts keep their standard error.
	log, err := os.Create(filepath.Join(b.dir, "algorithms.log"))
	if err != nil {
		return "", err
	}
	defer log.Close()
	cmd := b.peer.command(ctx, "-v", "-o", "ControlMaster=no", "-o", "ControlPath=none", "target", "true")
	cmd.Stderr = log
	err = cmd.Run()
	said, _ := os.ReadFile(log.Name())
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, said)
	}
	// The last hop's lines come last.
	if at := strings.LastIndex(string(said), "remote software version"); at >= 0 {
		said = said[at:]
	}
	return string(said), nil
}

// after is the word that follows marks in text.
func after(text string, marks ...string) string {
	for _, mark := range marks {
		_, rest, found := strings.Cut(text, mark)
		if !found {
			return ""
		}
		text = rest
	}
	line, _, _ := strings.Cut(text, "\n")
	word, _, _ := strings.Cut(line, " ")
	return strings.TrimSpace(word)
}

// ourAlgorithms asks our daemon.
func (b *bench) ourAlgorithms(ctx context.Context) (Algorithms, error) {
	if _, err := b.ours.run(ctx, "target", "true"); err != nil {
		return Algorithms{}, err
	}
	defer b.ours.disconnect(ctx)
	cmd := exec.CommandContext(ctx, b.Sally, "status", "--json")
	cmd.Env = b.ours.env
	out, err := cmd.Output()
	if err != nil {
		return Algorithms{}, fmt.Errorf("sally status: %w", err)
	}
	// The table's shape is not ours to know: the first of each will do, all
	// hops being alike.
	text := string(out)
	return Algorithms{KeyExchange: quoted(text, `"key_exchange":`), Cipher: quoted(text, `"cipher":`)}, nil
}

// quoted is the first string behind a key of a JSON text.
func quoted(text, key string) string {
	_, rest, _ := strings.Cut(text, key)
	if parts := strings.SplitN(rest, `"`, 3); len(parts) == 3 {
		return parts[1]
	}
	return ""
}

// versionOf is a program's first word on itself.
func versionOf(ctx context.Context, path string) string {
	out, _ := exec.CommandContext(ctx, path, "-V").CombinedOutput()
	line, _, _ := strings.Cut(string(out), "\n")
	if line == "" {
		return filepath.Base(path)
	}
	return strings.TrimSpace(line)
}

// WriteFile puts text into a file, whole or not at all.
func WriteFile(path string, text []byte) error {
	temp := path + ".new"
	if err := os.WriteFile(temp, text, 0o644); err != nil {
		return err
	}
	return os.Rename(temp, path)
}
