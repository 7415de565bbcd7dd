package here

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/vm"
)

func TestCommand(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	if argv, err := command(0, "/bin/me", []string{"x"}); err != nil || !slices.Equal(argv, []string{"/bin/me", "x"}) {
		t.Errorf("root: %q %v", argv, err)
	}
	if _, err := command(1000, "/bin/me", nil); err == nil || !strings.Contains(err.Error(), "run modmatrix as root") {
		t.Errorf("neither: %v", err)
	}
	for _, tool := range []string{"pkexec", "sudo"} {
		path := filepath.Join(dir, tool)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		if argv, err := command(1000, "/bin/me", []string{"x"}); err != nil || !slices.Equal(argv, []string{path, "/bin/me", "x"}) {
			t.Errorf("%s: %q %v", tool, argv, err)
		}
	}
}

// TestEndings is how a helper can end.
func TestEndings(t *testing.T) {
	for script, want := range map[string]vm.Reason{
		"exit 0": vm.GuestShutdown, "exit 4": Died, "exit 1": Lost, "kill -9 $$": Lost,
	} {
		p, err := Start(t.Context(), []string{"/bin/sh", "-c", "echo said; echo why >&2; " + script})
		if err != nil {
			t.Fatal(err)
		}
		said, _ := io.ReadAll(p.Frames)
		if out, left := p.Wait(patient); out.Reason != want || left || strings.TrimSpace(out.Stderr) != "why" || string(said) != "said\n" {
			t.Errorf("%s: %+v, left %v", script, out, left)
		}
	}
	if _, err := Start(t.Context(), []string{"/none"}); err == nil {
		t.Error("what is not there was started")
	}
}

func patient() time.Duration { return time.Minute }

// TestStop asks by closing standard input. One that does not listen is left, and nobody waits for it.
func TestStop(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p, err := Start(ctx, []string{"/bin/sh", "-c", "cat; exit 3"})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if out, left := p.Wait(patient); out.Reason != vm.HostKilled || left {
		t.Errorf("%+v, left %v", out, left)
	}
	deaf, err := Start(t.Context(), []string{"/bin/sh", "-c", "exec sleep 1000"})
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.cmd.Process.Kill()
	deaf.Stop()
	deaf.Stop()
	if out, left := deaf.Wait(func() time.Duration { return time.Millisecond }); out.Reason != vm.HostKilled || !left {
		t.Errorf("%+v, left %v", out, left)
	}
}

func TestPstore(t *testing.T) {
	dir := t.TempDir()
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	write := func(name, text string, when time.Time) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
	}
	write("dmesg-erst-1", "Oops#1 Part1\n<4>[ 2.0] three\n<1>[ 3.0] BUG\n", at)
	write("dmesg-erst-2", "Oops#1 Part2\n<4>[ 1.0] modmatrix n: load begin\n<4>[ 1.5] two\n", at)
	write("7/001/dmesg-erst-3", "Panic#2 Part1\n<1>[ 3.0] BUG\n<0>[ 4.0] panic\n", at.Add(time.Second))
	write("dmesg-erst-4", "Panic#1 Part1\n<0>[ 9.0] of last week\n", at.Add(-time.Hour))
	write("dmesg.txt", "all of it once more", at)
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "dmesg-link")); err != nil {
		t.Fatal(err)
	}
	list, err := Pstore(dir, filepath.Join(dir, "none"))
	if err != nil || len(list) != 4 {
		t.Fatalf("%+v %v", list, err)
	}
	want := "<4>[ 1.0] modmatrix n: load begin\n<4>[ 1.5] two\n<4>[ 2.0] three\n<1>[ 3.0] BUG\n<0>[ 4.0] panic\n"
	if got := Last(list, "modmatrix n: ", at.Add(-time.Minute)); got != want {
		t.Errorf("%q\nwant %q", got, want)
	}
	if got := Last(list, "modmatrix n: ", at.Add(time.Hour)); got != "<4>[ 1.0] modmatrix n: load begin\n<4>[ 1.5] two\n" {
		t.Errorf("what has the word counts at any time, a clock may be wrong: %q", got)
	}
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "answer")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if asked, err := AskPstore(t.Context(), []string{"cat", path}); err != nil || len(asked) != len(list) || !bytes.Equal([]byte(asked[0].Text), []byte(list[0].Text)) {
		t.Errorf("%v %v", asked, err)
	}
	if _, err := AskPstore(t.Context(), []string{"yes"}); err == nil {
		t.Error("an answer without end was taken")
	}
}

func FuzzLast(f *testing.F) {
	f.Add("Oops#1 Part1\n<4>[ 2.0] three\n", "Panic#99999999999999999999 Part2\nx")
	f.Fuzz(func(t *testing.T, a, b string) {
		text := Last([]Kept{{Text: a}, {Text: b}}, "", time.Time{})
		if strings.Count(text, "\n") > strings.Count(a, "\n")+strings.Count(b, "\n")+2 {
			t.Errorf("%q", text)
		}
	})
}
