package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/evidence"
)

// verifyFlags say against what evidence is held.
type verifyFlags struct {
	specFlags
	module  string
	signers string
}

func verifyCommand(a *app) *cobra.Command {
	var v verifyFlags
	cmd := verb("verify", func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usage("verify needs evidence: files called NAME%s", evidenceSuffix)
		}
		for _, path := range args {
			if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
				return usage("there is no %s", path)
			}
		}
		source, err := v.source(cmd, a)
		if err != nil {
			return err
		}
		trust, err := v.trust(a)
		if err != nil {
			return err
		}
		return a.verify(cmd.Context(), args, trust, source, v.signers != "")
	})
	cmd.Args = cobra.ArbitraryArgs
	v.ofAuthor(cmd)
	return cmd
}

// ofAuthor adds the flags of whoever gets evidence.
func (v *verifyFlags) ofAuthor(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&v.module, "module", "", "`MODULE` whose evidence counts: a folder, package or archive, as run takes it (default this folder, where it holds one)")
	f.StringVar(&v.signers, "allowed-signers", "", "`FILE` of the signers that are trusted (default "+evidence.SignersName+" in the module's folder)")
	v.trusts(cmd)
}

// source is the digest of the module at hand; empty where there is none.
func (v *verifyFlags) source(cmd *cobra.Command, a *app) (string, error) {
	spec, err := v.spec(cmd, []string{cmp.Or(v.module, ".")})
	if err != nil {
		return "", err
	}
	h, err := a.harness(silence)
	if err != nil {
		return "", err
	}
	m, err := h.Source(cmd.Context(), spec)
	if _, none := errors.AsType[*kbuild.SourceError](err); none && v.module == "" {
		return "", nil
	}
	return m.SourceDigest, err
}

func (v *verifyFlags) trust(a *app) (t *evidence.Trust, err error) {
	if v.signers != "" {
		t, err = evidence.ReadTrust(v.signers, time.Now())
	} else {
		t, err = evidence.FindTrust(cmp.Or(v.module, "."), time.Now())
	}
	if err != nil {
		return nil, &harness.UsageError{Err: err}
	}
	if t != nil {
		for _, n := range t.Notes {
			a.note(t.Path + ", " + n)
		}
	}
	return t, nil
}

// verdictOn is what verify says of one file.
type verdictOn struct {
	*evidence.Evidence
	File    string                 `json:"file"`
	Module  string                 `json:"module,omitempty"`
	Summary map[results.Status]int `json:"summary,omitempty"`
	Refused string                 `json:"refused,omitempty"` // why it does not count; empty: it does
}

// verify shows what holds of each file. It is over with 1 where one is refused, and with 3 where the trusted are asked for and one is not.
func (a *app) verify(ctx context.Context, paths []string, trust *evidence.Trust, source string, listed bool) error {
	all := make([]verdictOn, len(paths))
	var good []*evidence.Evidence
	code := results.ExitPass
	for i, e := range evidence.OpenAll(ctx, paths, trust, source) {
		wrong, refused := errors.AsType[*evidence.Error](e.Err)
		switch {
		case refused:
			all[i] = verdictOn{File: paths[i], Refused: wrong.Error()}
			continue
		case e.Err != nil:
			return e.Err
		}
		all[i] = verdictOn{Evidence: e.Evidence, File: paths[i], Module: e.Results.Module.Name, Summary: e.Results.Summary}
		good = append(good, e.Evidence)
		if listed && e.State != evidence.Trusted {
			code = results.ExitTrouble
		}
	}
	for _, c := range evidence.Conflicts(good) {
		for i := range all {
			if all[i].File == c.Files[0] || all[i].File == c.Files[1] {
				all[i].Refused = cmp.Or(all[i].Refused, c.Error())
			}
		}
	}
	said := map[string]bool{}
	for _, v := range all {
		if v.Refused != "" {
			code = results.ExitFail
		}
		a.sayVerdict(v, said)
	}
	return verdict(code)
}

// sayVerdict shows one verdict. Of two files that contradict each other, the reason is said once.
func (a *app) sayVerdict(v verdictOn, said map[string]bool) {
	switch {
	case a.json:
		_ = a.encode(v) // output remembers
	case v.Refused != "" && !said[v.Refused]:
		said[v.Refused] = true
		fmt.Fprintln(a.Stderr, "refused  "+results.Plain(v.Refused))
	case v.Refused == "":
		fmt.Fprintln(a.Stdout, results.Plain(v.line()))
	}
}

func (v verdictOn) line() string {
	m := v.Results.Module
	text := fmt.Sprintf("%-8s  %s: %s, %s", v.State, v.File, m.Name, results.Plural(len(v.Results.Records), "cell"))
	for _, s := range results.Statuses {
		if n := v.Summary[s]; n > 0 {
			text += fmt.Sprintf(", %d %s", n, s)
		}
	}
	if v.Key != "" {
		text += "; signed by " + v.Key
	}
	if v.Who != "" {
		text += " of " + v.Who
	}
	if v.Consent {
		text += "; Tested-by: " + v.Tester.String()
	}
	if v.Why != "" {
		text += "; " + v.Why
	}
	return text
}
