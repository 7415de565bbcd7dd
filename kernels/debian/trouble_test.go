package debian

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/results/slowtest"

	"github.com/modmatrix/modmatrix/kernels"
)

// answering has the archive answer by h for what name is the end of, and as ever for all else.
func (a *archive) answering(name string, h http.HandlerFunc) {
	files := http.FileServer(http.Dir(a.dir))
	all := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, name) {
			h(w, r)
			return
		}
		r.Header.Del("If-Modified-Since")
		files.ServeHTTP(w, r)
	})
	a.serve.Store(&all)
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// silence keeps who asks waiting.
func silence(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

const (
	release  = "dists/bookworm/InRelease"
	packages = "dists/bookworm/main/binary-amd64/Packages"
)

// TestTroubleWithAnIndex is what a person sees of it, which is never a mistake of his and never the module's fault. What came
// is not believed: no index is noted, and the one from before still serves.
func TestTroubleWithAnIndex(t *testing.T) {
	slowtest.Skip(t)
	impatient(t)
	for name, c := range map[string]struct {
		spoil func(a *archive)
		want  string
	}{
		"500":               {func(a *archive) { a.answering("", status(500)) }, "gives no index of bookworm: 500 Internal Server Error"},
		"503 for a moment":  {func(a *archive) { a.answering(release, status(503)) }, "503"},
		"403":               {func(a *archive) { a.answering(release, status(403)) }, "403"},
		"packages 404":      {func(a *archive) { a.answering(packages, status(404)) }, "gives no index of bookworm: 404 Not Found"},
		"silence":           {func(a *archive) { a.answering(release, silence) }, "gives no index of bookworm: Connection "},
		"nobody there":      {func(a *archive) { a.server.Close() }, "the archive gives no index of bookworm: Could not connect to its server"},
		"packages cut":      {func(a *archive) { a.answering(packages, a.half) }, "closed"},
		"tampered release":  {func(a *archive) { a.spoil(release, "Origin: Debian", "Origin: Nobody") }, "no signature of a key in "},
		"tampered packages": {func(a *archive) { a.spoil(packages, "6.1.176-1", "6.1.999-1") }, "is not the one that its signed Release names"},
		"wrong key": {func(a *archive) {
			a.gpg("--quick-gen-key", "thief", "rsa2048", "sign", "never")
			a.resign("thief")
		}, "no signature of a key in "},
		"unsigned": {func(a *archive) { a.write(filepath.Join(a.dir, release), "Origin: Debian\n") }, "no signature of a key in "},
		"expired":  {func(a *archive) { a.expire("bookworm") }, "the archive's index of bookworm is expired (invalid since "},
	} {
		t.Run(name, func(t *testing.T) {
			impatient(t)
			a := twoSuites(t)
			s := a.source()
			c.spoil(a)
			_, err := s.Resolve(t.Context(), selector(t, "debian:bookworm"))
			oneLine(t, err, c.want)
			t.Log(err)
			if mark := s.state("bookworm", build).stamp(); !mark.Updated.IsZero() {
				t.Errorf("an index was noted: %+v", mark)
			}
			nothingLeft(t, s)
		})
	}
}

// oneLine fails where err is not the one line about the archive that a person is to see.
func oneLine(t *testing.T, err error, want string) {
	t.Helper()
	if !errors.Is(err, kernels.ErrUnavailable) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("%v; want one line with %q and no address", err, want)
	}
}

// expire signs an index of suite whose last day is over.
func (a *archive) expire(suite string) {
	a.t.Helper()
	in := filepath.Join(a.dir, "dists", suite, "InRelease")
	text, err := os.ReadFile(in)
	if err != nil {
		a.t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(text), "\n\n")
	body, _, _ = strings.Cut(body, "-----BEGIN PGP SIGNATURE-----")
	a.write(in+".plain", "Valid-Until: "+time.Now().Add(-48*time.Hour).UTC().Format(time.RFC1123)+"\n"+body)
	a.gpg("--clearsign", "--output", in, in+".plain")
}

// TestTroubleWithAPackage is the same for what a tree is made of; what is left of it is at most the beginning of the very file.
func TestTroubleWithAPackage(t *testing.T) {
	slowtest.Skip(t)
	impatient(t)
	for name, c := range map[string]struct {
		spoil func(a *archive)
		want  string
	}{
		"404":          {func(a *archive) { a.answering(imageDeb, status(404)) }, "the archive's index names " + imageDeb + ", and the archive has no such file any more: name another"},
		"500":          {func(a *archive) { a.answering(imageDeb, status(500)) }, "download " + imageDeb + ": 500"},
		"cut":          {func(a *archive) { a.answering(imageDeb, a.half) }, "download " + imageDeb + ": "},
		"silence":      {func(a *archive) { a.answering(imageDeb, silence) }, "download " + imageDeb + ": Connection "},
		"nobody there": {func(a *archive) { a.server.Close() }, "Could not connect to its server"},
		"too short": {func(a *archive) {
			a.answering(imageDeb, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("!<arch>\n")) })
		}, "not the file that the archive's index was signed for"},
		"too long": {func(a *archive) {
			a.answering(imageDeb, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", strconv.Itoa(1<<20))
				_, _ = w.Write(make([]byte, 1<<20))
			})
		}, "not the file that the archive's index was signed for"},
		"tampered": {func(a *archive) { a.spoil("pool/"+imageDeb, "image 6.1.192-2", "imagE 6.1.192-2") }, "not the file that the archive's index was signed for"},
	} {
		t.Run(name, func(t *testing.T) {
			impatient(t)
			a := twoSuites(t)
			s := a.warm()
			target := resolved(t, s, "debian:bookworm")
			good, err := os.ReadFile(filepath.Join(a.dir, "pool", imageDeb))
			if err != nil {
				t.Fatal(err)
			}
			c.spoil(a)
			_, err = s.Fetch(t.Context(), target, nil)
			oneLine(t, err, c.want)
			t.Log(err)
			if _, hit := s.store.Look("trees", TreeID(target)); hit {
				t.Error("and yet there is a tree")
			}
			for _, p := range target.Packages {
				part, _ := os.ReadFile(filepath.Join(s.store.Dir(), "partial", "trees."+TreeID(target), p.SHA256+".deb"))
				if strings.HasPrefix(p.Name, "linux-image-") && !strings.HasPrefix(string(good), string(part)) {
					t.Errorf("%d bytes are kept that are not of the package", len(part))
				}
			}
			nothingLeft(t, s)
			if a.serve.Swap(nil) != nil { // and it is well again
				wellAgain(t, s, target)
			}
		})
	}
}

