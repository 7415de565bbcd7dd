package initramfs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

// CarriedDir is the folder, beside this file, that a binary built with the tag release brings along: what Carry wrote.
const CarriedDir = "carried"

// manifestName is the list of what is in it, in JSON.
const manifestName = "manifest.json"

// Carry makes the folder dir anew for a release to bring along: files, compressed, and the list of them. The same files
// give the same bytes.
func Carry(dir string, files []Ready) error {
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return fmt.Errorf("make folder for what a release carries: %w", err)
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	var list []Ready
	for _, r := range files {
		plain := filepath.Join(dir, "plain")
		if err := r.Write(plain); err != nil {
			return err
		}
		data, err := os.ReadFile(plain)
		if err = errors.Join(err, os.Remove(plain)); err != nil {
			return fmt.Errorf("read %s: %w", r.What(), err)
		}
		r.Path = fmt.Sprintf("%s-%s.zst", r.SHA256[:12], r.Arch)
		if err := os.WriteFile(filepath.Join(dir, r.Path), z.EncodeAll(data, nil), 0o644); err != nil {
			return fmt.Errorf("write %s: %w", r.What(), err)
		}
		list = append(list, r)
	}
	text, err := json.MarshalIndent(list, "", " ")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, manifestName), append(text, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write list of what a release carries: %w", err)
	}
	return nil
}

// Carried lists what this binary brings along: nothing, unless it is a release.
func Carried() ([]Ready, error) {
	files, err := fs.Sub(carried, CarriedDir)
	if err != nil {
		return nil, err
	}
	return carriedIn(files)
}

// carriedIn lists what Carry wrote.
func carriedIn(files fs.FS) (list []Ready, err error) {
	text, err := fs.ReadFile(files, manifestName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil {
		return nil, fmt.Errorf("read list of what this release carries: %w", err)
	}
	for i := range list {
		list[i].files = files
	}
	return list, nil
}
