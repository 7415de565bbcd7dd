package claims

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results"
)

func TestConditions(t *testing.T) {
	for source, want := range map[string]string{
		"": "",
		"#if LINUX_VERSION_CODE < KERNEL_VERSION(4, 15, 0)\n":                                             "a.c:1 < 4.15.0",
		"\n# elif LINUX_VERSION_CODE>=KERNEL_VERSION(5,4,08)\n":                                           "a.c:2 >= 5.4.8",
		"#if defined(X) && \\\n  LINUX_VERSION_CODE == KERNEL_VERSION(6,1,2)\r\n":                         "a.c:2 == 6.1.2",
		"#if LINUX_VERSION_CODE > KERNEL_VERSION(5,0,0) && LINUX_VERSION_CODE <= KERNEL_VERSION(6,0,0)\n": "a.c:1 > 5.0.0, a.c:1 <= 6.0.0",
		"#define X KERNEL_VERSION(0, 12, 7)\n":                                                            "",
		"// if LINUX_VERSION_CODE < KERNEL_VERSION(4, 15, 0)\n":                                           "",
		"#if LINUX_VERSION_CODE < KERNEL_VERSION(a, b, c)\n":                                              "",
		"#if MY_LINUX_VERSION_CODE < KERNEL_VERSION(1, 2, 3)\n":                                           "",
	} {
		var got []string
		for _, c := range conditions("a.c", source) {
			got = append(got, fmt.Sprintf("%s %s %s", c.Where, c.Op, c.Version))
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%q: %q, want %q", source, got, want)
		}
	}
}

func FuzzMetaBounds(f *testing.F) {
	f.Add("Name: x\nLinux-Maximum: 6.12\nLinux-Minimum: v4.18.1\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, b := range metaBounds(text) {
			if (b.Min == "") == (b.Max == "") || strings.Trim(b.Min+b.Max, "0123456789.") != "" || strings.Contains(b.Text, "\n") {
				t.Errorf("%+v", b)
			}
		}
	})
}

func FuzzConditions(f *testing.F) {
	f.Add([]byte("#if LINUX_VERSION_CODE < KERNEL_VERSION(4, 15, 0)\n#elif \\\nLINUX_VERSION_CODE != KERNEL_VERSION(9999,0,1)"))
	f.Fuzz(func(t *testing.T, source []byte) {
		for _, c := range conditions("a.c", string(source)) {
			if _, ok := code(c.Version); !ok || strings.Count(c.Version, ".") != 2 || strings.ContainsAny(c.Where, "\n\x1b") {
				t.Errorf("%+v", c)
			}
			if c.Op == "" || holds(results.Condition{Op: "<", Version: c.Version}, 0) == holds(results.Condition{Op: ">=", Version: c.Version}, 0) {
				t.Errorf("%+v", c)
			}
		}
	})
}

func TestCode(t *testing.T) {
	for version, want := range map[string]int{"6.1.140": 6<<16 | 1<<8 | 140, "5.10.300": 5<<16 | 10<<8 | 255, "7.3": 7<<16 | 3<<8,
		"6.19-rc3": 6<<16 | 19<<8, "6": -1, "": -1, "x.y.z": -1} {
		if got, ok := code(version); ok != (want >= 0) || ok && got != want {
			t.Errorf("%q: %#x %v, want %#x", version, got, ok, want)
		}
	}
}

func recordsOf(text string) (all []results.Record) {
	for word := range strings.FieldsSeq(text) {
		version, status, _ := strings.Cut(word, "=")
		all = append(all, results.Record{Target: results.Target{Release: version + "-x", Version: version}, Status: results.Status(status)})
	}
	return all
}