// wellAgain fetches what could not be had before.
func wellAgain(t *testing.T, s *Source, target kernels.Target) {
	t.Helper()
	if _, err := s.Fetch(t.Context(), target, nil); err != nil {
		t.Error("and when it is well again:", err)
	}
	if left := unfinished(t, s); len(left) > 0 {
		t.Error("the packages are there twice:", left)
	}
	nothingLeft(t, s)
}

// TestSignedRubbish: a package whose digest is right, and which is none.
func TestSignedRubbish(t *testing.T) {
	a := twoSuites(t)
	full := filepath.Join(a.dir, "pool", imageDeb)
	data, err := os.ReadFile(full)
	if err != nil {
		t.Fatal(err)
	}
	a.write(full, strings.Repeat("x", len(data)))
	a.publish()
	s := a.source()
	_, err = s.Fetch(t.Context(), resolved(t, s, "debian:bookworm"), nil)
	oneLine(t, err, "unpack linux-image-6.1.0-56-amd64 6.1.192-2, which is the file that the archive signed: dpkg-deb: ")
	t.Log(err)
	for _, file := range unfinished(t, s) {
		if text, err := os.ReadFile(file); err != nil || strings.HasPrefix(string(text), "xxx") {
			t.Error("the rubbish stays:", file, err)
		}
	}
	nothingLeft(t, s)
}

// TestNoAddressIsShown: who reads a report need not know which mirror it was.
func TestNoAddressIsShown(t *testing.T) {
	for said, want := range map[string]string{
		"Could not resolve 'deb.example.org'":                                                                   "Could not resolve its server",
		"Temporary failure resolving 'deb.example.org'":                                                         "Temporary failure resolving its server",
		"Something wicked happened resolving 'deb.example.org:http' (-5 - No address associated with hostname)": "Something wicked happened resolving its server (-5 - No address associated with hostname)",
		"Could not connect to deb.example.org:80 (192.0.2.1). - connect (111: Connection refused)":              "Could not connect to its server. - connect (111: Connection refused)",
		"Cannot initiate the connection to x:80 (2001:db8::644). - connect (101: Network is unreachable)":       "Cannot initiate the connection to its server. - connect (101: Network is unreachable)",
		"Could not connect to ::1:9 (::1), connection timed out":                                                "Could not connect to its server, connection timed out",
		"Unable to connect to deb.example.org:http:":                                                            "Unable to connect to its server:",
		"404  Not   Found":     "404 Not Found",
		"Connection timed out": "Connection timed out",
		"Error writing to file - write (28: No space left on device)": "Error writing to file - write (28: No space left on device)",
	} {
		if got := withoutAddress(said); got != want {
			t.Errorf("%q: %q", said, got)
		}
	}
}

// TestTroubleWithARoot: mmdebstrap has an apt of its own, whose words are shown as those of ours are.
func TestTroubleWithARoot(t *testing.T) {
	s := twoSuites(t).warm()
	target := resolved(t, s, "debian:bookworm")
	for said, want := range map[string]string{
		"Failed to fetch http://127.0.0.1:9/debian/dists/bookworm/InRelease  Could not connect to 127.0.0.1:9 (127.0.0.1). - connect (111: Connection refused)": "make a root bookworm with gcc-12: the archive gives no index of bookworm: Could not connect to its server. - connect (111: Connection refused); MODMATRIX_DEBIAN_MIRROR",
		"Failed to fetch http://127.0.0.1:9/debian/pool/main/m/make/make_4.3-4.1_amd64.deb  404  Not Found [IP: 127.0.0.1 9]":                                   "the archive's index names make_4.3-4.1_amd64.deb, and the archive has no such file any more",
		"Failed to fetch http://127.0.0.1:9/debian/pool/main/m/make/make_4.3-4.1_amd64.deb  Connection timed out [IP: 127.0.0.1 9]":                             "download make_4.3-4.1_amd64.deb: Connection timed out; run it again",
		"chroot failed": "make a root bookworm with gcc-12: mmdebstrap: chroot failed",
	} {
		t.Setenv("FAKE_FAIL", said)
		_, err := s.Fetch(t.Context(), target, nil)
		oneLine(t, err, want)
		nothingLeft(t, s)
	}
}
