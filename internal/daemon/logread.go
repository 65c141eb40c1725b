package daemon

import (
	"bufio"
	"encoding/json"
	"io"
	"os"

	"sallyport/internal/api"
)

// ReadLog reads the log file, also after the daemon has ended: the last records
// as the logbook keeps them. What is no record, such as a crash's last words,
// is left out. The error is fs.ErrNotExist when there is no log.
func (d Dir) ReadLog() ([]api.Record, error) {
	if err := d.Check(); err != nil {
		return nil, err
	}
	f, err := os.Open(d.LogFile())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var records []api.Record
	lines := bufio.NewScanner(io.LimitReader(f, 2*maxLogFile))
	lines.Buffer(nil, maxLogFile)
	for lines.Scan() {
		var r api.Record
		if err := json.Unmarshal(lines.Bytes(), &r); err == nil && r.Message != "" {
			records = append(records, r)
		}
	}
	if extra := len(records) - logbookSize; extra > 0 {
		records = records[extra:]
	}
	return records, lines.Err()
}