func TestClaims(t *testing.T) {
	conf := []byte("BUILD_EXCLUSIVE_KERNEL_MIN=\"5.10\"\nBUILD_EXCLUSIVE_KERNEL_MAX=$MAX\n")
	conds := []results.Condition{{Op: "<", Version: "4.15.0"}, {Op: ">=", Version: "6.12.0"}, {Op: ">=", Version: "5.0.0"}}
	never, always := conds[0], conds[2]
	always.Holds = true
	constant := []results.Condition{never, always}
	for name, tt := range map[string]struct {
		conf    []byte
		conds   []results.Condition
		records string
		want    *results.Claims
	}{
		"the source says nothing": {nil, nil, "6.1.1=PASS", nil},
		"nothing was built":       {conf, conds, "6.1.1=MISS 6.12.1=SKIP 7.2.1=ERROR", nil},
		"all pass": {nil, conds, "6.12.1=PASS 6.1.1=PASS",
			&results.Claims{Constant: constant, Varied: 1, First: "6.1.1", Last: "6.12.1"}},
		"the newest fails": {conf, conds[1:2], "6.1.1=PASS 6.12.1=PASS 7.2.1=FAIL 7.2.1=FAIL",
			&results.Claims{Min: "5.10", Varied: 1, Broken: []string{"7.2.1-x"}, First: "6.1.1", Last: "6.12.1",
				Proposed: []results.Proposal{{Line: `BUILD_EXCLUSIVE_KERNEL_MAX="7.2"`, Good: "6.12.1", Bad: "7.2.1"}}}},
		"the oldest fail": {[]byte("BUILD_EXCLUSIVE_KERNEL='^[67]\\.'\n"), nil, "6.1.1=FAIL 6.1.9=PASS 6.12.1=PASS",
			&results.Claims{Kernel: `^[67]\.`, Broken: []string{"6.1.1-x"}, First: "6.1.9", Last: "6.12.1",
				Proposed: []results.Proposal{{Line: `BUILD_EXCLUSIVE_KERNEL_MIN="6.1.9"`, Good: "6.1.9", Bad: "6.1.1"}}}},
		"a dkms.conf that claims nothing": {[]byte("PACKAGE_NAME=x\n"), nil, "6.1.1=PASS", nil},
		"and could": {[]byte("PACKAGE_NAME=x\n"), nil, "6.1.1=PASS 6.12.1=FAIL",
			&results.Claims{First: "6.1.1", Last: "6.1.1", Proposed: []results.Proposal{{Line: `BUILD_EXCLUSIVE_KERNEL_MAX="6.12"`, Good: "6.1.1", Bad: "6.12.1"}}}},
		"a hole":                      {conf, nil, "6.1.1=PASS 6.12.1=FAIL 7.2.1=PASS", &results.Claims{Min: "5.10", Broken: []string{"6.12.1-x"}}},
		"one suite fails":             {conf, nil, "6.1.1=PASS 6.1.1=FAIL", &results.Claims{Min: "5.10", Broken: []string{"6.1.1-x"}}},
		"a failure that is no claim":  {nil, conds[1:2], "6.1.1=FAIL 6.12.1=PASS", &results.Claims{Varied: 1, First: "6.12.1", Last: "6.12.1"}},
		"what was not run is no fail": {conf, nil, "5.10.1=MISS 6.1.1=PASS", &results.Claims{Min: "5.10", First: "6.1.1", Last: "6.1.1"}},
	} {
		if got := hold(source{conf: tt.conf, conditions: tt.conds}, recordsOf(tt.records)); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, tt.want)
		}
	}
}

