package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/term"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/evidence"
)

// evidenceSuffix ends the name of an evidence file.
const evidenceSuffix = ".evidence.tar.zst"

// testimony is what becomes of a run's results beyond the folder: a file for the author, where one is wanted.
type testimony struct {
	wanted bool
	signer *evidence.Signer // nil: unsigned
	by     evidence.Tester
}

// testimony asks all that there is to ask before the run, whose end nobody may be there to see.
func (a *app) testimony(ctx context.Context, spec harness.Spec) (t testimony, err error) {
	t.wanted = spec.Evidence || spec.Sign != "" || evidence.Claims(spec.Module) == evidence.BundleSchema
	if spec.TestedBy != "" {
		if spec.Sign == "" {
			return t, usage("--tested-by needs --sign KEY: only who signs can agree to be named")
		}
		if t.by, err = evidence.ParseTester(spec.TestedBy); err != nil {
			return t, usage("--tested-by: %w", err)
		}
	}
	if spec.Sign != "" {
		if t.signer, err = evidence.OpenSigner(spec.Sign, func(prompt string) ([]byte, error) { return passphrase(ctx, prompt) }); err != nil {
			if ctx.Err() != nil {
				return t, ctx.Err()
			}
			return t, &harness.UsageError{Err: err}
		}
	}
	return t, nil
}

// passphrase asks for one on the terminal, whatever our input and output are.
func passphrase(ctx context.Context, prompt string) ([]byte, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, errors.New("it has a passphrase, and there is no terminal to ask for it on: ssh-add the key, and give --sign agent")
	}
	defer tty.Close()
	before, err := term.GetState(int(tty.Fd()))
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = term.Restore(int(tty.Fd()), before) })() // Ctrl-C ends us while it is asked
	fmt.Fprint(tty, prompt)
	word, err := term.ReadPassword(int(tty.Fd()))
	fmt.Fprintln(tty)
	return word, err
}

// give shows what the evidence of a run holds, and then writes it into the folder of results. Where none is wanted, or the run did not
// come to its end, what an earlier run left there is gone all the same: it is of other results.
func (t testimony) give(ctx context.Context, a *app, res *results.Results, dir string, whole bool) error {
	path := filepath.Join(dir, harness.FileName(res.Module.Name)+evidenceSuffix)
	if err := removed(path); err != nil || !t.wanted || !whole {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("write evidence: %w", err)
	}
	defer root.Close()
	draft, err := evidence.Prepare(res, root.FS(), evidence.Here())
	if err != nil {
		return fmt.Errorf("write evidence: %w", err)
	}
	how := t.show(a, draft, path)
	if err := a.Stdout.err(); err != nil {
		return fmt.Errorf("write evidence: it could not be shown: %w", err)
	}
	digest, err := draft.Write(ctx, path, how, t.signer, t.by)
	if err != nil {
		return fmt.Errorf("write evidence, which --resume does again: %w", err)
	}
	if !a.json {
		fmt.Fprintf(a.Stdout, "   it is %s: nothing of it has left this machine yet\n", digest)
	}
	return nil
}

func removed(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the evidence of an earlier run: %w", err)
	}
	return nil
}

// show lists what a draft holds, and says how it did.
func (t testimony) show(a *app, d *evidence.Draft, path string) string {
	note := results.EvidenceNote{File: path, Scrubbed: d.Scrubbed, Cut: d.Cut, TestedBy: t.by.String()}
	if t.signer != nil {
		note.Key = t.signer.Key()
	}
	for _, f := range d.Files {
		note.Files = append(note.Files, results.EvidenceFile{Name: f.Name, Size: int64(len(f.Data))})
	}
	if a.json {
		_ = results.Event{Schema: results.EventSchema, Time: time.Now(), Kind: results.EventEvidence, Evidence: &note}.JSON(a.Stdout) // output remembers
		return "json"
	}
	showEvidence(a, note)
	return "text"
}

func showEvidence(a *app, n results.EvidenceNote) {
	by := "unsigned"
	if n.Key != "" {
		by = "signed by " + n.Key
	}
	if n.TestedBy != "" {
		by += ", which may say Tested-by: " + n.TestedBy
	}
	fmt.Fprintf(a.Stdout, "\nevidence %s, %s, holds\n", results.Plain(fromHere(n.File)), results.Plain(by))
	for _, f := range n.Files {
		fmt.Fprintf(a.Stdout, "   %9s  %s\n", humanize.IBytes(uint64(f.Size)), results.Plain(f.Name))
	}
	for _, c := range n.Cut {
		what := "left out, as there are too many logs"
		if c.Lines > 0 {
			what = results.Plural(c.Lines, "line") + " left out"
		}
		fmt.Fprintf(a.Stdout, "   of %s: %s\n", results.Plain(c.Name), what)
	}
	var taken []string
	for _, s := range n.Scrubbed {
		taken = append(taken, fmt.Sprintf("%s × %d", s.Kind, s.Count))
	}
	if taken == nil {
		taken = []string{"nothing was found"}
	}
	fmt.Fprintf(a.Stdout, "   taken out, as it says whose machine this is: %s\n", strings.Join(taken, ", "))
}
