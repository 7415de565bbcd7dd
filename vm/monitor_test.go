package vm

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/digitalocean/go-qemu/qmp"
)

const greeting = `{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": ""}, "capabilities": []}}` + "\r\n"

// talk gives a monitor whose QEMU says the lines of a script, whatever it is asked: one after every command.
func talk(t *testing.T, lines ...string) (*monitor, *[]string, error) {
	var events []string
	m, err := observed(t, func(e qmp.Event) { events = append(events, e.Event) }, lines...)
	return m, &events, err
}

func observed(t *testing.T, observe func(qmp.Event), lines ...string) (*monitor, error) {
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		buf := make([]byte, 16<<10)
		for i, line := range lines {
			if i > 0 {
				if _, err := theirs.Read(buf); err != nil {
					return
				}
			}
			if _, err := theirs.Write([]byte(line)); err != nil {
				return
			}
		}
		theirs.Read(buf)
	}()
	m, err := newMonitor(t.Context(), ours, observe)
	if err == nil {
		t.Cleanup(m.close)
	}
	return m, err
}

const ok = `{"return": {}}` + "\r\n"

func TestMonitorAnswers(t *testing.T) {
	long := strings.Repeat("x", 200<<10)
	tests := map[string]struct {
		line      string
		want, err string
	}{
		"short":                      {`{"return": {"a": 1}}` + "\n", `{"a": 1}`, ""},
		"longer than go-qemu reads":  {`{"return": "` + long + `"}` + "\n", `"` + long + `"`, ""},
		"longer than we want":        {`{"return": "` + strings.Repeat(long, 6) + `"}` + "\n", "", "answer too long"},
		"long error":                 {`{"error": {"class": "GenericError", "desc": "` + long + `"}}` + "\n", "", "answer too long"},
		"error":                      {`{"error": {"class": "GenericError", "desc": "no"}}` + "\n", "", "run QMP x: no"},
		"behind noise and events":    {"\n}{\n" + `{"event": "A"}` + "\n" + `{"return": 1}` + "\n", "1", ""},
		"before an event":            {`{"return": 1}` + "\n" + `{"event": "B"}` + "\n", "1", ""},
		"an error without words":     {`{"error": {}}` + "\n", "", "without a description"},
		"an error of another type":   {`{"error": "no", "timestamp": "x"}` + "\n", "", "cannot unmarshal"},
		"a long event":               {`{"event": "` + long + `"}` + "\n" + `{"return": 1}` + "\n", "1", ""},
		"half of one, then the end":  {`{"return": {`, "", "hung up"},
		"nothing of what QEMU sends": {`{}` + "\n", "", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			script := []string{greeting, ok, test.line, ok}
			if test.err == "hung up" {
				script = script[:3]
			}
			m, _, err := talk(t, script...)
			if err != nil {
				t.Fatal(err)
			}
			if test.err == "hung up" {
				time.AfterFunc(10*time.Millisecond, func() { m.qemu.Close() })
			}
			got, err := m.Exec(t.Context(), "x", nil)
			if string(got) != test.want || test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("got %.100q, %v, want %.100q, %q", got, err, test.want, test.err)
			}
			if test.err == "hung up" {
				return
			}
			if got, err := m.Exec(t.Context(), "next", nil); string(got) != "{}" || err != nil {
				t.Errorf("the next command got %s, %v", got, err)
			}
		})
	}
}

// A second answer that comes before the next command goes nowhere.
func TestMonitorSecondAnswer(t *testing.T) {
	behind := make(chan struct{})
	m, err := observed(t, func(qmp.Event) { close(behind) }, greeting, ok, `{"return": 1}`+"\n"+`{"return": 2}`+"\n"+`{"event": "B"}`+"\n", ok)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := m.Exec(t.Context(), "x", nil); string(got) != "1" || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	<-behind
	if got, err := m.Exec(t.Context(), "next", nil); string(got) != "{}" || err != nil {
		t.Errorf("the next command got %s, %v", got, err)
	}
}

// Events from before the handshake's end are not lost, and not taken for its answer.
func TestMonitorEarlyEvents(t *testing.T) {
	early := `{"event": "EARLY", "data": {}}` + "\n"
	m, events, err := talk(t, greeting+early, early+ok, ok+`{"event": "LATE"}`+"\n")
	if err != nil {
		t.Fatal(err)
	}
	if m.Version != "7.2.22" {
		t.Errorf("version %q", m.Version)
	}
	if _, err := m.Exec(t.Context(), "x", nil); err != nil {
		t.Error(err)
	}
	m.close()
	if got := strings.Join(*events, " "); !strings.HasPrefix(got, "EARLY EARLY") {
		t.Errorf("got %s", got)
	}
	if _, err := m.Exec(t.Context(), "x", nil); !errors.Is(err, errHungUp) {
		t.Errorf("closed, got %v", err)
	}
}

func TestMonitorRefuses(t *testing.T) {
	ours, theirs := net.Pipe()
	theirs.Close()
	if _, err := newMonitor(t.Context(), ours, nil); err == nil {
		t.Error("connected to nobody")
	}
	for name, lines := range map[string][]string{
		"garbage": {"hello\n"}, "capabilities refused": {greeting, `{"error": {"desc": "no"}}` + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := talk(t, lines...); err == nil {
				t.Error("connected")
			}
		})
	}
}

// Whatever a QEMU sends that is not QEMU, the monitor neither panics nor hangs.
func FuzzMonitor(f *testing.F) {
	f.Add([]byte(greeting + ok + ok))
	f.Add([]byte(greeting + `{"event": "A"}` + "\n" + ok + `{"event": "SHUTDOWN", "data": {"reason": 1}}` + "\n" + `{"return": 1}`))
	f.Add([]byte("{\n\n\x00"))
	f.Add([]byte("{}\n0\n"))
	f.Add([]byte("{}\n{}\n{}\n{a\n0\n0\n"))
	f.Add([]byte(greeting + ok + `{"return":{},"timestamp":"x"}` + "\n"))
	f.Fuzz(func(t *testing.T, said []byte) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			go func() {
				for buf := make([]byte, 1024); ; {
					if _, err := theirs.Read(buf); err != nil {
						return
					}
				}
			}()
			theirs.Write(said)
		}()
		m, err := newMonitor(t.Context(), ours, func(qmp.Event) {})
		if err != nil {
			return
		}
		m.Exec(t.Context(), "x", nil)
		m.close()
	})
}
