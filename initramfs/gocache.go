package initramfs

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"github.com/google/renameio/v2"
)

// goCache is what go keeps of compilations, for go in a sandbox: it reads what this user's own go compiled before, and what it
// adds is kept for the same stranger alone. It is served from outside, so that nothing in the sandbox can write to either.
// Both folders are laid out as GOCACHE is (Go cmd/go/internal/cache, cache.go).
type goCache struct{ own, base string } // host folders

// Where the folders stand in the sandbox, and the two pipes to whoever serves it with the script that go starts.
const (
	guestOwnCache  = "/.gocache/own"
	guestBaseCache = "/.gocache/base"
	cacheRequests  = "requests"
	cacheAnswers   = "answers"
	cacheScript    = "cache.sh"
)

// maxObject bounds what one compilation makes, in bytes.
const maxObject = 1 << 30

// cacheRequest and cacheAnswer are go's side and ours (Go cmd/go/internal/cacheprog).
type cacheRequest struct {
	ID                 int64
	Command            string
	ActionID, OutputID []byte
	BodySize           int64
}

type cacheAnswer struct {
	ID            int64
	Err           string   `json:",omitempty"`
	KnownCommands []string `json:",omitempty"`
	Miss          bool     `json:",omitempty"`
	OutputID      []byte   `json:",omitempty"`
	Size          int64    `json:",omitempty"`
	DiskPath      string   `json:",omitempty"`
}

// serve makes in dir, the folder of the sandbox, what go there speaks to, and serves it until stop is called.
func (c goCache) serve(dir string) (stop func(), err error) {
	script := fmt.Sprintf("cat <%[1]s/%[2]s &\nexec cat >%[1]s/%[3]s\n", guestWork, cacheAnswers, cacheRequests)
	if err := os.WriteFile(filepath.Join(dir, cacheScript), []byte(script), 0o644); err != nil {
		return nil, err
	}
	var pipes [2]*os.File
	for i, name := range []string{cacheRequests, cacheAnswers} {
		_ = os.Remove(filepath.Join(dir, name)) // that of a run before
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			return nil, err
		}
		// Open for both, since to open a pipe for one waits for the other.
		if pipes[i], err = os.OpenFile(filepath.Join(dir, name), os.O_RDWR, 0); err != nil {
			return nil, err
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.answer(pipes[0], pipes[1]) // go says what it lacks
		pipes[1].Close()                 // the end of what cat reads
	}()
	return func() {
		pipes[0].Close()
		pipes[1].Close()
		<-done
	}, nil
}

// answer answers requests until go closes its cache.
func (c goCache) answer(requests io.Reader, answers io.Writer) error {
	in, out := json.NewDecoder(bufio.NewReader(requests)), json.NewEncoder(answers)
	err := out.Encode(cacheAnswer{KnownCommands: []string{"get", "put", "close"}})
	for err == nil {
		var r cacheRequest
		if err = in.Decode(&r); err != nil {
			break
		}
		a := cacheAnswer{ID: r.ID}
		switch r.Command {
		case "get":
			c.get(r, &a)
		case "put":
			var body []byte
			if r.BodySize > maxObject {
				return fmt.Errorf("an object of %d bytes", r.BodySize)
			}
			if r.BodySize > 0 {
				err = in.Decode(&body)
			}
			if err == nil {
				err = c.put(r, body, &a)
			}
		case "close":
			return out.Encode(a)
		default:
			a.Err = "unknown command"
		}
		if err == nil {
			err = out.Encode(a)
		}
	}
	return err
}

// get finds what an action made.
func (c goCache) get(r cacheRequest, a *cacheAnswer) {
	for _, at := range []struct{ host, guest string }{{c.own, guestOwnCache}, {c.base, guestBaseCache}} {
		text, err := os.ReadFile(filepath.Join(at.host, cacheFile(r.ActionID, "a")))
		if err != nil {
			continue
		}
		var action, output []byte
		var size, when int64
		if n, err := fmt.Sscanf(string(text), "v1 %x %x %d %d", &action, &output, &size, &when); n != 4 || err != nil {
			continue
		}
		file := cacheFile(output, "d")
		if info, err := os.Stat(filepath.Join(at.host, file)); err == nil && info.Size() == size && info.Mode().IsRegular() {
			a.OutputID, a.Size, a.DiskPath = output, size, path.Join(at.guest, file)
			return
		}
	}
	a.Miss = true
}

// put keeps what an action made.
func (c goCache) put(r cacheRequest, body []byte, a *cacheAnswer) error {
	file := cacheFile(r.OutputID, "d")
	index := fmt.Sprintf("v1 %x %x %20d %20d\n", r.ActionID, r.OutputID, len(body), time.Now().UnixNano())
	for name, data := range map[string][]byte{file: body, cacheFile(r.ActionID, "a"): []byte(index)} {
		name = filepath.Join(c.own, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), renameio.WriteFile(name, data, 0o644)); err != nil {
			return fmt.Errorf("keep what go compiled: %w", err)
		}
	}
	a.Size, a.DiskPath = int64(len(body)), path.Join(guestOwnCache, file)
	return nil
}

// cacheFile is the file of an action or an output in a GOCACHE.
func cacheFile(id []byte, kind string) string {
	name := fmt.Sprintf("%x-%s", id, kind)
	return filepath.Join(name[:min(2, len(name))], name)
}
