// Command modmatrix says on which kernels an out-of-tree Linux module works, and how we know.
//
// Each verb has a file: flags in, one call of the harness, one rendering, an exit code. This package must never know
// how a kernel is obtained, built against or booted, and decides nothing about a module.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/harness/bisect"
	"github.com/modmatrix/modmatrix/kernels/sandbox"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/wire"
)

func main() {
	if err := sandbox.Seal(); err != nil { // before anything else: what follows starts strangers' code
		fmt.Fprintln(os.Stderr, "modmatrix:", err)
		os.Exit(3)
	}
	if len(os.Args) == 3 && os.Args[1] == wire.HelperWord {
		os.Exit(helper(os.Args[2]))
	}
	os.Exit(run(Env{Args: os.Args[1:], Stdin: os.Stdin, Stdout: &output{file: os.Stdout}, Stderr: &output{file: os.Stderr}}))
}

// Env is everything that a command touches of its surroundings.
type Env struct {
	Args           []string // without the program's name
	Stdin          *os.File
	Stdout, Stderr *output
	fakes          harness.Fakes // for tests
}

// The exit codes. results has those that a matrix comes to: 0 a PASS and nothing worse than SKIP, 1 a FAIL, 3 else.
const (
	exitUsage       = 2   // the command line or the configuration
	exitTrouble     = 3   // our infrastructure failed
	exitNothing     = 4   // no kernel matched, or no spec
	exitUntestable  = 125 // an end of a bisection cannot be tested; git bisect has the same number for it
	exitInterrupted = 130 // by the user
	exitUnread      = 141 // nobody reads on, as in | head: what a shell says of a program that SIGPIPE ended
	exitBug         = 255 // a panic: ours, and never to be taken for any of the above
)

// verdict is the exit code that a command comes to by what it found, which it has already shown.
type verdict int

func (v verdict) Error() string { return fmt.Sprintf("exit code %d", int(v)) }

// exitCode is the one place where an error becomes an exit code.
func exitCode(err error) int {
	if v, ok := errors.AsType[verdict](err); ok {
		return int(v)
	}
	_, usage := errors.AsType[*harness.UsageError](err)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case usage:
		return exitUsage
	case errors.Is(err, harness.ErrNothingMatched):
		return exitNothing
	case errors.Is(err, bisect.ErrUntestable):
		return exitUntestable
	}
	return exitTrouble
}

// usage makes a mistake of the caller.
func usage(format string, args ...any) error {
	return &harness.UsageError{Err: fmt.Errorf(format, args...)}
}

func run(env Env) (code int) {
	defer func() {
		if bug := recover(); bug != nil {
			fmt.Fprintf(env.Stderr, "modmatrix: internal error: %s\n%s", results.Plain(fmt.Sprint(bug)), debug.Stack())
			code = exitBug
		}
	}()
	ctx, stop := interruptible(env)
	defer stop()
	var at ends
	defer at.close()
	err := rootCommand(env).ExecuteContext(at.within(ctx))
	code = exitCode(err)
	lost := env.Stdout.err()
	if unread(lost) || unread(env.Stderr.err()) {
		return exitUnread
	}
	if _, shown := errors.AsType[verdict](err); err != nil && !shown && code != exitInterrupted {
		fmt.Fprintln(env.Stderr, "modmatrix: "+results.Plain(err.Error()))
	}
	if lost != nil && !errors.Is(err, lost) {
		fmt.Fprintln(env.Stderr, "modmatrix: "+results.Plain(lost.Error()))
	}
	if lost != nil && code == 0 {
		return exitTrouble
	}
	return code
}

// windUp is how long after the first signal the process ends by itself; with what its end takes, two seconds are kept.
const windUp = 1800 * time.Millisecond

// interruptible returns a context that the first SIGINT or SIGTERM ends, or the end of the terminal, so that what is under way
// can be wound up and written down. A second one, or a wind-up that takes too long, ends the process at once: QEMU and compilers
// die with it.
func interruptible(env Env) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup, which asks for a run that outlives its terminal
		signal.Notify(signals, syscall.SIGHUP)
	}
	endWhenUnread(env, cancel)
	go func() {
		if _, first := <-signals; !first {
			return
		}
		cancel()
		select {
		case _, second := <-signals:
			if !second {
				return
			}
		case <-time.After(windUp):
		}
		showCursor(env.Stderr.file)
		os.Exit(exitInterrupted)
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		cancel()
	}
}
