package initramfs

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/results/wire"
)

// TestClones freezes a guest and clones it twice, each time with another payload.
func TestClones(t *testing.T) {
	needKernel(t)
	var drawn []string
	for i := range 2 {
		p := seeded(t, byte(i))
		if i == 1 {
			p.Plan.Suites[0].Known = []wire.Spec{{Name: "a spec passes"}, {Name: "a known spec", State: "skipped"}}
		}
		b := frozen(t).clone(t, fmt.Sprint("clone", i), p).finish(t, time.Now())
		b.check(t)
		if i == 0 {
			checkSpecs(t, b)
			checkMarkers(t, b)
		}
		if f := b.of(wire.KindTrouble); len(f) != 0 {
			t.Errorf("trouble: %v", f)
		}
		drawn = append(drawn, checkDrawn(t, b))
	}
	if drawn[0] == drawn[1] {
		t.Errorf("both clones drew %s", drawn[0])
	}
}

// template is a guest that was frozen when it was ready.
type template struct{ dir, image, memory, state string }

var shared template // TestMain removes it

// frozen returns the template, which the first caller makes.
func frozen(t *testing.T) template {
	t.Helper()
	if shared.state == "" {
		dir, err := os.MkdirTemp("", "modmatrix-template-") // it outlives the first test that needs it
		if err != nil {
			t.Fatal(err)
		}
		shared.dir = dir
		i := template{dir, templateImage(t, dir), filepath.Join(dir, "memory"), filepath.Join(dir, "state")}
		freeze(t, i)
		shared = i
	}
	return shared
}

// freeze boots a guest and saves it when it is ready.
func freeze(t *testing.T, i template) {
	t.Helper()
	drive := filepath.Join(i.dir, "template")
	if err := EmptyDrive(drive); err != nil {
		t.Fatal(err)
	}
	m := start(t, i.dir, i.image, i.memory, drive, "on")
	if f := m.first(t); f.Kind != wire.KindReady {
		t.Fatalf("the first frame is %+v", f)
	}
	m.do(t, "stop", nil)
	m.do(t, "migrate", map[string]any{"uri": "exec:cat>" + i.state})
	m.until(t, "query-migrate", func(s string) bool { return s == "completed" })
	m.do(t, "quit", nil)
	for f := range m.frames {
		t.Errorf("after it was ready: %+v", f)
	}
	_ = m.cmd.Wait()
}

// clone starts a clone with its payload.
func (i template) clone(t *testing.T, name string, p Payload) *machine {
	t.Helper()
	drive := filepath.Join(i.dir, name)
	if err := EmptyDrive(drive); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	m := start(t, i.dir, i.image, i.memory, drive, "off", "-incoming", "defer", "-S")
	m.do(t, "migrate-incoming", map[string]any{"uri": "exec:cat " + i.state})
	m.until(t, "query-status", func(s string) bool { return s != "inmigrate" })
	restored := time.Now()
	p.Plan.Time = restored.UnixNano()
	if err := WriteDrive(drive, p); err != nil {
		t.Fatal(err)
	}
	t.Logf("restored after %v, drive written in %v", restored.Sub(began), time.Since(restored))
	m.do(t, "cont", nil)
	return m
}

var drew = regexp.MustCompile(`drew (\S+) at (\d+)`)

// checkDrawn returns the random text that a spec drew, once the spec's clock is right.
func checkDrawn(t *testing.T, b booted) string {
	t.Helper()
	var said strings.Builder
	for _, f := range b.of(wire.KindOutput) {
		_, _ = io.WriteString(&said, f.Text)
	}
	found := drew.FindStringSubmatch(said.String())
	if found == nil {
		t.Fatalf("nothing was drawn: %q", said.String())
	}
	at, _ := strconv.ParseInt(found[2], 10, 64)
	if off := time.Since(time.Unix(at, 0)); off < -2*time.Second || off > 2*time.Minute {
		t.Errorf("the clock of the clone is %v off", off)
	}
	return found[1]
}
