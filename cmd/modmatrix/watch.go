package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/harness/watch"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/report"
)

func watchCommand(a *app) *cobra.Command {
	var s specFlags
	var command string
	cmd := verb("watch", func(cmd *cobra.Command, args []string) error { return a.keepWatch(cmd, args, &s, command) })
	s.ofRun(cmd)
	cmd.Flags().StringVar(&command, "exec", "", "`COMMAND` for your shell when the verdict changes, with MODMATRIX_STATUS and others in its environment")
	return cmd
}

// keepWatch runs rounds until the user quits, and ends with the code of the last one.
func (a *app) keepWatch(cmd *cobra.Command, args []string, s *specFlags, command string) error {
	if err := watchable(cmd, args, s); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	v := a.watchView(ctx)
	defer v.close()
	commands := make(chan watch.Command)
	verdict, settled := v.bell, func() {}
	if command != "" {
		verdict, settled = onVerdict(ctx, command, v.event)
	}
	loop, err := watch.New(watch.Options{Harness: a.options(v.watcher), Folder: s.Module, Spec: specOf(cmd, args, s, v.event), Commands: commands, Verdict: verdict})
	if err != nil {
		return err
	}
	endKeys := v.keys(ctx, a.Stdin, commands, loop.Log)
	res, err := loop.Run(ctx)
	cancel()
	settled()
	endKeys()
	v.close()
	switch {
	case err != nil:
		return err
	case res == nil:
		return context.Canceled // no round came to an end
	case !a.json && v.live != nil:
		_ = report.Text(a.Stdout, res, a.textOptions(v.out, 0)) // output remembers what could not be written
	}
	return verdictOf(res)
}

func verdictOf(res *results.Results) error { return verdict(res.ExitCode()) }

// watchable refuses what a change of files says nothing of, and flags that are wrong: only files can be mended while it goes on.
func watchable(cmd *cobra.Command, args []string, s *specFlags) error {
	cfg, bad := s.config(cmd, args)
	if info, err := os.Stat(s.Module); s.Module != "" && (err != nil || !info.IsDir()) {
		return usage("watch is for the folder of a module: %s is none", results.Plain(s.Module))
	}
	if bad != nil {
		return nil // shown, and waited for
	}
	spec, err := cfg.Spec(s.Flags)
	if err != nil {
		return err
	}
	for _, sel := range spec.Kernels {
		if sel.Source == kernels.Here {
			return usage("watch is for guests: -k here would load into this machine's kernel whatever is saved")
		}
	}
	s.Trust = false // was for the file as it is now
	return nil
}

// specOf reads the configuration anew each time. What it says to the user is a notice, once.
func specOf(cmd *cobra.Command, args []string, s *specFlags, event func(results.Event)) func() (harness.Spec, error) {
	cmd.SetErr(noticeWriter(event))
	return func() (harness.Spec, error) {
		spec, err := s.spec(cmd, args)
		if err == nil {
			spec.Asked = asked(cmd, args, spec)
			spec.Asked.Words[0] = "run"
		}
		return spec, err
	}
}

// noticeWriter makes notices of lines.
type noticeWriter func(results.Event)

func (w noticeWriter) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		text := strings.TrimPrefix(strings.TrimSpace(string(line)), report.Note(""))
		w(results.Event{Schema: results.EventSchema, Time: time.Now(), Kind: results.EventNotice, Text: text})
	}
	return len(p), nil
}

// onVerdict carries out the user's command for each change of the verdict. One that is not through by the next is ended. What it prints
// is a notice. settled waits for the last.
func onVerdict(ctx context.Context, command string, event func(results.Event)) (verdict func(watch.Change), settled func()) {
	var running sync.WaitGroup
	end := func() {}
	say := func(text string) {
		event(results.Event{Schema: results.EventSchema, Time: time.Now(), Kind: results.EventNotice, Text: "--exec: " + text})
	}
	return func(c watch.Change) {
		end()
		ctx, cancel := context.WithCancel(ctx)
		end = cancel
		running.Go(func() {
			defer cancel()
			lines, err := watch.Shell(ctx, command, "MODMATRIX_STATUS="+string(c.Now), "MODMATRIX_WAS="+string(c.Was), fmt.Sprintf("MODMATRIX_ROUND=%d", c.Round),
				"MODMATRIX_OUT="+c.Out, "MODMATRIX_KERNEL="+results.Plain(c.First.Target.Label()), "MODMATRIX_SUITE="+results.Plain(c.First.Suite), "MODMATRIX_REASON="+reasonOf(c))
			if ctx.Err() != nil {
				return
			}
			for _, line := range lines {
				say(line)
			}
			if err != nil {
				say(err.Error())
			}
		})
	}, running.Wait
}

func reasonOf(c watch.Change) string {
	if c.First.Status == "" {
		return ""
	}
	return c.First.Why()
}

// watchView shows rounds: on a terminal in place, else as lines, or as JSON.
type watchView struct {
	watcher
	live *live // nil: not on a terminal
	top  *report.Watch
	out  string // folder of the results
	bell func(watch.Change)
}

func (a *app) watchView(ctx context.Context) *watchView {
	v := &watchView{bell: func(watch.Change) {}}
	if !a.livens() {
		v.watcher = a.roundLines(a.watch(ctx))
		return v
	}
	v.top = report.NewWatch(time.Now())
	v.live = newLive(ctx, a.Stderr, a.coloured(a.Stderr.file), v.top)
	v.live.noted = map[string]bool{}
	v.watcher = watcher{v.live.event, v.live.close}
	v.bell = func(watch.Change) { _, _ = io.WriteString(a.Stderr, "\a") }
	return v
}

// roundLines is w that shows the matrix of each round that came to its end, where that is not JSON.
func (a *app) roundLines(w watcher) watcher {
	var mu sync.Mutex // a command's words come beside the events of a run
	var last *results.Results
	var began time.Time
	return watcher{func(e results.Event) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case e.Kind == results.EventFinished:
			last = e.Results
		case e.Kind == results.EventRound && e.State == results.StateStart:
			began = e.Time
		case e.Kind == results.EventRound && e.State == results.StateDone && last != nil && !a.json:
			_ = report.Text(a.Stdout, last, a.textOptions("", e.Time.Sub(began))) // output remembers what could not be written
		}
		w.event(e)
	}, w.close}
}

// keys reads what the user types until the function that it returns is called.
func (v *watchView) keys(ctx context.Context, stdin *os.File, commands chan<- watch.Command, log func() string) (end func()) {
	if v.live == nil {
		return func() {}
	}
	k := readKeys(stdin, v.live.suspend, v.live.resume)
	if k == nil {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		t := typist{show: func(typing bool, text string) { v.live.change(func() { v.top.Type(typing, text) }) }, openLog: func() { v.openLog(k, log()) }}
		for {
			select {
			case <-ctx.Done():
				return
			case c := <-k.pressed:
				command, ok := t.press(c)
				if !ok {
					continue
				}
				select {
				case commands <- command:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return func() { <-done; k.stop() }
}

// openLog shows a log in the user's pager, with the terminal as it was.
func (v *watchView) openLog(k *keys, path string) {
	if path == "" {
		v.event(results.Event{Kind: results.EventNotice, Text: "no log: nothing has failed in this round"})
		return
	}
	k.pause()
	v.live.suspend()
	err := watch.Page(path)
	v.live.resume()
	k.resume()
	if err != nil {
		v.event(results.Event{Kind: results.EventNotice, Text: fmt.Sprintf("the pager: %v: %s", err, path)})
	}
}
