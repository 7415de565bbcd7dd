package debian

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
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

// misserve has the archive answer for the image by answer, as long as it is there.
func (a *archive) misserve(answer *atomic.Pointer[http.HandlerFunc]) {
	files := http.FileServer(http.Dir(a.dir))
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if bad := answer.Load(); bad != nil && strings.HasSuffix(r.URL.Path, imageDeb) {
			(*bad)(w, r)
			return
		}
		r.Header.Del("If-Modified-Since")
		files.ServeHTTP(w, r)
	})
	a.serve.Store(&h)
}

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

func TestABadArchiveIsOneClearLine(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(a *archive) http.HandlerFunc
		want   string
	}{
		"gone": {func(*archive) http.HandlerFunc { return http.NotFound }, "the archive's index names " + imageDeb + ", and the archive has no such file any more: name another"},
		"broken": {func(*archive) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }
		}, "download " + imageDeb + ": 500"},
		"cut": {func(a *archive) http.HandlerFunc { return a.half }, "download " + imageDeb + ": "},
		"silent": {func(*archive) http.HandlerFunc {
			return func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
		}, "download " + imageDeb + ": Connection "},
	} {
		t.Run(name, func(t *testing.T) {
			impatient(t)
			a := twoSuites(t)
			s := a.source()
			target := resolved(t, s, "debian:bookworm")
			var bad atomic.Pointer[http.HandlerFunc]
			answer := c.answer(a)
			bad.Store(&answer)
			a.misserve(&bad)
			_, err := s.Fetch(t.Context(), target, nil)
			if !errors.Is(err, kernels.ErrUnavailable) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "127.0.0.1") {
				t.Error(err)
			}
			nothingLeft(t, s)
			bad.Store(nil)
			if _, err := s.Fetch(t.Context(), target, nil); err != nil {
				t.Error("and when it is well again:", err)
			}
			if left := unfinished(t, s); len(left) > 0 {
				t.Error("the packages are there twice:", left)
			}
			nothingLeft(t, s)
		})
	}
}