func TestRead(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		dir + "/a.c": "#if LINUX_VERSION_CODE < KERNEL_VERSION(4,15,0)\n#endif\n", dir + "/sub/b.h": "#if LINUX_VERSION_CODE > KERNEL_VERSION(6,0,0)\n#endif\n",
		dir + "/META": "Version: 1\nLinux-Minimum: 4.18\n", dir + "/README.md": "# x\n\nSupports Linux 4.14 - 5.4.\n", dir + "/sub/META": "Linux-Maximum: 2.6\n",
		dir + "/.git/c.c": "#if LINUX_VERSION_CODE < KERNEL_VERSION(1,1,1)\n", dir + "/README": "#if LINUX_VERSION_CODE < KERNEL_VERSION(1,1,1)\n",
		dir + "/dkms.conf": "BUILD_EXCLUSIVE_KERNEL_MAX=6.2\n", outside + "/d.c": "#if LINUX_VERSION_CODE < KERNEL_VERSION(1,1,1)\n",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside+"/d.c", dir+"/d.c"); err != nil {
		t.Fatal(err)
	}
	got, err := read(dir)
	all := got.conditions
	if err != nil || !strings.Contains(string(got.conf), "MAX=6.2") || len(all) != 2 || all[0].Where != "a.c:1" || all[1].Where != "sub/b.h:1" {
		t.Errorf("%+v %v", got, err)
	}
	lines := noticesOf(hold(got, recordsOf("6.1.1=FAIL 6.0.1=PASS 5.15.1=PASS")))
	want := []string{"dkms.conf lets it be built for 6.1.1-x, where it fails; it passes from 5.15.1 to 6.0.1",
		`META:2 says "Linux-Minimum: 4.18", and it fails on 6.1.1-x`,
		`BUILD_EXCLUSIVE_KERNEL_MAX="6.1" would say what was measured: it passes on 6.0.1 and fails on 6.1.1`,
		"Linux-Maximum: 6.0 would say what was measured: it passes on 6.0.1 and fails on 6.1.1",
		"1 of 2 conditions on the kernel's version come out the same on every kernel here, e.g. a.c:1: < 4.15.0 is never so; the code for the others was not compiled"}
	if !reflect.DeepEqual(lines, want) {
		t.Errorf("%q", lines)
	}
}

func TestMetaBounds(t *testing.T) {
	got := metaBounds("Meta: 1\nName: zfs\nVersion: 2.2.7\nLinux-Maximum: 6.12\r\nLinux-Minimum: 4.18\nLinux-Minimum: x\n  # Linux-Minimum: 1.2\n")
	if len(got) != 2 || got[0].Max != "6.12" || got[1].Min != "4.18" || got[1].Where != "META:5" || got[0].Text != "Linux-Maximum: 6.12" {
		t.Errorf("%+v", got)
	}
}

func TestHoldMeta(t *testing.T) {
	tried := built(recordsOf("5.10.1=PASS 6.1.5=PASS 6.8.9=FAIL 6.8.9=FAIL 6.12.1=FAIL"))
	for _, tt := range []struct{ low, high, want string }{
		{"5.4", "6.8", "true 6.8.9-x"}, {"5.4", "6.7", "true "}, {"6.8", "", "true 6.8.9-x 6.12.1-x"}, {"", "5.9", "false "},
		{"6.1", "6.1", "true "}, {"6.8.10", "6.8.12", "false "}, {"", "", "true 6.8.9-x 6.12.1-x"},
	} {
		s := holdMeta([]results.Statement{{Min: tt.low, Max: tt.high}}, tried)[0]
		if got := fmt.Sprintf("%v %s", s.Measured, strings.Join(s.Broken, " ")); got != tt.want {
			t.Errorf("%s to %s: %q, want %q", tt.low, tt.high, got, tt.want)
		}
	}
}

// A module that fails on every kernel of one architecture works on the versions on which it passes on another: no bound follows from that.
func TestAnArchitectureIsNoVersion(t *testing.T) {
	records := recordsOf("5.10.1=FAIL 6.1.5=PASS 6.12.1=PASS")
	for _, rec := range recordsOf("5.10.2=FAIL 6.1.5=FAIL 6.12.1=FAIL 7.3.1=FAIL") {
		rec.Target.Arch = "s390x"
		records = append(records, rec)
	}
	tried := built(records)
	if len(tried) != 3 {
		t.Fatalf("%d records, want the 3 of the architecture on which it passes", len(tried))
	}
	var c results.Claims
	measure(&c, tried)
	if c.First != "6.1.5" || c.Last != "6.12.1" {
		t.Errorf("it passes from %q to %q", c.First, c.Last)
	}
	if got := built(recordsOf("5.10.1=FAIL 6.1.5=FAIL")); len(got) != 2 {
		t.Errorf("%d records where it passes nowhere, want all", len(got))
	}
}
