package store

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// titleFile of an entry says in one line what it is.
const titleFile = ".title"

// SetTitle may be called by a fill function for its folder, to say in one line what the entry is.
func SetTitle(dir, title string) error {
	return os.WriteFile(filepath.Join(dir, titleFile), []byte(title+"\n"), 0o644)
}

// WriteJSON replaces the file at path in one step, and makes its folder at need.
func WriteJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", " ")
	if err := errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o755)); err != nil {
		return err
	}
	return renameio.WriteFile(path, append(text, '\n'), 0o644, renameio.WithTempDir(filepath.Dir(path)))
}

// ReadJSON reads what WriteJSON wrote.
func ReadJSON(path string, v any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}
