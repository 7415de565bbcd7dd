package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/harness/bisect"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
)

// scripted is an engine that plays the events of events.jsonl and gives the results of results.json, if there are any.
type scripted struct {
	tell  func(results.Event)
	store *store.Store
}

func openScripted(opt harness.Options) (*scripted, error) {
	st, err := store.Open(opt.CacheDir)
	return &scripted{opt.Events, st}, err
}

func (s *scripted) Store() *store.Store { return s.store }

func (s *scripted) Plan(_ context.Context, spec harness.Spec) (*harness.Plan, error) {
	p := &harness.Plan{Spec: spec, Module: results.Module{Name: "mydriver"}, Suites: []harness.Suite{{Name: "lifecycle"}}}
	for _, k := range spec.Kernels {
		text := k.String()
		if text == "debian:nothing" {
			return nil, fmt.Errorf("%w: %s", harness.ErrNothingMatched, text)
		}
		p.Targets = append(p.Targets, kernels.Target{Release: "6.1.0-" + text, Version: "6.1.0", Source: text})
	}
	return p, nil
}

// Run plays the script in its own time: each line is an event, with after_ms to wait before it, or interrupt or
// hang_up to send ourselves a signal instead. With --focus deaf, it does not listen to the interrupt.
func (s *scripted) Run(ctx context.Context, p *harness.Plan) (*results.Results, error) {
	if p.Spec.Focus == "panic" {
		panic("a bug of ours")
	}
	if p.Spec.New {
		s.tell(results.Event{Schema: results.EventSchema, Time: time.Now(), Kind: results.EventNotice, Text: "--new: no kernel is new"})
	}
	f, err := os.Open("events.jsonl")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if err == nil {
		defer f.Close()
		listen := ctx
		if p.Spec.Focus == "deaf" {
			listen = context.WithoutCancel(ctx)
		}
		if err := s.play(listen, f); err != nil && ctx.Err() == nil {
			return nil, err
		}
	}
	if ctx.Err() != nil {
		if err := os.WriteFile("wound-up", nil, 0o644); err != nil {
			return nil, err
		}
	}
	res, err := results.Read("results.json")
	if err != nil {
		return nil, err
	}
	res.Run.Asked = p.Spec.Asked
	return res, ctx.Err()
}

func (s *scripted) play(ctx context.Context, in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var step struct {
			AfterMS   int64 `json:"after_ms"`
			Interrupt bool  `json:"interrupt"`
			HangUp    bool  `json:"hang_up"`
			results.Event
		}
		if err := json.Unmarshal(lines.Bytes(), &step); err != nil {
			return fmt.Errorf("%s: %w", lines.Bytes(), err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(step.AfterMS) * time.Millisecond):
		}
		if step.Interrupt || step.HangUp {
			sig := syscall.SIGINT
			if step.HangUp {
				sig = syscall.SIGHUP
			}
			if err := syscall.Kill(os.Getpid(), sig); err != nil {
				return err
			}
			continue
		}
		step.Event.Schema, step.Event.Time = results.EventSchema, time.Now()
		s.tell(step.Event)
	}
	return lines.Err()
}

// Bisect gives what bisection.json holds, and tells of its steps.
func (s *scripted) Bisect(_ context.Context, search bisect.Search) (*results.Bisection, error) {
	if search.Bad != nil && search.Bad.Name == "nothing" {
		return nil, fmt.Errorf("%w: %s", harness.ErrNothingMatched, search.Bad)
	}
	data, err := os.ReadFile("bisection.json")
	if err != nil {
		return nil, err
	}
	var b results.Bisection
	if err := json.Unmarshal(data, &b); err != nil {
		return nil, err
	}
	for _, step := range b.Steps {
		if search.Report != nil {
			search.Report(step)
		}
	}
	return &b, nil
}

// Sources are the harness's own: explain needs nothing but the store.
func (s *scripted) Sources(spec harness.Spec) map[string]harness.Source {
	h, err := harness.New(harness.Options{CacheDir: s.store.Dir()})
	if err != nil {
		panic(err)
	}
	return h.Sources(spec)
}

// Shell greets, and gives back what it is told until a line says exit, or is Ctrl-D. What comes before it greets is lost.
func (s *scripted) Shell(_ context.Context, p *harness.Plan, term io.ReadWriter) error {
	typed := make(chan string, 100)
	go func() {
		defer close(typed)
		for in := bufio.NewReader(term); ; {
			c, err := in.ReadByte()
			if err != nil {
				return
			}
			typed <- string(c)
		}
	}()
	select {
	case c := <-typed:
		return fmt.Errorf("%q was typed before anybody listened", c)
	case <-time.After(50 * time.Millisecond):
	}
	fmt.Fprintf(term, "welcome to %s\n", p.Targets[0].Release)
	line := ""
	for c := range typed {
		switch {
		case c == "\x04" && line == "", c == "\n" && line == "exit":
			fmt.Fprintln(term, "goodbye")
			return nil
		case c == "\n":
			fmt.Fprintf(term, "said %s\n", line)
			line = ""
		default:
			line += c
		}
	}
	return errors.New("the terminal went away")
}

func (s *scripted) Fetch(ctx context.Context, spec harness.Spec) ([]kernels.Target, error) {
	p, err := s.Plan(ctx, spec)
	if err != nil {
		return nil, err
	}
	for _, t := range p.Targets {
		s.tell(results.Event{Time: time.Now(), Kind: results.EventStage, Target: t.Release, Stage: results.StageFetch, State: results.StateDone, Elapsed: time.Second})
	}
	return p.Targets, nil
}

func (s *scripted) Ask(_ context.Context, _ harness.Spec, selectors []kernels.Selector) (all []kernels.Resolution, err error) {
	for range selectors {
		all = append(all, kernels.Resolution{Targets: []kernels.Target{{Release: "7.3.4", Source: "debian:sid"}}, Notices: []string{"the index is old"}})
	}
	return all, nil
}

func (s *scripted) Doctor(context.Context) []results.Check {
	checks := []results.Check{{Name: "go", OK: true, Text: "go1.26.8"}}
	if _, err := os.Stat("broken"); err == nil {
		checks = append(checks, results.Check{Name: "qemu", Text: "not on PATH", Cure: "apt install qemu-system-x86"})
	}
	return checks
}
