package initramfs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/results/wire"
)

// envZoo names a folder with modules of suites/zoo, built for the test kernel.
const envZoo = "MODMATRIX_TEST_ZOO"

// TestClonesRounds runs several suites in one guest, each with some of its specs only.
func TestClonesRounds(t *testing.T) {
	p := cell(t, needKernel(t))
	suite := p.Plan.Suites[0]
	first, second, third := suite, suite, suite
	first.Name, first.Only = "first", []string{"a spec passes"}
	second.Name, second.Only = "second", []string{"a spec is for later kernels", "a spec fails", "no such spec"}
	third.Name, third.Only, third.Title = "third", []string{"a spec passes"}, "boot"
	third.Known = []wire.Spec{{Name: "a spec fails"}, {Name: "a spec passes"}}
	p.Plan.Suites, p.Plan.Seed = []wire.Suite{first, second, third}, make([]byte, wire.SeedSize)
	b := frozen(t).clone(t, "rounds", p).finish(t, time.Now())
	b.check(t)
	var events []string
	for _, f := range b.frames {
		switch f.Kind {
		case wire.KindPlan:
			events = append(events, fmt.Sprint(f.Suite, " plan ", f.Text, len(f.Specs)))
		case wire.KindStage:
			if !f.Done {
				events = append(events, f.Suite+" "+f.Stage)
			}
		case wire.KindSpecStart:
			events = append(events, f.Suite+" "+f.Spec.Name)
		case wire.KindSpecEnd:
			events = append(events, f.Suite+" "+f.Spec.Name+": "+f.Spec.State)
		case wire.KindUnload, wire.KindLoad, wire.KindSuiteEnd:
			events = append(events, fmt.Sprint(f.Suite, " ", f.Kind, " ", f.Errno))
		case wire.KindTrouble, wire.KindResidue:
			t.Errorf("%s: %s", f.Kind, f.Text)
		}
	}
	want := []string{"first plan boot1", "second plan boot2", "third plan boot1",
		"first load", "first load 0", "first test", "first a spec passes", "first a spec passes: passed", "first suite-end 0", "first unload", "first unload 0",
		"second load", "second load 0", "second test", "second a spec fails", "second a spec fails: failed", "second a spec is for later kernels", "second a spec is for later kernels: skipped",
		"second suite-end 0", "second unload", "second unload 0",
		"third load", "third load 0", "third test", "third a spec passes", "third a spec passes: passed", "third suite-end 0", "third unload", "third unload 0",
		" shutdown"}
	if !slices.Equal(events, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(events, "\n"), strings.Join(want, "\n"))
	}
	var marks []string
	for line := range strings.Lines(b.console) {
		if m, ok := wire.ParseMarker(line, "n0nce"); ok && m.Done {
			marks = append(marks, strings.TrimSpace(m.Suite+" "+m.Stage+m.Name))
		}
	}
	wantMarks := []string{"first load", "first a spec passes", "first test", "first unload", "second load", "second a spec fails",
		"second a spec is for later kernels", "second test", "second unload", "third load", "third a spec passes", "third test", "third unload", "shutdown"}
	if !slices.Equal(marks, wantMarks) {
		t.Errorf("marks %q", marks)
	}
}

// TestClonesList asks for nothing but the specs.
func TestClonesList(t *testing.T) {
	p := cell(t, needKernel(t))
	p.Plan.List, p.Plan.Seed = true, make([]byte, wire.SeedSize)
	b := frozen(t).clone(t, "list", p).finish(t, time.Now())
	b.check(t)
	if plans := b.of(wire.KindPlan); len(plans) != 1 || plans[0].Suite != "boot" || len(plans[0].Specs) != 15 {
		t.Errorf("plans %v", plans)
	}
	if len(b.of(wire.KindLoad))+len(b.of(wire.KindTaint)) != 0 || len(b.of(wire.KindStage)) != 2 {
		t.Errorf("it did more than that: %v", b.of(wire.KindStage))
	}
}

// TestClonesOfTheZoo has modules leave things behind that can be seen only afterwards, and one that never comes up.
func TestClonesOfTheZoo(t *testing.T) {
	needKernel(t)
	zoo := os.Getenv(envZoo)
	if zoo == "" {
		t.Skipf("loads bad modules: set %s", envZoo)
	}
	load := func(name string) Payload {
		ko := wire.ModuleDir + "/" + name + ".ko"
		return Payload{Plan: wire.Plan{Nonce: "n0nce", PatienceMS: 1500, Seed: make([]byte, wire.SeedSize), Modules: []wire.Module{{Name: name, Path: ko}}},
			Files: []File{{Guest: ko, Host: filepath.Join(zoo, name+".ko")}}}
	}
	for name, want := range map[string]string{"thread_left": "kernel thread: zoo_left", "slab_left": "/sys/kernel/slab: zoo_cache", "class_left": "/sys/class: zoo_class", "init_fails_late": " zoo_late"} {
		t.Run(name, func(t *testing.T) {
			b := frozen(t).clone(t, name, load(name)).finish(t, time.Now())
			b.check(t)
			if f := b.of(wire.KindResidue); !slices.ContainsFunc(f, func(f wire.Frame) bool { return strings.HasSuffix(f.Text, want) }) {
				t.Errorf("residue %v, want %q", f, want)
			}
		})
	}
	t.Run("no_exit", func(t *testing.T) {
		p := load("no_exit")
		suite := wire.Suite{Name: "first", Path: wire.SuitePath, Title: "boot", Only: []string{"none"}, Known: []wire.Spec{{Name: "x"}}}
		second := suite
		second.Name = "second"
		p.Plan.Suites = []wire.Suite{suite, second}
		p.Files = append(p.Files, cell(t, "no_exit").Files[1])
		b := frozen(t).clone(t, "no_exit", p).finish(t, time.Now())
		b.check(t)
		if f := b.of(wire.KindUnload); len(f) != 1 || syscall.Errno(f[0].Errno) != syscall.EBUSY || f[0].Suite != "first" {
			t.Errorf("unload: %v", f)
		}
		if f := b.of(wire.KindLoad); len(f) != 1 || len(b.of(wire.KindTrouble)) != 0 {
			t.Errorf("a round began with a module that was still there, or it is PID 1's fault: %v", f)
		}
	})
	t.Run("sleep_init", func(t *testing.T) { checkStuck(t, frozen(t).clone(t, "sleep_init", load("sleep_init"))) })
}

// checkStuck waits until a guest says where it is stuck, with the stack as the kernel shows it, and that it still lives. What all
// processors do the host asks for, by keys on the console.
func checkStuck(t *testing.T, m *machine) {
	t.Helper()
	limit, stuck, beats := time.After(time.Minute), wire.Frame{}, 0
	for beats < 3 {
		select {
		case f := <-m.frames:
			t.Logf("%6d %s", f.At, show(f))
			switch {
			case f.Kind == wire.KindStuck:
				stuck = f
			case f.Kind == wire.KindHeartbeat && stuck.Kind != "":
				beats++
			case f.Kind == "" || f.Kind == wire.KindEnd:
				t.Fatalf("it ended: %v", m.end)
			}
		case <-limit:
			t.Fatalf("after %+v only %d heartbeats", stuck, beats)
		}
	}
	if stuck.Stage != wire.StageLoad || !strings.Contains(stuck.Text, "): msleep <- ") || !strings.Contains(stuck.Text, "[sleep_init] <- do_one_initcall") ||
		!strings.Contains(stuck.Stack, "zoo_init") {
		t.Errorf("stuck: %+v", stuck)
	}
}
