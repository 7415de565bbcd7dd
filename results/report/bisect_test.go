package report

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/results"
)

const bisection = `{"schema":"modmatrix.bisection/v1","module":{"name":"mydriver","version":"2.2"},"folder":"modmatrix-out/bisect",
"last_good":{"release":"6.1.0-56-amd64","version":"6.1.192","outcome":"good"},
"first_bad":{"release":"6.12.94+deb13-amd64","version":"6.12.94","outcome":"bad","stage":"build","reason":"a.c:7: implicit declaration","results":"x"},
"between":[{"release":"6.12.43","missing":"x","outcome":"untestable","reason":"bookworm-backports holds an image of 6.12.43, but not what modules are built with: a: not in the archive"},
{"release":"6.12.90","missing":"x","outcome":"untestable","broke":true,"reason":"bookworm-backports holds an image of 6.12.90, but not what modules are built with: b: not in the archive"}],
"steps":[{"release":"6.12.111+deb13-amd64","outcome":"bad","reason":"a.c:7: implicit declaration","elapsed_ns":12000000000,"to_go":1},{"release":"6.12.94+deb13-amd64","outcome":"bad","elapsed_ns":9000000}],
"changes":[{"ident":{"name":"strlcpy"},"what":"removed","old":{"form":"function","text":"size_t strlcpy(char *)","file":"include/linux/string.h","line":70}},
{"ident":{"name":"probed_only"},"what":"unseen"}]}`

func TestABisectionNamesTheFirstBadRelease(t *testing.T) {
	var b results.Bisection
	if err := json.Unmarshal([]byte(bisection), &b); err != nil {
		t.Fatal(err)
	}
	b.Good.Selector, b.Bad.Selector = "debian:bookworm@6.1.192", "debian:trixie@6.12.94"
	var out strings.Builder
	if err := Bisection(&out, &b, "my drv"); err != nil {
		t.Fatal(err)
	}
	out.WriteString(Step(b.Steps[0]))
	for _, want := range []string{
		`^mydriver 2.2 · 2 kernels tested$`,
		`^first bad  6.12.94\+deb13-amd64 \(last good 6.1.0-56-amd64\)$`,
		`^    6.12.43 … 6.12.90 \(2\): bookworm-backports holds an image of it, but not what modules are built with$`,
		`^  strlcpy is gone$`,
		`^    6.1.0-56-amd64 +size_t strlcpy\(char \*\)  \(include/linux/string.h:70\)$`,
		`^    6.12.94\+deb13-amd64 +not declared$`,
		`^  see      modmatrix explain 6.12.94\+deb13-amd64 -o modmatrix-out/bisect$`,
		`^  again    modmatrix bisect 'my drv' --good debian:bookworm@6.1.192 --bad debian:trixie@6.12.94$`,
		`^6.12.111\+deb13-amd64 +bad +12 s  1 test to go  a.c:7: implicit declaration$`,
	} {
		if !regexp.MustCompile(`(?m)` + want).MatchString(out.String()) {
			t.Errorf("no %s in\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "probed_only") {
		t.Errorf("a name that neither knows is shown beside one that changed:\n%s", &out)
	}
}

// Where each spec has a guest of its own, a line says whose it is; what is kept of an earlier run says so.
func TestProgressSaysWhoseItIs(t *testing.T) {
	lines := Progress{Verbose: true}
	var out strings.Builder
	for line := range strings.Lines(`{"kind":"stage","target":"6.1.0-56-amd64","suite":"fifo","guest":"is loaded","stage":"boot","state":"start"}
{"kind":"stage","target":"6.1.0-56-amd64","suite":"fifo","guest":"goes \u001b away","stage":"boot","state":"done","elapsed_ns":200000000}
{"kind":"spec","target":"6.1.0-56-amd64","suite":"fifo","guest":"goes \u001b away","stage":"test","state":"start","text":"goes \u001b away","done":1,"total":2}
{"kind":"record","target":"6.1.0-56-amd64","suite":"fifo","record":{"status":"FAIL","reason":"it oopsed","kept":{"run":"A","started":"2026-11-01T10:00:00Z"}}}
{"kind":"record","target":"7.0-amd64","suite":"fifo","record":{"status":"PASS","kept":{"run":"A","started":"2026-11-01T10:00:00Z"}}}
`) {
		var e results.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		out.WriteString(strings.Join(strings.Fields(lines.Add(e, time.Now())), " ") + "\n")
	}
	const want = `6.1.0-56-amd64 fifo boot begins of "is loaded"
6.1.0-56-amd64 fifo boot 0.2 s of "goes \x1b away"
6.1.0-56-amd64 fifo test spec 2/2 "goes \x1b away"
6.1.0-56-amd64 fifo FAIL (kept) it oopsed
7.0-amd64 fifo PASS ok (kept)
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
}
