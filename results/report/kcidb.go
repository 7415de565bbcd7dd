package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/results"
)

// kcidbOrigin names the system that the results are from; whoever sends them to a database replaces it by the name that the
// database gave them.
const kcidbOrigin = "modmatrix"

// kcidb is a document of KCIDB's I/O schema 5.3 (kcidb_io/schema/v05_03.py), as far as it is filled.
type kcidb struct {
	Version   kcidbVersion    `json:"version"`
	Checkouts []kcidbCheckout `json:"checkouts"`
	Builds    []kcidbBuild    `json:"builds"`
}

type kcidbVersion struct {
	Major int `json:"major"`
	Minor int `json:"minor"`
}

type kcidbCheckout struct {
	ID      string            `json:"id"`
	Origin  string            `json:"origin"`
	Tree    string            `json:"tree_name"`
	Commit  string            `json:"git_commit_hash,omitempty"`
	Comment string            `json:"comment"`
	Start   time.Time         `json:"start_time"`
	Misc    map[string]string `json:"misc,omitempty"`
}

type kcidbBuild struct {
	Checkout string            `json:"checkout_id"`
	ID       string            `json:"id"`
	Origin   string            `json:"origin"`
	Start    time.Time         `json:"start_time"`
	Duration float64           `json:"duration"` // seconds
	Arch     string            `json:"architecture"`
	Compiler string            `json:"compiler,omitempty"`
	Config   string            `json:"config_name"`
	Status   results.Status    `json:"status"`
	Comment  string            `json:"comment,omitempty"`
	Misc     map[string]string `json:"misc,omitempty"`
}

type kcidbTest struct {
	Build       string            `json:"build_id"`
	ID          string            `json:"id"`
	Origin      string            `json:"origin"`
	Environment *kcidbEnvironment `json:"environment,omitempty"`
	Path        string            `json:"path"`
	Comment     string            `json:"comment,omitempty"`
	Status      results.Status    `json:"status"`
	Start       time.Time         `json:"start_time,omitzero"`
	Duration    float64           `json:"duration"` // seconds
	Excerpt     string            `json:"log_excerpt,omitempty"`
	Misc        map[string]string `json:"misc,omitempty"`
}

type kcidbEnvironment struct {
	Comment string `json:"comment"`
}

// KCIDB writes the matrix in the format of the kernel's own result database: the module's source is the checkout, a kernel
// that it is built for a build, and a cell and each of its specs are tests.
func KCIDB(w io.Writer, r *results.Results) error {
	records := r.Matrix().Records()
	id := func(parts ...string) string { return kcidbOrigin + ":" + results.Plain(strings.Join(parts, "/")) }
	module := kcidbWord(r.Module.Name)
	doc := kcidb{Version: kcidbVersion{5, 3}, Builds: []kcidbBuild{}, Checkouts: []kcidbCheckout{{
		ID: id(r.Run.ID), Origin: kcidbOrigin, Tree: module, Comment: results.Plain(r.Module.Name + " " + r.Module.Version), Start: r.Run.Started.UTC(),
		Misc: filled(map[string]string{"source_digest": r.Module.SourceDigest, "plan_digest": r.Run.PlanDigest, "tool": r.Run.Tool}),
	}}}
	if g := r.Module.Git; g != nil && kcidbHash.MatchString(g.Commit) && !g.Dirty {
		doc.Checkouts[0].Commit = g.Commit
	}
	environment := &kcidbEnvironment{results.Plain(fmt.Sprintf("QEMU %s, %s, CPU model %s", r.Run.Host.QEMU, r.Run.Host.Accelerator, r.Run.Host.CPUModel))}
	built, names := map[string]bool{}, labels(records)
	of := func(rec results.Record) string {
		return id(r.Run.ID, rec.Target.Source, rec.Target.Label(), rec.Target.Arch)
	}
	for _, rec := range records {
		if build := of(rec); !built[build] {
			built[build] = true
			doc.Builds = append(doc.Builds, kcidbBuildOf(doc.Checkouts[0], build, rec))
		}
	}
	out := bufio.NewWriter(w)
	head, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	plain := results.PlainJSON(out)
	plain.Write(append(bytes.TrimSuffix(head, []byte("}")), `,"tests":[`...)) // out keeps its error
	for i, rec := range records {                                             // one by one: all at once are several times the size of the matrix
		cell := kcidbTest{Build: of(rec), ID: id(r.Run.ID, names[i]), Origin: kcidbOrigin, Environment: environment, Path: strings.TrimSuffix("kmod."+module+"."+kcidbWord(rec.Suite), "."),
			Status: rec.Status, Start: r.Run.Started.UTC(), Duration: float64(rec.Timings.Total) / 1000}
		for n, test := range kcidbTests(cell, rec, r.Run.Asked) {
			line, err := json.Marshal(test)
			if err != nil {
				return err
			}
			if i+n > 0 {
				out.WriteString(",")
			}
			plain.Write(append([]byte("\n"), line...))
		}
	}
	out.WriteString("\n]}\n")
	return out.Flush()
}

// kcidbTests are the test of a cell and those of its specs.
func kcidbTests(cell kcidbTest, rec results.Record, asked results.Asked) (all []kcidbTest) {
	if rec.Status != results.Pass {
		cell.Comment, cell.Misc = rec.Why(), filled(map[string]string{"stage": string(rec.Stage), "code": string(rec.Code)})
		cell.Excerpt = strings.Join(evidence(rec, asked), "\n")
	}
	all = append(all, cell)
	for n, s := range steps(rec) {
		if s.spec {
			all = append(all, kcidbTest{Build: cell.Build, ID: fmt.Sprintf("%s/%d", cell.ID, n+1), Origin: kcidbOrigin,
				Path: cell.Path + "." + kcidbWord(s.name), Comment: strings.Trim(s.name+": "+s.why, ": "), Status: s.status, Duration: float64(s.ms) / 1000})
		}
	}
	return all
}

// kcidbBuildOf is what one record knows of the build that all suites of its target share.
func kcidbBuildOf(from kcidbCheckout, id string, rec results.Record) kcidbBuild {
	b := kcidbBuild{Checkout: from.ID, ID: id, Origin: kcidbOrigin, Start: from.Start, Duration: float64(rec.Timings.Build) / 1000, Arch: strings.ToLower(kcidbWord(rec.Target.Arch)),
		Compiler: results.Plain(rec.Target.Compiler), Config: results.Plain(strings.Trim(rec.Target.Flavour+"+"+rec.Target.Profile, "+")), Status: results.Pass,
		Misc: filled(map[string]string{"kernel": rec.Target.Release, "source": rec.Target.Source, "config_digest": rec.Target.ConfigDigest})}
	if !passed(rec, results.StageBuild) {
		b.Status, b.Comment = rec.Status, rec.Why()
	}
	return b
}

var kcidbHash = regexp.MustCompile(`^[0-9a-f]{40}$`)

// kcidbWord is a part of a test's path, or an architecture.
func kcidbWord(s string) string {
	var out strings.Builder
	for _, r := range results.Plain(s) {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			out.WriteRune(r)
		case !strings.HasSuffix(out.String(), "_"):
			out.WriteByte('_')
		}
	}
	word := strings.Trim(out.String(), "_")
	return word[:min(len(word), 100)]
}

// filled drops what is empty.
func filled(m map[string]string) map[string]string {
	for k, v := range m {
		if m[k] = results.Plain(v); m[k] == "" {
			delete(m, k)
		}
	}
	return m
}
