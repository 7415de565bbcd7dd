package debian

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// impatient makes apt ask once, and wait for a second only, whatever this host wants of it.
func impatient(t *testing.T) {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "apt.conf")
	text := "Dir::Etc::parts \"/dev/null\";\nDir::Etc::main \"/dev/null\";\nAcquire::Retries \"0\";\nAcquire::http::Timeout \"1\";\n"
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("APT_CONFIG", conf)
}

const imageDeb = "linux-image-6.1.0-56-amd64_6.1.192-2_amd64.deb"

// half sends the first half of a file and cuts the connection.
func (a *archive) half(w http.ResponseWriter, r *http.Request) {
	path := filepath.Join(a.dir, r.URL.Path)
	data, err := os.ReadFile(path)
	info, statErr := os.Stat(path)
	if err := errors.Join(err, statErr); err != nil {
		panic(err)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.Header().Set("Accept-Ranges", "bytes")
	w.Header().Set("Last-Modified", info.ModTime().UTC().Format(http.TimeFormat))
	_, _ = w.Write(data[:len(data)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}
