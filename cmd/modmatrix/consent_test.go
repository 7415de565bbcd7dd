package main

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/results/evidence"
)

// reporting is results of a source in which every text that a tester's machine may have chosen is say's.
func reporting(run, source string, say func() string) *results.Results {
	rec := results.Record{Target: results.Target{Release: "6.1.0-" + run, Version: "6.1.0", Arch: "x86_64", Source: "debian:bookworm"}, Suite: "lifecycle", Status: results.Pass,
		Reason: say(), Specs: []results.Spec{{Name: say(), Status: results.Pass, Message: say()}}, Notes: []string{say()},
		Hardware: []results.Device{{Bus: "usb", ID: "0bda:8153", Name: say(), Description: say(), Own: true}}}
	r := &results.Results{Run: results.Run{ID: run, Started: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), Tool: "modmatrix 0.1.0", Asked: results.Asked{Words: []string{"run", say()}}},
		Module: results.Module{Name: "mydriver", Version: "2.2", SourceDigest: "sha256:" + strings.Repeat(source, 64)}, Records: []results.Record{rec}}
	r.Finish()
	return r
}

// Names are planted in files that are not signed, that are of another source, and in the list of keys; no verb that reads evidence
// shows one of them, and each names the one who consented.
func TestVerbsNameNobodyWithoutConsent(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var planted []string
	plant := func() string {
		word := []byte("Q")
		for range 10 {
			word = append(word, byte('a'+random.IntN(26)))
		}
		planted = append(planted, string(word))
		return string(word)
	}
	dir := t.TempDir()
	silent := func() string { return "" }
	listed := ""
	leave := func(name string, r *results.Results, mail string, by evidence.Tester) {
		draft, err := evidence.Prepare(r, fstest.MapFS{}, results.Identity{})
		if err != nil {
			t.Fatal(err)
		}
		var signer *evidence.Signer
		if name != "unsigned" {
			key := filepath.Join(dir, name)
			if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", plant(), "-f", key).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if signer, err = evidence.OpenSigner(key, nil); err != nil {
				t.Fatal(err)
			}
			defer signer.Close()
			public, _ := os.ReadFile(key + ".pub")
			listed += mail + " " + string(public)
		}
		if _, err := draft.Write(t.Context(), filepath.Join(dir, "inbox", name+evidenceSuffix), "text", signer, by); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "inbox"), 0o755); err != nil {
		t.Fatal(err)
	}
	leave("unsigned", reporting("a", "1", plant), "", evidence.Tester{})
	old := evidence.Tester{Name: plant() + " " + plant(), Mail: plant() + "@example.org"}
	leave("old", reporting("b", "9", plant), old.Mail, old)
	leave("mute", reporting("c", "1", silent), plant()+"@example.org", evidence.Tester{})
	jane := evidence.Tester{Name: "Jane Doe", Mail: "jane@example.org"}
	leave("named", reporting("d", "1", silent), jane.Mail, jane)
	for name, text := range map[string][]byte{"signers": []byte(listed), "own/results.json": document(t, reporting("own", "1", silent))} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755), os.WriteFile(filepath.Join(dir, name), text, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for _, words := range []string{
		"collect inbox --own own --allowed-signers signers -o out", "collect inbox --own own --allowed-signers signers -o out --json", "report mail out", "report mail out --json",
		"reply inbox/named.evidence.tar.zst", "reply inbox/mute.evidence.tar.zst", "verify inbox/named.evidence.tar.zst inbox/unsigned.evidence.tar.zst",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "modmatrix", strings.Fields(words)...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "MODMATRIX_CACHE="+filepath.Join(dir, "cache"))
		out, err := cmd.CombinedOutput()
		if _, exit := errors.AsType[*exec.ExitError](err); err != nil && !exit {
			t.Fatal(err)
		}
		for _, name := range planted {
			if strings.Contains(string(out), name) {
				t.Errorf("%s names %s:\n%s", words, name, out)
			}
		}
		if names := strings.Contains(string(out), jane.String()) || strings.Contains(string(out), `Jane Doe \u003cjane@`); names == strings.Contains(words, "mute") {
			t.Errorf("%s names who consented: %v\n%s", words, names, out)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "out", results.CollectionName))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range planted {
		if strings.Contains(string(text), name) {
			t.Errorf("%s names %s", results.CollectionName, name)
		}
	}
}

func document(t *testing.T, r *results.Results) []byte {
	t.Helper()
	var text bytes.Buffer
	if err := r.JSON(&text); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}
