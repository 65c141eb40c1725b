package inventory

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"sallyport/internal/sshconfig"
)

// csvColumns are the names that columns go by in the files of several
// programs, Termius among them.
var csvColumns = map[string]string{
	"name": "name", "label": "name", "alias": "name", "title": "name", "session name": "name",
	"hostname": "host", "host": "host", "address": "host", "ip": "host", "hostname/ip": "host", "ip address": "host", "host name": "host",
	"port": "port", "user": "user", "username": "user", "user name": "user", "login": "user",
	"jump": "jump", "proxyjump": "jump", "proxy jump": "jump", "jump host": "jump", "jumphost": "jump", "via": "jump", "gateway": "jump", "bastion": "jump", "host chain": "jump", "host chaining": "jump",
	"alternates": "alternates", "alternate": "alternates",
	"identity": "identities", "identities": "identities", "identity file": "identities", "identityfile": "identities", "key": "identities", "ssh_key": "key text", "ssh key": "key text",
	"tags": "tags", "tag": "tags", "groups": "groups", "group": "groups", "folder": "groups",
	"protocol": "protocol", "password": "password",
	"local_forwards": "local", "remote_forwards": "remote", "dynamic_forwards": "dynamic",
}

// readCSV reads a table with a line of column names.
func readCSV(text string) ([]Foreign, []string, error) {
	first, _, _ := strings.Cut(text, "\n")
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord = -1
	r.TrimLeadingSpace = true
	for _, comma := range []rune{';', '\t'} {
		if strings.Count(first, string(comma)) > strings.Count(first, ",") {
			r.Comma = comma
		}
	}
	head, err := r.Read()
	if err != nil {
		return nil, nil, fmt.Errorf("read the line of column names: %w", err)
	}
	var notes []string
	columns := make([]string, len(head))
	named, hosted := false, false
	for i, name := range head {
		columns[i] = csvColumns[strings.ToLower(strings.TrimSpace(name))]
		if columns[i] == "" {
			notes = append(notes, fmt.Sprintf("the column %q was left out", name))
		}
		named, hosted = named || columns[i] == "name", hosted || columns[i] == "host"
	}
	if !named && !hosted {
		return nil, nil, errors.New("no column is called name, label or hostname")
	}
	var hosts []Foreign
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return hosts, notes, nil
		}
		if err != nil {
			return nil, nil, err
		}
		row := map[string]string{}
		for i, cell := range record {
			if i < len(columns) && columns[i] != "" && row[columns[i]] == "" {
				row[columns[i]] = strings.TrimSpace(cell)
			}
		}
		if row["name"] != "" || row["host"] != "" {
			hosts = append(hosts, csvHost(row))
		}
	}
}

// csvHost makes a host of a row.
func csvHost(row map[string]string) Foreign {
	f := Foreign{Name: plainName(row["name"])}
	if f.Name == "" {
		f.Name = plainName(row["host"])
	}
	f.Entry = sshconfig.Entry{
		HostName: row["host"], User: row["user"],
		Alternates: listCell(row["alternates"]), Identities: listCell(row["identities"]),
		Local: listCell(row["local"]), Remote: listCell(row["remote"]), Dynamic: listCell(row["dynamic"]),
	}
	for _, jump := range strings.FieldsFunc(row["jump"], func(r rune) bool { return r == ',' || r == ';' || r == '>' }) {
		if jump = plainName(jump); jump != "" {
			f.Entry.Jump = append(f.Entry.Jump, jump)
		}
	}
	for _, tag := range append(tagCell(row["tags"]), tagCell(row["groups"])...) {
		f.Entry.Tags = append(f.Entry.Tags, plainName(tag))
	}
	if p := row["port"]; p != "" {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			f.Err = fmt.Errorf("%q is no port", p)
		}
		f.Entry.Port = int(n)
	}
	if p := strings.ToLower(row["protocol"]); p != "" && p != "ssh" {
		f.Err = fmt.Errorf("it is not reached by ssh: the protocol is %s", p)
	}
	for _, secret := range []string{"password", "key text"} {
		if row[secret] != "" {
			f.note("its %s was left out: secrets are not kept in a configuration", strings.TrimSuffix(secret, " text"))
		}
	}
	return f
}

// plainName makes a label fit for a command line: words are joined by "-".
func plainName(s string) string { return strings.Join(strings.Fields(s), "-") }

// listCell parts a cell with several values.
func listCell(s string) []string {
	return withoutBlank(strings.Split(s, ";"))
}

// tagCell parts a cell of tags or of groups, which may be paths.
func tagCell(s string) []string {
	return withoutBlank(strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ';' || r == '/' || r == '|' }))
}

func withoutBlank(list []string) []string {
	var out []string
	for _, s := range list {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}
