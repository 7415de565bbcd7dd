package debian

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/results/slowtest"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// ranges notes what was asked of the image's package, and how many bytes of it were sent.
type ranges struct {
	mu    sync.Mutex
	asked []string
	sent  int64
}

func (r *ranges) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent += int64(len(p))
	return len(p), nil
}

// counted sends what is to be sent, and counts it.
type counted struct {
	http.ResponseWriter
	r *ranges
}

func (c counted) Write(p []byte) (int, error) {
	_, _ = c.r.Write(p)
	return c.ResponseWriter.Write(p)
}

// serveWell answers as an archive does, and notes it in r.
func (a *archive) serveWell(r *ranges) {
	files := http.FileServer(http.Dir(a.dir))
	h := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		req.Header.Del("If-Modified-Since")
		if strings.HasSuffix(req.URL.Path, imageDeb) {
			r.mu.Lock()
			r.asked = append(r.asked, req.Header.Get("Range"))
			r.mu.Unlock()
			w = counted{w, r}
		}
		files.ServeHTTP(w, req)
	})
	a.serve.Store(&h)
}

// cutImage has s fetch a kernel from an archive that sends half of its image, and gives the file with that half.
func cutImage(t *testing.T, a *archive, s *Source, target kernels.Target) (file string, whole []byte) {
	t.Helper()
	a.answering(imageDeb, a.half)
	if _, err := s.Fetch(t.Context(), target, nil); err == nil || !strings.Contains(err.Error(), "it continues from there") {
		t.Fatal(err)
	}
	return a.halfOf(s, target)
}

// halfOf is the file with the half of the image, and what it will be.
func (a *archive) halfOf(s *Source, target kernels.Target) (file string, whole []byte) {
	a.t.Helper()
	whole, err := os.ReadFile(filepath.Join(a.dir, "pool", imageDeb))
	if err != nil {
		a.t.Fatal(err)
	}
	for _, p := range target.Packages {
		if strings.HasPrefix(p.Name, "linux-image-") {
			file = filepath.Join(s.store.Dir(), "partial", "trees."+TreeID(target), p.SHA256+".deb")
		}
	}
	half, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(half, whole[:len(whole)/2]) {
		a.t.Fatalf("%d bytes are kept of %d that came: %v", len(half), len(whole)/2, err)
	}
	return file, whole
}

// TestCutDownloadGoesOn: the next run asks for the rest alone, and what comes of it is still checked.
func TestCutDownloadGoesOn(t *testing.T) {
	slowtest.Skip(t)
	impatient(t)
	a := twoSuites(t)
	s := a.warm()
	target := resolved(t, s, "debian:bookworm")
	for name, c := range map[string]struct {
		meanwhile func(t *testing.T, file string, whole []byte)
		asks      func(size int) []string
	}{
		"as it was": {func(*testing.T, string, []byte) {}, func(size int) []string { return []string{"bytes=" + strconv.Itoa(size/2) + "-"} }},
		"damaged": {func(t *testing.T, file string, whole []byte) {
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			write(t, file, bytes.Repeat([]byte("x"), len(whole)/2), info.ModTime())
		}, func(size int) []string { return []string{"bytes=" + strconv.Itoa(size/2) + "-", ""} }},
		"whole and damaged": {func(t *testing.T, file string, whole []byte) {
			write(t, file, bytes.Repeat([]byte("x"), len(whole)), time.Now().Add(-time.Hour)) // within the archive's second, apt asks twice
		}, func(size int) []string { return []string{"bytes=" + strconv.Itoa(size) + "-"} }},
		"of another day": {func(t *testing.T, file string, whole []byte) {
			write(t, file, whole[:len(whole)/2], time.Now().Add(-time.Hour))
		}, func(size int) []string { return []string{"bytes=" + strconv.Itoa(size/2) + "-"} }},
	} {
		t.Run(name, func(t *testing.T) {
			file, whole := cutImage(t, a, s, target)
			c.meanwhile(t, file, whole)
			var r ranges
			a.serveWell(&r)
			var steps []kernels.Progress
			tree, err := New(s.store, s.cfg).Fetch(t.Context(), target, func(p kernels.Progress) { steps = append(steps, p) })
			if err != nil {
				t.Fatal(err)
			}
			if text, err := os.ReadFile(tree.Image); err != nil || string(text) != "image 6.1.192-2" {
				t.Errorf("the image is %q: %v", text, err)
			}
			if got, want := strings.Join(r.asked, " "), strings.Join(c.asks(len(whole)), " "); got != want {
				t.Errorf("asked %q, want %q", got, want)
			}
			if rest := int64(len(whole) - len(whole)/2); name == "as it was" && r.sent != rest {
				t.Errorf("%d bytes were sent, and %d were missing", r.sent, rest)
			}
			if first := steps[0]; name == "as it was" && first.Done < int64(len(whole)/2) || first.Unit != kernels.Bytes {
				t.Errorf("progress begins with %+v", first)
			}
			if left := unfinished(t, s); len(left) > 0 {
				t.Error("left:", left)
			}
			nothingLeft(t, s)
			if err := s.store.Remove(store.Entry{Kind: "trees", ID: TreeID(target)}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func write(t *testing.T, path string, data []byte, at time.Time) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

// TestKilledDownloadGoesOn kills the one who downloads, when half of it is there, and nothing of his lives on.
func TestKilledDownloadGoesOn(t *testing.T) {
	a := twoSuites(t)
	s := a.warm()
	target := resolved(t, s, "debian:bookworm")
	a.answering(imageDeb, func(w http.ResponseWriter, r *http.Request) {
		defer func() { <-r.Context().Done(); recover() }()
		a.half(w, r)
	})
	child := exec.Command(os.Args[0], "-test.run=^TestHelperFetch$")
	child.Env = append(os.Environ(), "HELPER_STORE="+s.store.Dir(), "HELPER_URL="+a.URL, "HELPER_KEYRING="+a.keyring)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	halfIsThere := func() bool {
		for _, file := range unfinished(t, s) {
			info, err := os.Stat(file)
			wanted, statErr := os.Stat(filepath.Join(a.dir, "pool", imageDeb))
			if err == nil && statErr == nil && info.Size() == wanted.Size()/2 {
				return true
			}
		}
		return false
	}
	if !soon(halfIsThere) {
		t.Error("the download never began")
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	if !soon(func() bool { out, _ := exec.Command("pgrep", "-f", s.store.Dir()).Output(); return len(out) == 0 }) {
		t.Error("the killed one's processes live on")
	}
	_, whole := a.halfOf(s, target)
	var r ranges
	a.serveWell(&r)
	if _, err := s.Fetch(t.Context(), target, nil); err != nil {
		t.Fatal(err)
	}
	if want := "bytes=" + strconv.Itoa(len(whole)/2) + "-"; len(r.asked) != 1 || r.asked[0] != want || r.sent != int64(len(whole)-len(whole)/2) {
		t.Errorf("asked %q and was sent %d bytes; want %s", r.asked, r.sent, want)
	}
	nothingLeft(t, s)
}

func TestHelperFetch(t *testing.T) {
	dir := os.Getenv("HELPER_STORE")
	if dir == "" {
		t.Skip("only as a child of TestKilledDownloadGoesOn")
	}
	st, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	url := os.Getenv("HELPER_URL")
	s := New(st, Config{Mirror: url, SecurityMirror: url, Keyring: os.Getenv("HELPER_KEYRING")})
	_, _ = s.Fetch(t.Context(), resolved(t, s, "debian:bookworm"), nil)
}

// soon waits for a minute at most.
func soon(ok func() bool) bool {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return true
		}
	}
	return false
}
