package harness

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shared are guests that play a round for each of three suites, as long as they last. A suite whose round never began gets
// a guest of its own, which plays the same script with the other suites left out.
var sharedEndings = []struct {
	name   string
	script string // between the hello and the end
	want   string // what becomes of alpha, beta and gamma
	guests int
}{
	{"all pass", `
		call in alpha load test unload
		call in beta load test unload
		call in gamma load test unload`,
		"PASS, PASS, PASS", 1},
	{"a fault in the second", `
		call in alpha load test unload
		call in beta load begin:test pass:one warns pass:two exit:0 done:test unload
		call in gamma load test unload`,
		"PASS, FAIL@test warn, PASS", 1},
	{"the second crashes", `
		call in alpha load test unload
		call in beta load begin:test start:one reset
		call in gamma load test unload`,
		"PASS, FAIL@test reset, PASS", 2},
	{"the last crashes after all is said", `
		call in alpha load test unload
		call in beta load test unload
		call in gamma load test unload
		call in gamma reset`,
		"PASS, PASS, FAIL@unload reset", 1},
	{"QEMU dies in the second", `
		call in alpha load test unload
		call in beta load begin:test
		call once die
		call in beta pass:one pass:two exit:0 done:test unload
		call in gamma load test unload`,
		"PASS, PASS, PASS", 3}, // beta's is run again, gamma's never began
	{"QEMU dies between the first and the second", `
		call in alpha load test unload
		call once die
		call in beta load test unload
		call in gamma load test unload`,
		"PASS, PASS, PASS", 4}, // what killed it may have been alpha's
	{"the first does not unload", `
		call in alpha load test begin:unload unloaded:11 done:unload taint:unload=4096 begin:shutdown done:shutdown over off
		call in beta load test unload
		call in gamma load test unload`,
		"FAIL@unload unload-failed, PASS, PASS", 3},
	{"the first is refused", `
		call in alpha begin:load loaded:19 done:load taint:load=0
		call in beta load test unload
		call in gamma load test unload`,
		"FAIL@load load-refused, PASS, PASS", 1},
	{"frames of a suite that nobody planned", `
		call in alpha load begin:test
		call frame {"kind":"spec-end","suite":"nobody","spec":{"name":"one","state":"failed"}}
		call frame {"kind":"stage","suite":"nobody","stage":"unload","done":true}
		call in alpha pass:one pass:two exit:0 done:test unload
		call in beta load test unload
		call in gamma load test unload`,
		"PASS, PASS, PASS", 1},
	{"specs that end in a suite that nobody planned", `
		call in alpha load begin:test exit:0 done:test unload
		call frame {"kind":"spec-end","suite":"nobody","spec":{"name":"one","state":"passed"}}
		call in beta load test unload
		call in gamma load test unload`,
		"ERROR@test spec-missing, PASS, PASS", 1},
	{"the first says that the second began, and crashes", `
		call in alpha load begin:test start:one
		call once begin-beta
		call in alpha reset
		call in beta load test unload
		call in gamma load test unload`,
		"FAIL@test reset, FAIL@load reset, PASS", 2},
	{"the first forges a round of the second", `
		call in alpha load begin:test start:one
		call forge itself
		call once play-beta
		call forge
		call in alpha ended:one pass:two exit:0 done:test unload
		call in beta load test unload
		call in gamma load test unload`,
		"PASS, PASS, PASS", 4}, // frames are lost by it, so each gets a guest of its own, in which nobody forges
}

func TestEndingsOfRounds(t *testing.T) {
	for _, e := range sharedEndings {
		t.Run(e.name, func(t *testing.T) {
			once := filepath.Join(t.TempDir(), "once")
			script := strings.ReplaceAll(e.script, "call once ", "call once "+once+" ")
			f := newFixture(t, "call count "+once+"\ncall send hello\n"+planned+script+"\ncall send end\npoweroff")
			f.spec.Kernels, f.spec.Isolate, f.spec.Suites = Selectors("debian:old"), IsolateNone, nil
			for _, name := range []string{"alpha", "beta", "gamma"} {
				f.spec.Suites = append(f.spec.Suites, suiteFolder(t, name))
			}
			res, err := f.run(t, t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got, why []string
			for _, rec := range res.Records {
				got = append(got, verdictText(rec.Status, rec.Stage, rec.Code))
				why = append(why, rec.Suite+": "+rec.Reason)
			}
			if text := strings.Join(got, ", "); text != e.want {
				t.Errorf("got  %s\nwant %s\n%s", text, e.want, strings.Join(why, "\n"))
			}
			if guests, _ := os.ReadFile(once + ".guests"); len(guests) != e.guests {
				t.Errorf("%d guests, want %d", len(guests), e.guests)
			}
		})
	}
}

// planned is what each suite has.
const planned = `
	call in alpha taint:boot=0 plan:one,two
	call in beta taint:boot=0 plan:one,two
	call in gamma taint:boot=0 plan:one,two`

// suiteFolder is a folder that looks like a suite.
func suiteFolder(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+"_test.go"), []byte("package "+name+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}
