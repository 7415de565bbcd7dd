package debian

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
	"github.com/modmatrix/modmatrix/kernels"
)

// remembered is what a selector resolved to, and the age of the index that said so.
type remembered struct {
	Selector string    `json:"selector"`
	Index    time.Time `json:"index"`
	Answer   answer    `json:"answer"`
}

func (st *state) memory(sel kernels.Selector) string {
	return st.path(filepath.Join("answers", short(sel.String())+".json"))
}

// cached returns what sel resolved to, if that came from the index that is there and still fresh.
func (st *state) cached(sel kernels.Selector) (answer, bool) {
	mark := st.stamp()
	if !st.fresh(mark, maxAge) {
		return answer{}, false
	}
	return st.recall(sel, mark)
}

// recall returns what sel resolved to by the index of mark.
func (st *state) recall(sel kernels.Selector, mark stamp) (answer, bool) {
	var m remembered
	ok, _ := readJSON(st.memory(sel), &m)
	return m.Answer, ok && m.Selector == sel.String() && m.Index.Equal(mark.Updated)
}

// remember keeps a for the next time; that it cannot be kept costs only time.
func (st *state) remember(sel kernels.Selector, a answer) {
	_ = mkdirFor(st.memory(sel))
	_ = writeJSON(st.memory(sel), remembered{sel.String(), st.stamp().Updated, a})
}

// short is the beginning of text's digest, long enough to distinguish entries of a store.
func short(text string) string { return digest(text)[len("sha256:"):][:16] }

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// writeJSON replaces the file at path in one step.
func writeJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(path, append(text, '\n'), 0o644)
}

// readJSON reports whether path held a v.
func readJSON(path string, v any) (bool, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	return err == nil, err
}
