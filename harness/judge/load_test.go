package judge

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
	"github.com/modmatrix/modmatrix/vm/console"
)

// refusedBeside is a guest of a package of which "core" loads and is tested, or nothing, and the rest is refused with their errnos.
func refusedBeside(core bool, refused ...Syscall) Evidence {
	e := good()
	e.Modules = len(refused)
	if core {
		e.Modules++
		e.Guest.Loads = []Syscall{{Module: "core"}}
		e.Guest.Unloads = []Syscall{{Module: "core"}}
	} else {
		e.Guest.Loads, e.Guest.Unloads = nil, nil
		e.Guest.Specs, e.Guest.Started, e.Guest.Exit = nil, nil, nil
		for _, s := range []results.Stage{results.StageTest, results.StageUnload} {
			delete(e.Guest.Ended, s)
			delete(e.Guest.Began, s)
		}
	}
	e.Guest.Loads = append(e.Guest.Loads, refused...)
	return e
}

func no(module string, errno syscall.Errno) Syscall {
	return Syscall{Module: module, Errno: int(errno)}
}

func TestLoadOfSeveralModules(t *testing.T) {
	absent := no("board", syscall.ENODEV)
	for name, c := range map[string]struct {
		evidence Evidence
		change   func(*Evidence)
		want     string   // status@stage code
		says     []string // in the reason or the notes
	}{
		"no hardware for the only one":  {refusedBeside(false, absent), nil, "SKIP@load no-hardware", []string{"board refused: ENODEV (no such device); its hardware is not in the guest"}},
		"ENXIO is no hardware either":   {refusedBeside(false, no("board", syscall.ENXIO)), nil, "SKIP@load no-hardware", []string{"ENXIO"}},
		"no hardware for two":           {refusedBeside(false, absent, no("port", syscall.ENXIO)), nil, "SKIP@load no-hardware", []string{"board refused", "port refused: ENXIO"}},
		"EIO is a fault":                {refusedBeside(false, no("board", syscall.EIO)), nil, "FAIL@load load-refused", []string{"EIO"}},
		"no hardware, and a residue":    {refusedBeside(false, absent), func(e *Evidence) { e.Guest.Residue = []string{"/proc: board"} }, "FAIL@load load-refused", []string{"left behind: /proc: board"}},
		"no hardware, and a warning":    {refusedBeside(false, absent), func(e *Evidence) { e.Splats = []Splat{splatIn(results.StageLoad, "", results.CodeWarn)} }, "FAIL@load warn", []string{"it broke"}},
		"no hardware, and no end":       {refusedBeside(false, absent), func(e *Evidence) { e.Guest.End = false }, "FAIL@shutdown reset", nil},
		"no hardware, and a lost frame": {refusedBeside(false, absent), func(e *Evidence) { e.Guest.Lost = true }, "ERROR@test spec-missing", nil},
		"one of two":                    {refusedBeside(true, absent), nil, "PASS@", []string{"set aside: board refused: ENODEV"}},
		"one of two, with what serves":  {refusedBeside(true, absent), func(e *Evidence) { e.Facts = map[string]Fact{"board": {Serves: "--device edu"}} }, "PASS@", []string{"not in the guest: --device edu"}},
		"one and what needs it": {refusedBeside(true, absent, Syscall{"panel", int(syscall.ENODEV), "board"}),
			func(e *Evidence) { e.Facts = map[string]Fact{"panel": {Blind: true}} }, "PASS@",
			[]string{"set aside: panel was not tried, since board refused"}},
		"one of two, and a residue":   {refusedBeside(true, absent), func(e *Evidence) { e.Guest.Residue = []string{"/proc: board"} }, "FAIL@unload leak", []string{"/proc: board"}},
		"one of two, and a failure":   {refusedBeside(true, absent, no("bad", syscall.EINVAL)), nil, "FAIL@load load-refused", []string{"bad refused: EINVAL"}},
		"one never unloaded":          {refusedBeside(true, absent), func(e *Evidence) { e.Guest.Unloads = nil }, "ERROR@load infra", []string{"every module"}},
		"the refusal was an answer":   {refusedBeside(true, absent), func(e *Evidence) { e.Facts = map[string]Fact{"board": {Blind: true}} }, "FAIL@load load-refused", []string{"board refused: ENODEV (no such device); it asks nothing but modules of its own package"}},
		"words of its own":            {refusedBeside(true, absent), func(e *Evidence) { e.Words = map[string]string{"board": "board: no board"} }, "PASS@", []string{"ENODEV (no such device): board: no board; its"}},
		"excluded by another":         {refusedBeside(true, no("twin", syscall.EBUSY)), nil, "FAIL@load load-refused", []string{"twin refused: EBUSY (device or resource busy) while core is loaded"}},
		"excluded, and well alone":    {refusedBeside(true, no("twin", syscall.EBUSY)), func(e *Evidence) { e.Guest.Alone = []string{"twin"} }, "FAIL@load load-refused", []string{"while core is loaded", "[module] load", "--load"}},
		"busy by itself":              {refusedBeside(false, no("twin", syscall.EBUSY)), nil, "FAIL@load load-refused", []string{"twin refused: EBUSY (device or resource busy)"}},
		"a name that is built in":     {refusedBeside(true, no("twin", syscall.EEXIST)), func(e *Evidence) { e.Facts = map[string]Fact{"twin": {BuiltIn: true}} }, "FAIL@load load-refused", []string{"EEXIST (file exists); a module of this name is built into this kernel"}},
		"what dkms would not install": {refusedBeside(false, no("user", syscall.ENOENT)), func(e *Evidence) { e.Facts = map[string]Fact{"user": {Unlisted: []string{"low"}}} }, "FAIL@load load-refused", []string{"depends on low, built but not listed in dkms.conf"}},
		"no firmware":                 {refusedBeside(false, no("radio", syscall.ENOENT)), func(e *Evidence) { e.NoFirmware, e.FirmwareCure = []string{"a.bin", "b.bin"}, ": how" }, "FAIL@load load-refused", []string{"it asked for the firmware a.bin, b.bin, which the guest does not have: how"}},
		"no firmware, perhaps":        {refusedBeside(false, no("radio", syscall.ENOENT)), func(e *Evidence) { e.Facts = map[string]Fact{"radio": {Firmware: []string{"a.bin"}}} }, "FAIL@load load-refused", []string{"it may have asked for its firmware a.bin"}},
		"no firmware, and no harm":    {good(), func(e *Evidence) { e.NoFirmware = []string{"a.bin"} }, "PASS@", []string{"it asked for the firmware a.bin"}},
		"loaded on request, unloaded": {good(), func(e *Evidence) {
			e.Guest.Loads = append(e.Guest.Loads, Syscall{Module: "more"})
			e.Guest.Unloads = append(e.Guest.Unloads, Syscall{Module: "more"})
		}, "PASS@", nil},
		"loaded on request, and stays": {good(), func(e *Evidence) { e.Guest.Loads = append(e.Guest.Loads, Syscall{Module: "more"}) }, "ERROR@load infra", nil},
	} {
		if c.change != nil {
			c.change(&c.evidence)
		}
		rec := Judge(c.evidence)
		if got := strings.TrimSpace(fmt.Sprintf("%s@%s %s", rec.Status, rec.Stage, rec.Code)); got != c.want {
			t.Errorf("%s: %s: %s, want %s", name, got, rec.Reason, c.want)
		}
		for _, text := range c.says {
			if !slices.ContainsFunc(append(rec.Notes, rec.Reason), func(s string) bool { return strings.Contains(s, text) }) {
				t.Errorf("%s: nothing says %q: %q, %q", name, text, rec.Reason, rec.Notes)
			}
		}
	}
}

