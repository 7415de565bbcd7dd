package kernels

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/kernels/store"
)

var testTools = Tools{
	Env: []string{"SAYS=so"}, Cures: map[string]string{"no-such-tool": "install such-a-tool"},
	Fault: regexp.MustCompile(`^(E: |fatal: )`), End: syscall.SIGTERM, Grace: 5 * time.Second,
}

func sh(ctx context.Context, script string, args ...string) (string, error) {
	return testTools.Run(ctx, testTools.Command(ctx, "sh", append([]string{"-c", script, "sh"}, args...)...))
}

func TestToolsSayInOneLineWhatFailed(t *testing.T) {
	for name, c := range map[string]struct{ script, want string }{
		"complaint":  {"echo I: trying >&2; echo E: no space >&2; echo E: more >&2; exit 3", "sh: no space"},
		"git's":      {"echo fatal: bad object >&2; exit 128", "sh: bad object"},
		"last words": {"echo one >&2; echo two >&2; echo >&2; exit 3", "sh: two"},
		"silence":    {"exit 3", "sh: exit status 3"},
		"flood":      {"printf 'E: ' >&2; printf '%01000d' 1 >&2; exit 3", "sh: " + strings.Repeat("0", 297) + "…"},
	} {
		_, err := sh(t.Context(), c.script)
		failed, ok := errors.AsType[*ToolError](err)
		if err == nil || !ok || len(failed.Error()) > maxLine+20 || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
		if name != "flood" && err.Error() != c.want {
			t.Errorf("%s: %v; want %s", name, err, c.want)
		}
	}
	if out, err := sh(t.Context(), `echo "$SAYS $LC_ALL $PWD"; echo noise >&2`); out != "so C /\n" || err != nil {
		t.Errorf("%q %v", out, err)
	}
	_, err := testTools.Run(t.Context(), testTools.Command(t.Context(), "no-such-tool"))
	if err == nil || err.Error() != "no-such-tool is missing: install such-a-tool" {
		t.Error(err)
	}
}

// TestToolsLeaveNobody: who was left in the tool's group ends with it, after a good end, a bad one, and one that was ordered.
func TestToolsLeaveNobody(t *testing.T) {
	for name, end := range map[string]string{"well": "exit 0", "badly": "exit 1", "by order": "sleep 100"} {
		pid := filepath.Join(t.TempDir(), "pid")
		ctx, cancel := context.WithCancel(t.Context())
		if name == "by order" {
			go func() {
				for ; ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
					if text, err := os.ReadFile(pid); err == nil && len(text) > 0 {
						cancel()
					}
				}
			}()
		}
		_, err := sh(ctx, `sleep 1000 >/dev/null 2>&1 & echo $! >"$1"; `+end, pid)
		if (err == nil) != (name == "well") || name == "by order" && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
		text, err := os.ReadFile(pid)
		if err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(10 * time.Second); lives(strings.TrimSpace(string(text))); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: process %s lives on", name, text)
			}
		}
	}
}

// lives reports whether a process runs; one that only waits to be reaped does not.
func lives(pid string) bool {
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	_, rest, _ := strings.Cut(string(text), ") ")
	return err == nil && !strings.HasPrefix(rest, "Z")
}

// TestToolsPassOnWhatTheDiskSaid: the store says how to make room, whichever tool met the full disk.
func TestToolsPassOnWhatTheDiskSaid(t *testing.T) {
	_, err := sh(t.Context(), "echo 'E: Error writing to file - write (28: No space left on device)' >&2; exit 100")
	st, openErr := store.Open(t.TempDir())
	if openErr != nil {
		t.Fatal(openErr)
	}
	if !store.IsFull(err) || !strings.Contains(st.WithCure(err, "trees").Error(), "modmatrix cache gc") {
		t.Error(err)
	}
	if _, err := sh(t.Context(), "echo 'E: 404' >&2; exit 100"); err == nil || store.IsFull(err) {
		t.Error(err)
	}
}
