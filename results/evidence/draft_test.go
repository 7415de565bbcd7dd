package evidence

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/modmatrix/modmatrix/results"
)

var secrets = []string{"wonderland", "alice", "/data/homes", "52:54:00", "192.168.1.17", "2001:db8", "4C53000123", "PF3ABCDE", "ThinkPad", "LENOVO"}

const private = "alice@wonderland in /data/homes/alice/x 52:54:00:12:34:56 192.168.1.17 2001:db8::17 SerialNumber: 4C5300012309 PF3ABCDE\n" +
	"Hardware name: LENOVO ThinkPad/20XW, BIOS N32 01/02/2024\n"

// What says whose machine it was survives nowhere: not in consoles, logs, specs and results, nor in names of files.
func TestNothingPrivateSurvives(t *testing.T) {
	me := results.Identity{Hosts: []string{"wonderland"}, Users: []string{"alice"}, Homes: []string{"/data/homes/alice"}, Serials: []string{"PF3ABCDE"}}
	r, dir := sample(t), fstest.MapFS{}
	rec := &r.Records[1]
	rec.Artifacts = results.Artifacts{Console: "cells/6.12.0-wonderland/console.log", BuildLog: "cells/b.log", SuiteLog: "cells/s.log", Specs: "cells/specs.json"}
	rec.Target.Release, rec.Target.Source, rec.Reason, rec.Notes = "6.12.0-wonderland", "dir:/data/homes/alice/linux", private, []string{private}
	rec.Specs = []results.Spec{{Name: private, Status: results.Fail, Message: private, Location: "/home/alice/t.go:1"}}
	rec.Splats = []results.Splat{{Title: private, Excerpt: private, Where: private, Spec: private}}
	rec.Tries = []results.Try{{Status: results.Fail, Reason: private, Artifacts: rec.Artifacts}}
	rec.Absent = []results.Absent{{Module: "x", Reason: private}}
	r.Run.Asked.Words = []string{"run", "/data/homes/alice/drv"}
	r.Finish()
	for _, name := range rec.Files() {
		dir[name] = &fstest.MapFile{Data: []byte(private + "kept 6.12.107 0000:00:03.0\n")}
	}
	d, err := Prepare(r, dir, me)
	if err != nil {
		t.Fatal(err)
	}
	path := t.TempDir() + "/x.evidence.tar.zst"
	if _, err := d.Write(t.Context(), path, "text", opened(t, newKey(t, "k", "")), Tester{}); err != nil {
		t.Fatal(err)
	}
	e, err := Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range contentsOf(t, path) {
		for _, s := range secrets {
			if bytes.Contains(bytes.ToLower(data), []byte(strings.ToLower(s))) || strings.Contains(name, s) {
				t.Errorf("%s is left in %s", s, name)
			}
		}
		if strings.HasPrefix(name, "cells/") && !strings.Contains(string(data), "kept 6.12.107 0000:00:03.0") {
			t.Errorf("%s is %q", name, data)
		}
	}
	if len(e.Shown.Scrubbed) != 7 {
		t.Errorf("got %v, want each kind", e.Shown.Scrubbed)
	}
}

// A log that is too long keeps its ends, whole lines of them, and the lines that faults are at.
func TestLongLogsAreCut(t *testing.T) {
	var text strings.Builder
	for n := 1; n <= 20_000; n++ {
		fmt.Fprintf(&text, "line %d of a long console\n", n)
	}
	r, dir := sample(t), logs()
	dir["cells/6.12.0/console.log"] = &fstest.MapFile{Data: []byte(text.String())}
	dir["cells/6.12.0/build.log"] = &fstest.MapFile{Data: bytes.Repeat([]byte("x"), 2*maxLog)}
	r.Records[1].Splats = []results.Splat{{Line: 3}, {Line: 10_000}, {Line: 19_999}}
	d, err := Prepare(r, dir, results.Identity{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range d.Files {
		if len(f.Data) > maxLog+100 {
			t.Errorf("%s has %d bytes", f.Name, len(f.Data))
		}
		if !strings.HasSuffix(f.Name, "console.log") {
			continue
		}
		lines := strings.Split(string(f.Data), "\n")
		for i, want := range []string{"line 3 of", "", "line 19999 of"} {
			at := d.Results.Records[1].Splats[i].Line
			if want == "" && at != 0 || want != "" && !strings.HasPrefix(lines[at-1], want) {
				t.Errorf("the fault %d is at %d", i, at)
			}
		}
	}
	if len(d.Cut) != 2 || d.Cut[0].Lines == 0 {
		t.Error(d.Cut)
	}
}

func TestOfMachine(t *testing.T) {
	me := ofMachine(fstest.MapFS{
		"etc/resolv.conf":                 {Data: []byte("# x\nsearch corp.example.org lan\nnameserver 10.0.0.1\n")},
		"etc/machine-id":                  {Data: []byte("0123456789abcdef0123456789abcdef\n")},
		"sys/class/dmi/id/board_serial":   {Data: []byte("PF3ABCDE\n")},
		"sys/class/dmi/id/product_name":   {Data: []byte("20XWCTO1WW\n")},
		"sys/class/dmi/id/product_family": {Data: []byte("Standard PC (Q35 + ICH9, 2009)\n")},
		"sys/bus/usb/devices/usb1/serial": {Data: []byte("0000:00:14.0\n")},
		"sys/bus/usb/devices/1-1/serial":  {Data: []byte("4C530001230987\n")},
		"sys/block/nvme0n1/device/serial": {Data: []byte("S4EWNX0R123456  \n")},
		"sys/block/loop0/serial":          {Data: nil},
	})
	want := results.Identity{Hosts: []string{"corp.example.org"}, Models: []string{"20XWCTO1WW"},
		Serials: []string{"0123456789abcdef0123456789abcdef", "PF3ABCDE", "S4EWNX0R123456", "4C530001230987"}}
	if fmt.Sprint(me) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", me, want)
	}
}

// Whatever a signature's files hold, they are refused in one line or were signed.
func FuzzOpen(f *testing.F) {
	f.Add([]byte(`{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[{"keyid":"x","sig":"U1NIU0lH"}]}`), []byte("DSSEv1 28 application/vnd.in-toto+json 2 {}"), []byte("-----BEGIN SSH SIGNATURE-----\n"), []byte("{}"))
	f.Fuzz(func(t *testing.T, envelope, pae, sig, res []byte) {
		if _, _, err := verified(map[string][]byte{EnvelopeName: envelope, SignedName: pae, SignatureName: sig}); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: nobody signed it", err)
		}
		e := &Evidence{}
		if err := e.decode(Manifest{}, map[string][]byte{ResultsName: res, ShownName: []byte("{}")}); err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%q", err)
		}
	})
}
