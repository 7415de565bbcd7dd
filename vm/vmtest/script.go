package vmtest

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

type statement struct {
	when []string // must be in the arguments, or must not with a ! before it
	verb string
	rest string
}

var verbs = map[string]func(g *Guest, rest string) error{
	"console":  func(g *Guest, rest string) error { return say(g.Console, rest+"\n") },
	"console-": func(g *Guest, rest string) error { return say(g.Console, rest) },
	"report":   func(g *Guest, rest string) error { return say(g.Report, rest+"\n") },
	"flood":    flood,
	"echo":     func(g *Guest, _ string) error { return g.echo() },
	"sleep":    sleep,
	"poweroff": func(g *Guest, _ string) error { return g.End("guest-shutdown") },
	"reset":    func(g *Guest, _ string) error { return g.End("guest-reset") },
	"panic":    func(g *Guest, _ string) error { return g.End("guest-panic") },
	"end":      func(g *Guest, rest string) error { return g.End(rest) },
	"die":      die,
	"monitor":  func(g *Guest, rest string) error { g.qmp.send(rest); return nil },
	"hangup":   func(g *Guest, _ string) error { g.qmp.hangUp(); return nil },
	"freeze":   func(*Guest, string) error { return syscall.Kill(os.Getpid(), syscall.SIGSTOP) },
	"call":     call,
}

// setups are the verbs that concern QEMU and hold from its start.
var setups = map[string]func(g *Guest, rest string) error{
	"refuse":    die,
	"mute":      func(g *Guest, rest string) error { g.qmp.muted[rest] = true; return nil },
	"lack":      func(g *Guest, rest string) error { g.qmp.lacks[rest] = true; return nil },
	"greet":     func(g *Guest, rest string) error { g.qmp.greeting = rest; return nil },
	"migration": migration,
	"flood":     func(g *Guest, _ string) error { g.qmp.flood = true; return nil },
}

// parse reads a script, and refuses a verb that is not known.
func parse(script string) ([]statement, error) {
	var list []statement
	for n, line := range strings.Split(script, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		var s statement
		for strings.HasPrefix(line, "[") {
			when, rest, ok := strings.Cut(line[1:], "]")
			if !ok {
				return nil, fmt.Errorf("script line %d: [ without ]", n+1)
			}
			s.when, line = append(s.when, when), strings.TrimSpace(rest)
		}
		s.verb, s.rest, _ = strings.Cut(line, " ")
		if verbs[s.verb] == nil && setups[s.verb] == nil {
			return nil, fmt.Errorf("script line %d: unknown statement %q", n+1, s.verb)
		}
		list = append(list, s)
	}
	return list, nil
}

// holds reports whether the statement is for a QEMU with these arguments.
func (s statement) holds(args []string) bool {
	joined := strings.Join(args, " ")
	for _, when := range s.when {
		text, not := strings.CutPrefix(when, "!")
		if strings.Contains(joined, text) == not {
			return false
		}
	}
	return true
}

// isSetup reports whether the statement is QEMU's and not the guest's.
func (s statement) isSetup() bool {
	return verbs[s.verb] == nil || s.verb == "flood" && s.rest == "events"
}

func say(w io.Writer, text string) error {
	_, err := io.WriteString(w, text)
	return err
}

func flood(g *Guest, rest string) error {
	n, err := strconv.Atoi(strings.TrimPrefix(rest, "console "))
	if err != nil {
		return fmt.Errorf("flood console N, or flood events: %w", err)
	}
	block := []byte(strings.Repeat("[    1.000000] flood flood flood flood flood flood flood\n", 1000))
	for n > 0 {
		block = block[:min(n, len(block))]
		if _, err := g.Console.Write(block); err != nil {
			return err
		}
		n -= len(block)
	}
	return nil
}

func sleep(_ *Guest, rest string) error {
	d, err := time.ParseDuration(rest)
	time.Sleep(d)
	return err
}

func die(g *Guest, rest string) error {
	number, text, _ := strings.Cut(rest, " ")
	code, err := strconv.Atoi(number)
	if err == nil {
		g.Die(code, text)
	}
	return err
}

func migration(g *Guest, rest string) error {
	if g.qmp.migration = rest; rest != "hangs" && !strings.HasPrefix(rest, "fails ") {
		return fmt.Errorf("migration %s: fails TEXT and hangs are known", rest)
	}
	return nil
}

func call(g *Guest, rest string) error {
	words := strings.Fields(rest)
	if len(words) == 0 || functions[words[0]] == nil {
		return fmt.Errorf("call %q: no such function was registered", rest)
	}
	functions[words[0]](g, words[1:]...)
	return nil
}
