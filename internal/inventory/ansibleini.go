package inventory

import (
	"fmt"
	"strconv"
	"strings"
)

// readAnsibleINI reads an inventory in Ansible's INI form.
func readAnsibleINI(text string) ([]Foreign, []string, error) {
	a := newAnsible()
	group, kind := "ungrouped", ""
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' {
			section, _, ok := strings.Cut(line[1:], "]")
			if !ok {
				return nil, nil, fmt.Errorf("line %d: a section is not closed", number)
			}
			group, kind, _ = strings.Cut(section, ":")
			if kind != "" && kind != "vars" && kind != "children" && kind != "hosts" {
				return nil, nil, fmt.Errorf("line %d: section of unknown kind %q", number, kind)
			}
			a.group(group)
			continue
		}
		if err := a.iniLine(group, kind, line); err != nil {
			return nil, nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	return a.foreign(), nil, nil
}

// iniLine reads a line of a section.
func (a *ansible) iniLine(group, kind, line string) error {
	switch kind {
	case "vars":
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return fmt.Errorf("%q is no variable", line)
		}
		a.group(group).vars[strings.TrimSpace(key)] = unquote(strings.TrimSpace(value))
		return nil
	case "children":
		child, _, _ := strings.Cut(line, "#")
		child = strings.TrimSpace(child)
		a.group(child)
		g := a.group(group)
		g.children = append(g.children, child)
		return nil
	}
	words, ok := iniWords(line)
	if !ok || len(words) == 0 {
		return fmt.Errorf("a quote is not closed")
	}
	names, err := hostRange(words[0])
	if err != nil {
		return err
	}
	for _, name := range names {
		name, port := splitPort(name)
		v := a.member(group, name)
		if port != "" {
			v["ansible_port"] = port
		}
		for _, w := range words[1:] {
			key, value, ok := strings.Cut(w, "=")
			if !ok {
				return fmt.Errorf("%q is no variable", w)
			}
			v[key] = value
		}
	}
	return nil
}

// iniWords splits a host's line; a comment ends it. Inside of quotes a
// backslash is left for whoever reads the value.
func iniWords(line string) ([]string, bool) {
	words, ok := shellWords(line)
	for i, w := range words {
		if strings.HasPrefix(w, "#") {
			return words[:i], true
		}
	}
	return words, ok
}

// unquote drops quotes around a value.
func unquote(s string) string {
	if len(s) > 1 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

// splitPort parts "host:22"; more colons are an address.
func splitPort(s string) (host, port string) {
	if strings.Count(s, ":") == 1 {
		host, port, _ = strings.Cut(s, ":")
		if _, err := strconv.Atoi(port); err == nil {
			return host, port
		}
	}
	return s, ""
}

// maxRange bounds what one line may stand for.
const maxRange = 100_000

// hostRange expands "web[01:10]", "db-[a:c]" and "n[0:9:3]".
func hostRange(s string) ([]string, error) {
	before, rest, ok := strings.Cut(s, "[")
	if !ok {
		return []string{s}, nil
	}
	inner, behind, ok := strings.Cut(rest, "]")
	if !ok || !strings.Contains(inner, ":") {
		return []string{s}, nil
	}
	items, err := rangeItems(inner)
	if err != nil {
		return nil, err
	}
	tails, err := hostRange(behind)
	if err != nil {
		return nil, err
	}
	if len(items)*len(tails) > maxRange {
		return nil, fmt.Errorf("%q stands for more than %d hosts", s, maxRange)
	}
	var out []string
	for _, item := range items {
		for _, tail := range tails {
			out = append(out, before+item+tail)
		}
	}
	return out, nil
}

// rangeItems lists what a range stands for.
func rangeItems(s string) ([]string, error) {
	parts := strings.Split(s, ":")
	bad := fmt.Errorf("%q is no range", s)
	if len(parts) > 3 || parts[0] == "" && len(parts) < 2 {
		return nil, bad
	}
	step := 1
	if len(parts) == 3 {
		n, err := strconv.Atoi(parts[2])
		if err != nil || n < 1 {
			return nil, bad
		}
		step = n
	}
	from, to := parts[0], parts[1]
	if from == "" {
		from = "0"
	}
	if len(from) == 1 && len(to) == 1 && isLetter(from[0]) && isLetter(to[0]) && from <= to {
		var out []string
		for c := int(from[0]); c <= int(to[0]); c += step {
			out = append(out, string(rune(c)))
		}
		return out, nil
	}
	first, err := strconv.Atoi(from)
	last, err2 := strconv.Atoi(to)
	if err != nil || err2 != nil || first < 0 || last < first || (last-first)/step >= maxRange {
		return nil, bad
	}
	width := 0
	if len(from) > 1 && from[0] == '0' {
		width = len(from)
	}
	var out []string
	for n := first; n <= last; n += step {
		out = append(out, fmt.Sprintf("%0*d", width, n))
	}
	return out, nil
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
