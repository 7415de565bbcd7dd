package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// the files of an entry in the store: what a side came to, and what its build said.
const (
	sideFile = "side.json"
	logFile  = "build.log"
)

// once asks a side, or answers what it came to when everything was the same before: key names all of it.
func (c *comparison) once(ctx context.Context, key, title string, ask func(dir string) (side, error)) (side, error) {
	dir, hit, err := c.store.Fill(ctx, "agreement", key, func(dir string) error {
		s, err := ask(dir)
		if err != nil {
			return err
		}
		text, err := json.MarshalIndent(s, "", "\t")
		if err != nil {
			return err
		}
		return errors.Join(renameio.WriteFile(filepath.Join(dir, sideFile), text, 0o644),
			os.WriteFile(filepath.Join(dir, store.TitleFile), []byte(title+"\n"), 0o644))
	})
	if err != nil {
		return side{}, err
	}
	var s side
	text, err := os.ReadFile(filepath.Join(dir, sideFile))
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	slices.Sort(s.Modules)
	s.Cached, s.Log = hit, filepath.Join(dir, logFile)
	return s, err
}

// keyOf is the digest of everything that a verdict depends on.
func keyOf(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:])
}
