package kbuild

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/kconfig"
)

// corpusLog is a file of testdata/logs: what make said, under a head that says what to make of it.
type corpusLog struct {
	head map[string]string
	text string
}

func corpus(tb testing.TB) map[string]corpusLog {
	tb.Helper()
	files, err := filepath.Glob("testdata/logs/*")
	if err != nil || len(files) == 0 {
		tb.Fatalf("no logs: %v", err)
	}
	logs := map[string]corpusLog{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		head, text, _ := strings.Cut(string(raw), "\n\n")
		log := corpusLog{map[string]string{}, text}
		for line := range strings.Lines(head) {
			key, value, _ := strings.Cut(strings.TrimRight(line, "\n"), ": ")
			log.head[key] = value
		}
		logs[filepath.Base(file)] = log
	}
	return logs
}

// diagnose judges a log as that of a build whose source has files, whose build made others, and in whose root programs are.
func (c corpusLog) diagnose(t *testing.T, exit int) error {
	t.Helper()
	files := map[string]string{}
	for _, name := range strings.Fields(c.head["source"]) {
		files[name] = strings.ReplaceAll(c.head["text"], `\n`, "\n")
	}
	r := Request{Tree: &kernels.Tree{KDIR: "/kernel", Target: kernels.Target{Release: "6.1"}, Root: kernels.Root{Dir: t.TempDir()}}, Source: Source{Top: source(t, files)}}
	for _, name := range strings.Fields(c.head["made"]) {
		files[name] = ""
	}
	r.Dir = source(t, files)
	for _, name := range strings.Fields(c.head["root"]) {
		if err := errors.Join(os.MkdirAll(filepath.Join(r.Tree.Root.Dir, "usr/bin"), 0o755), os.WriteFile(filepath.Join(r.Tree.Root.Dir, "usr/bin", name), nil, 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	r.Tree.Config = kconfig.Parse(strings.ReplaceAll(c.head["config"], " CONFIG_", "\nCONFIG_"))
	if c.head["metadata"] != "" {
		r.Tree.Mounts = []kernels.Mount{{Host: source(t, map[string]string{rustMetadata: ""}), Guest: "/kernel"}}
	}
	step := Step{Name: c.head["script"]}
	if step.Name != "" || c.head["command"] != "" {
		r.Recipe = &Recipe{}
	}
	v, err := lookAt(r.Tree)
	if err != nil {
		t.Fatal(err)
	}
	log := newLog(nil)
	log.scene = scene{r, v}
	log.Write([]byte(c.head["before"] + "\n"))
	log.flush()
	log.begin(c.head["command"])
	log.Write([]byte(c.text))
	log.flush()
	return r.judge(log, step, exit)
}

func TestDiagnose(t *testing.T) {
	for name, log := range corpus(t) {
		t.Run(name, func(t *testing.T) {
			var exit int
			if _, err := fmt.Sscan(log.head["exit"], &exit); err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, given := range []string{"exit", "source", "made", "root", "script", "before", "command", "text", "config", "metadata"} {
				if value, ok := log.head[given]; ok {
					got[given] = value
				}
			}
			err := log.diagnose(t, exit)
			if fault := (*Error)(nil); errors.As(err, &fault) {
				got["code"], got["reason"], got["excerpt"] = string(fault.Code), fault.Reason, fmt.Sprint(len(fault.Excerpt))
				if fault.ExitCode != exit {
					t.Errorf("exit code %d", fault.ExitCode)
				}
			} else if err != nil {
				got["ours"] = strings.TrimPrefix(err.Error(), "build for 6.1: ")
			}
			if fmt.Sprint(got) != fmt.Sprint(log.head) {
				t.Errorf("got  %v\nwant %v\nerror %#v", got, log.head, err)
			}
		})
	}
}

// TestDiagnosePieces: it does not matter how the output is cut on its way.
func TestDiagnosePieces(t *testing.T) {
	for name, file := range corpus(t) {
		log := newLog(nil)
		for i := range len(file.text) {
			log.Write([]byte(file.text[i : i+1]))
		}
		log.flush()
		whole := newLog(nil)
		whole.Write([]byte(file.text))
		whole.flush()
		none := func(string) (string, bool) { return "", false }
		if a, b := fmt.Sprint(log.verdict(2, none)), fmt.Sprint(whole.verdict(2, none)); a != b {
			t.Errorf("%s: %s and %s", name, a, b)
		}
	}
}

func FuzzDiagnose(f *testing.F) {
	for _, log := range corpus(f) {
		f.Add(log.text, 2)
	}
	f.Add("make: *** [\x1b]0;x] Error 137", 0)
	f.Add(strings.Repeat("a", maxLine+1)+": error: x\n", 2)
	f.Fuzz(func(t *testing.T, text string, exit int) {
		err := corpusLog{map[string]string{"source": "foo.c"}, text}.diagnose(t, exit)
		if exit != 0 && err == nil {
			t.Error("make failed, and nothing is wrong")
		}
		var fault *Error
		if !errors.As(err, &fault) {
			return
		}
		if n := utf8.RuneCountInString(fault.Reason); n == 0 || n > maxReason || len(fault.Excerpt) > excerptLines {
			t.Errorf("reason of %d, excerpt of %d", n, len(fault.Excerpt))
		}
		for _, line := range append(fault.Excerpt, fault.Reason) {
			if !utf8.ValidString(line) || strings.ContainsFunc(line, unicode.IsControl) {
				t.Errorf("%q", line)
			}
		}
	})
}
