package vmtest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
)

// Guest is the guest that is played, and the QEMU around it.
type Guest struct {
	Args                      []string      // QEMU's, without its name
	Console, Report, Terminal io.ReadWriter // the serial ports

	qmp *server
}

// Arg returns the value of the option of that name, e.g. "-kernel"; empty when it was not given.
func (g *Guest) Arg(option string) string {
	for i, arg := range g.Args[:max(len(g.Args)-1, 0)] {
		if arg == option {
			return g.Args[i+1]
		}
	}
	return ""
}

// End reports on the monitor why the guest ended, and exits as QEMU does: with 0, whatever the reason. It does not return.
func (g *Guest) End(reason string) error {
	g.qmp.shutdown(reason)
	os.Exit(0)
	return nil
}

// AwaitDevice returns when QEMU was given one more device than at the last call, and has said so.
func (g *Guest) AwaitDevice() { <-g.qmp.plugged }

// Die is QEMU's own end, which the monitor does not report; a negative code is a signal, such as -9. It does not return.
func (g *Guest) Die(code int, text string) {
	fmt.Fprintln(os.Stderr, text)
	if code < 0 {
		syscall.Kill(os.Getpid(), syscall.Signal(-code))
		select {} // until it arrives
	}
	os.Exit(code)
}

func (g *Guest) echo() error {
	in := bufio.NewScanner(g.Terminal)
	for in.Scan() && in.Text() != "bye" {
		if _, err := fmt.Fprintf(g.Terminal, "you said %s\n", in.Text()); err != nil {
			return err
		}
	}
	return in.Err()
}

// Command plays QEMU with this process's arguments and the script that ScriptEnv names. It does not return.
func Command() {
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Printf("QEMU emulator version %s (fake)\n", Version)
		os.Exit(0)
	}
	if err := play(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "fake QEMU: %v\n", err)
		os.Exit(1)
	}
}

func play(args []string) error {
	script, err := os.ReadFile(os.Getenv(ScriptEnv))
	if err != nil {
		return fmt.Errorf("read script of %s: %w", ScriptEnv, err)
	}
	statements, err := parse(string(script))
	if err != nil {
		return err
	}
	g := &Guest{Args: args, qmp: newServer(args)}
	var todo []statement
	for _, s := range statements {
		switch {
		case !s.holds(args):
		case s.isSetup():
			if err := setups[s.verb](g, s.rest); err != nil {
				return err
			}
		default:
			todo = append(todo, s)
		}
	}
	if err := g.connect(); err != nil {
		return err
	}
	return g.live(todo)
}

func (g *Guest) connect() error {
	for id, port := range map[string]*io.ReadWriter{"qmp": &g.qmp.conn, "terminal": &g.Terminal, "console": &g.Console, "report": &g.Report} {
		var err error
		if *port, err = g.chardev(id); err != nil {
			return err
		}
	}
	return nil
}

func (g *Guest) chardev(id string) (io.ReadWriter, error) {
	for i, arg := range g.Args {
		if i == 0 || g.Args[i-1] != "-chardev" {
			continue
		}
		options := strings.Split(arg, ",")
		if options[len(options)-1] != "id="+id {
			continue
		}
		number, isSocket := strings.CutPrefix(options[1], "fd=")
		switch {
		case options[0] == "socket" && isSocket:
			fd, err := strconv.Atoi(number)
			if err != nil {
				return nil, fmt.Errorf("-chardev %s: %w", arg, err)
			}
			return net.FileConn(os.NewFile(uintptr(fd), id))
		case options[0] == "stdio":
			return struct {
				io.Reader
				io.Writer
			}{os.Stdin, os.Stdout}, nil
		case options[0] == "null":
			return nothing{}, nil
		}
		return nil, fmt.Errorf("-chardev %s: a backend that the fake does not know", arg)
	}
	return nothing{}, nil
}

// nothing is the null backend: it discards everything and never sends a byte.
type nothing struct{}

func (nothing) Write(p []byte) (int, error) { return len(p), nil }
func (nothing) Read([]byte) (int, error)    { select {} }

// live serves the monitor and plays the guest after its cont command. Without a monitor it runs at once.
func (g *Guest) live(todo []statement) error {
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-terminated
		g.End("host-signal")
	}()
	go g.qmp.serve(g)
	if g.Arg("-mon") == "" {
		g.qmp.turn.Unlock()
	}
	for _, s := range todo {
		g.qmp.awaitTurn()
		if err := verbs[s.verb](g, s.rest); err != nil {
			return fmt.Errorf("%s %s: %w", s.verb, s.rest, err)
		}
	}
	select {}
}
