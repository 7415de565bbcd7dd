package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results/slowtest"

	"github.com/rhysd/actionlint"
	"go.yaml.in/yaml/v3"

	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm/vmtest"
)

const contrib = repository + "/contrib/ci"

// GitHub's workflow has nothing that actionlint finds.
func TestGitHubWorkflowIsValid(t *testing.T) {
	lint, err := actionlint.NewLinter(io.Discard, &actionlint.LinterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	found, err := lint.LintFile(filepath.Join(contrib, "github.yml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range found {
		t.Error(e)
	}
}

// The others parse, and are of the shape that their engine asks for.
func TestOtherPipelinesAreValid(t *testing.T) {
	read := func(name string) (docs []map[string]any) {
		file, err := os.Open(filepath.Join(contrib, name))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for d := yaml.NewDecoder(file); ; {
			var doc map[string]any
			if err := d.Decode(&doc); errors.Is(err, io.EOF) {
				return docs
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			docs = append(docs, doc)
		}
	}
	gitlab := read("gitlab.yml")[0]
	stages := gitlab["stages"].([]any)
	for name, job := range gitlab {
		if job, ok := job.(map[string]any); ok && !strings.HasPrefix(name, ".") && (job["script"] == nil || !slices.Contains(stages, job["stage"])) {
			t.Errorf("gitlab.yml: job %s has no script, or a stage that is not listed", name)
		}
	}
	for _, job := range read("kubernetes.yaml") {
		if job["kind"] != "Job" || job["apiVersion"] != "batch/v1" {
			t.Errorf("kubernetes.yaml: %v is no Job", job["kind"])
		}
	}
	if out, err := exec.Command("bash", "-n", filepath.Join(contrib, "slurm.sh")).CombinedOutput(); err != nil {
		t.Errorf("slurm.sh: %v\n%s", err, out)
	}
}

// Four jobs with the variables of an engine, merged, are the undivided run.
func TestFourShardsAreTheRun(t *testing.T) {
	slowtest.Skip(t)
	for engine, variables := range map[string]func(n int) []string{
		"GitLab": func(n int) []string { return []string{fmt.Sprintf("CI_NODE_INDEX=%d", n), "CI_NODE_TOTAL=4"} },
		"Kubernetes": func(n int) []string {
			return []string{fmt.Sprintf("JOB_COMPLETION_INDEX=%d", n-1), "JOB_COMPLETIONS=4"}
		},
		"Slurm": func(n int) []string {
			return []string{fmt.Sprintf("SLURM_ARRAY_TASK_ID=%d", n), "SLURM_ARRAY_TASK_MIN=1", "SLURM_ARRAY_TASK_COUNT=4"}
		},
	} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := errors.Join(os.CopyFS(filepath.Join(dir, "mydriver"), os.DirFS("testdata/docs/mydriver")),
				os.WriteFile(filepath.Join(dir, "guest"), []byte("call pass\npoweroff\n"), 0o644)); err != nil {
				t.Fatal(err)
			}
			kernels := []string{"-k", "debian:bookworm", "-k", "debian:trixie", "-k", "debian:trixie-backports", "-k", "debian:offline"}
			start := func(variables []string, args ...string) *exec.Cmd {
				cmd := exec.Command("modmatrix-faked", args...)
				cmd.Dir = filepath.Join(dir, "mydriver")
				cmd.Env = append(os.Environ(), "MODMATRIX_CACHE="+filepath.Join(dir, "cache"), "XDG_STATE_HOME="+filepath.Join(dir, "state"), "MODMATRIX_QEMU_USER=0", vmtest.ScriptEnv+"="+filepath.Join(dir, "guest"))
				cmd.Env = append(cmd.Env, variables...)
				return cmd
			}
			if out, err := start(nil, append([]string{"run", "-q", "-o", "../whole"}, kernels...)...).CombinedOutput(); err != nil && !strings.Contains(err.Error(), "exit status 3") {
				t.Fatalf("%v\n%s", err, out)
			}
			var jobs []*exec.Cmd
			for n := 1; n <= 4; n++ {
				job := start(variables(n), append([]string{"run", "-q", "--shard", "auto", "-o", fmt.Sprintf("../part-%d", n)}, kernels...)...)
				if err := job.Start(); err != nil {
					t.Fatal(err)
				}
				jobs = append(jobs, job)
			}
			for _, job := range jobs {
				_ = job.Wait()
			}
			if out, err := start(nil, "merge", "../part-1", "../part-2", "../part-3", "../part-4", "-o", "../matrix").CombinedOutput(); err == nil || !strings.Contains(err.Error(), "exit status 3") {
				t.Errorf("%v\n%s", err, out)
			}
			if whole, parts := verdictsIn(t, filepath.Join(dir, "whole")), verdictsIn(t, filepath.Join(dir, "matrix")); whole != parts || !strings.Contains(whole, "PASS") {
				t.Errorf("undivided:\n%s\nin four shards:\n%s", whole, parts)
			}
		})
	}
}

func verdictsIn(t *testing.T, dir string) (text string) {
	t.Helper()
	r, _, err := results.ReadAt(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range r.Records {
		text += fmt.Sprintln(rec.Target.Label(), rec.Suite, rec.Status, rec.Stage, rec.Code, rec.Reason, len(rec.Specs))
	}
	return r.Run.PlanDigest + "\n" + text
}

// What plan prints for an engine is what the engine takes: jobs whose shards are all kernels, each once, none of them empty.
func TestPlansForEngines(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "mydriver"), os.DirFS("testdata/docs/mydriver")); err != nil {
		t.Fatal(err)
	}
	plan := func(args ...string) string {
		out, code := faked(t, dir, append([]string{"plan", "-k", "debian:bookworm", "-k", "debian:trixie", "-k", "debian:trixie-backports"}, args...))
		if code != 0 {
			t.Fatalf("%v: exit code %d", args, code)
		}
		return out
	}
	for shards, want := range map[string]int{"0": 3, "2": 2, "9": 3} {
		var github struct {
			Include []struct{ ID, Shard, Kernels string }
		}
		if err := json.Unmarshal([]byte(plan("--format", "github", "--shards", shards)), &github); err != nil {
			t.Fatal(err)
		}
		kernels := 0
		for i, job := range github.Include {
			kernels += len(strings.Fields(job.Kernels))
			if job.Shard != fmt.Sprintf("%d/%d", i+1, want) || job.Kernels == "" || !regexp.MustCompile(`^[\w.+-]+$`).MatchString(job.ID) {
				t.Errorf("--shards %s: %+v", shards, job)
			}
		}
		if len(github.Include) != want || kernels != 3 {
			t.Errorf("--shards %s: %d jobs of %d kernels", shards, len(github.Include), kernels)
		}
	}
	if out := plan("--format", "gitlab"); strings.TrimSpace(out) != `{"parallel":{"matrix":[{"SHARD":["1/3","2/3","3/3"]}]}}` {
		t.Errorf("for GitLab: %s", out)
	}
	if out := plan("--format", "json"); !strings.Contains(out, `"digest":"sha256:`) {
		t.Errorf("as JSON: %s", out)
	}
}
