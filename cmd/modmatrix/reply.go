package main

import (
	"bytes"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/modmatrix/modmatrix/harness"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/evidence"
	"github.com/modmatrix/modmatrix/results/report"
)

// replied is what reply says with --json.
type replied struct {
	Schema string `json:"schema"`
	File   string `json:"file"`
	Digest string `json:"digest"`
	Text   string `json:"text"`
}

const replySchema = "modmatrix.reply/v1"

func replyCommand(a *app) *cobra.Command {
	cmd := verb("reply", func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usage("reply needs the file of evidence that your run left, NAME%s", evidenceSuffix)
		}
		return a.reply(cmd, args[0])
	})
	cmd.Args = cobra.ArbitraryArgs
	return cmd
}

// reply trusts nobody: whoever replies knows their own key, and consent is inside of what it signed.
func (a *app) reply(cmd *cobra.Command, path string) error {
	e, err := evidence.Open(cmd.Context(), path, nil)
	if err != nil {
		return &harness.UsageError{Err: err}
	}
	testedBy := ""
	if e.Consent {
		testedBy = e.Tester.String()
	}
	var text bytes.Buffer
	if err := report.Reply(&text, e.Results, testedBy, report.Whole{Name: filepath.Base(path), Digest: e.Digest}); err != nil {
		return err
	}
	if a.json {
		err = a.encode(replied{replySchema, filepath.Base(path), e.Digest, text.String()})
	} else {
		_, err = a.Stdout.Write(text.Bytes())
	}
	if err != nil {
		return err
	}
	a.sayWhyUnnamed(e)
	return verdict(e.Results.ExitCode())
}

// sayWhyUnnamed prints why there is no trailer.
func (a *app) sayWhyUnnamed(e *evidence.Evidence) {
	switch {
	case e.State == evidence.Unsigned:
		a.note("there is no Tested-by: it is not signed; run again with --sign KEY --tested-by 'Name <mail>' to offer one")
	case !e.Consent:
		a.note("there is no Tested-by: nobody agreed to be named; run again with --sign KEY --tested-by 'Name <mail>' to offer one")
	case !(results.Tester{Records: e.Results.Records}).Works():
		a.note("there is no Tested-by: the tag says that all of it works")
	}
}