func TestAcross(t *testing.T) {
	on := func(release, arch string, status results.Status, loaded string, absent ...results.Absent) results.Record {
		return results.Record{Target: results.Target{Release: release, Arch: arch}, Status: status, Loaded: strings.Fields(loaded), Absent: absent}
	}
	board := results.Absent{Module: "board", Reason: "board refused: ENODEV"}
	for name, c := range map[string]struct {
		records []results.Record
		want    string
	}{
		"nowhere":                 {[]results.Record{on("5", "x", results.Skip, "", board), on("6", "x", results.Skip, "", board)}, "SKIP SKIP"},
		"on another kernel":       {[]results.Record{on("5", "x", results.Skip, "", board), on("6", "x", results.Pass, "board")}, "FAIL PASS"},
		"set aside there":         {[]results.Record{on("5", "x", results.Pass, "core board"), on("6", "x", results.Pass, "core", board)}, "PASS FAIL"},
		"on another architecture": {[]results.Record{on("5", "x", results.Skip, "", board), on("5", "y", results.Pass, "board")}, "SKIP PASS"},
		"with another suite":      {[]results.Record{on("5", "x", results.Skip, "", board), on("5", "x", results.Pass, "board")}, "FAIL PASS"},
		"where it fails later":    {[]results.Record{on("5", "x", results.Skip, "", board), on("6", "x", results.Fail, "board")}, "FAIL FAIL"},
		"an error stays one":      {[]results.Record{on("5", "x", results.Error, "", board), on("6", "x", results.Pass, "board")}, "ERROR PASS"},
	} {
		before := fmt.Sprint(c.records)
		if once := Across(c.records); fmt.Sprint(Across(once)) != fmt.Sprint(once) {
			t.Errorf("%s: judged twice, they differ", name)
		}
		var got []string
		for _, rec := range Across(c.records) {
			got = append(got, string(rec.Status))
			if rec.Status == results.Fail && len(rec.Absent) > 0 && !strings.HasPrefix(rec.Reason, "board refused: ENODEV; but it loads on ") {
				t.Errorf("%s: %q", name, rec.Reason)
			}
		}
		if strings.Join(got, " ") != c.want || fmt.Sprint(c.records) != before {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// TestLoadWords holds that a refusal is explained by what was said while that module was loaded, and not by another's.
func TestLoadWords(t *testing.T) {
	line := func(text string) string { return "[    1.000000] " + text + "\n" }
	mark := func(module string, done bool) string {
		return line("modmatrix n: " + strings.TrimPrefix(wire.LoadMarker("n", module, done), "modmatrix n: "))
	}
	for name, c := range map[string]struct{ log, want string }{
		"its own words":          {mark("b", false) + line("b: no device") + mark("b", true) + line("a: down"), "b: no device"},
		"words without a name":   {mark("b", false) + line("No device found") + mark("b", true), "No device found"},
		"nothing":                {mark("b", false) + mark("b", true) + line("a: down") + line("b: bye"), ""},
		"what another says":      {mark("b", false) + line("a: hello") + mark("b", true), ""},
		"the loader first":       {mark("b", false) + line("b: Unknown symbol f (err -2)") + line("b: sorry") + mark("b", true), "b: Unknown symbol f (err -2)"},
		"no marker":              {line("b: no device") + line("a: down") + line("anybody's words"), "b: no device"},
		"no end":                 {mark("b", false) + line("b: no device"), "b: no device"},
		"a longer name":          {mark("b2", false) + line("nothing of b") + mark("b2", true) + mark("b", false) + mark("b", true), ""},
		"before it was its turn": {line("b: early") + mark("b", false) + mark("b", true), ""},
	} {
		g := &Guest{Nonce: "n", Loads: []Syscall{{Module: "a"}, no("b", syscall.ENODEV)}}
		if got := loadWords([]byte(c.log), g, []string{"a", "b"})["b"]; got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestMissingFirmware(t *testing.T) {
	log := "[    1.0] rtw 0000:00:02.0: Direct firmware load for rtw88/fw.bin failed with error -2\n" +
		"[    1.1] rtw 0000:00:02.0: Direct firmware load for rtw88/fw.bin failed with error -2\n" +
		"[    1.2] rtw 0000:00:02.0: Direct firmware load for big.bin failed with error -27\n[    1.3] x: Direct firmware load for y.bin failed with error -2\n"
	if got := strings.Join(missingFirmware([]byte(log)), " "); got != "rtw88/fw.bin y.bin" {
		t.Error(got)
	}
}

func FuzzLoadWords(f *testing.F) {
	f.Add([]byte("modmatrix n: loading b begin\nb: no\nmodmatrix n: loading b end\n"))
	f.Add([]byte("Direct firmware load for x failed with error -2"))
	f.Fuzz(func(t *testing.T, log []byte) {
		g := &Guest{Nonce: "n", Loads: []Syscall{no("b", syscall.ENODEV)}}
		if words := loadWords(log, g, []string{"a", "b"})["b"]; len(words) > len(log) {
			t.Errorf("%q", words)
		}
		if files := missingFirmware(log); len(files) > maxFirmware {
			t.Error(len(files))
		}
		_ = console.Reason(log, "b", "a")
	})
}
