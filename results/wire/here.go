package wire

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// HelperWord is the first argument of this program where it is started, as root, to do what PID 1 does in a guest: on the machine that
// runs it, in its running kernel. The second is the folder of its payload.
const HelperWord = "here-helper"

// PstoreWord in place of that folder asks for what the kernel kept of its log as it went down (see vm/here).
const PstoreWord = "pstore"

// EnvPlan names the plan for a suite process that does not run in a guest; in a guest it is PlanPath.
const EnvPlan = "MODMATRIX_PLAN"

// Here is what a plan says of the machine itself, where there is no guest.
type Here struct {
	Journal string `json:"journal"` // the file that says what is about to be done; it is there only while something is
	Label   string `json:"label"`   // of the target
	Source  string `json:"source"`  // what the modules were made of
}

// Doing is a line of Here.Journal: what is about to be done to a kernel that may not survive it. The zero value is nothing.
type Doing struct {
	Boot    string    `json:"boot"` // the kernel's own name for this boot: /proc/sys/kernel/random/boot_id
	Time    time.Time `json:"time"`
	Nonce   string    `json:"nonce"`
	Label   string    `json:"label"`
	Release string    `json:"release"`
	Source  string    `json:"source"`
	Modules []string  `json:"modules"`
	Suite   string    `json:"suite"`
	Only    []string  `json:"only,omitempty"` // as in Suite
	Stage   string    `json:"stage"`
	Spec    string    `json:"spec,omitempty"` // empty: the stage begins
}

// Same reports whether d and other are of the same cell.
func (d Doing) Same(label, source, suite string) bool {
	return d.Label == label && d.Source == source && d.Suite == suite
}

const (
	maxDoing  = 64 << 10 // bytes of a line
	maxDoings = 100_000  // lines
)

// Encode is d as a line. It is whole, however long its names are.
func (d Doing) Encode() ([]byte, error) {
	for _, s := range []*string{&d.Boot, &d.Nonce, &d.Label, &d.Release, &d.Source, &d.Suite, &d.Stage, &d.Spec} {
		*s = line(*s)
	}
	text, err := json.Marshal(d)
	if err == nil && len(text) >= maxDoing {
		err = fmt.Errorf("%d bytes are too many", len(text))
	}
	if err != nil {
		return nil, fmt.Errorf("encode what is done: %w", err)
	}
	return append(text, '\n'), nil
}

// ReadDoings reads such lines, up to one that is torn or no such line: each was on the disk before the next was begun.
func ReadDoings(r io.Reader) (list []Doing) {
	lines := bufio.NewReaderSize(r, maxDoing)
	for len(list) < maxDoings {
		text, err := lines.ReadSlice('\n')
		if err != nil || !bounded(text) {
			return list
		}
		var d Doing
		if json.Unmarshal(bytes.TrimSpace(text), &d) != nil || d.Boot == "" || d.Stage == "" {
			return list
		}
		for _, s := range []*string{&d.Boot, &d.Nonce, &d.Label, &d.Release, &d.Source, &d.Suite, &d.Stage, &d.Spec} {
			*s = line(*s)
		}
		list = append(list, d)
	}
	return list
}
