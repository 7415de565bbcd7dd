package harness

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
)

// engines are what CI systems say of a job that is one of several, by the names of their variables: its number, the first number,
// and how many there are.
var engines = []struct{ name, number, first, count string }{
	{"GitLab", "CI_NODE_INDEX", "1", "CI_NODE_TOTAL"},
	{"Buildkite", "BUILDKITE_PARALLEL_JOB", "0", "BUILDKITE_PARALLEL_JOB_COUNT"},
	{"CircleCI", "CIRCLE_NODE_INDEX", "0", "CIRCLE_NODE_TOTAL"},
	{"Slurm", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_COUNT"},
	{"Kubernetes", "JOB_COMPLETION_INDEX", "0", "JOB_COMPLETIONS"}, // which the Job's own manifest has to set to its completions
}

// shardOf reads --shard: I/N from 1, or auto, which asks the variables of CI systems.
func shardOf(text string, env func(string) string) (i, n int, err error) {
	if text == "auto" {
		return autoShard(env)
	}
	first, second, _ := strings.Cut(text, "/")
	i, err1 := strconv.Atoi(first)
	n, err2 := strconv.Atoi(second)
	if err1 != nil || err2 != nil || i < 1 || i > n {
		return 0, 0, fmt.Errorf("--shard %q: it is I/N, the part and how many there are, such as 2/5, or auto", results.Plain(text))
	}
	return i, n, nil
}

func autoShard(env func(string) string) (i, n int, err error) {
	for _, e := range engines {
		number, count := env(e.number), env(e.count)
		if number == "" {
			continue
		}
		if count == "" {
			return 0, 0, fmt.Errorf("--shard auto: %s sets %s, and nothing sets %s: set it to the number of jobs", e.name, e.number, e.count)
		}
		first, err1 := strconv.Atoi(cmp.Or(env(e.first), e.first))
		at, err2 := strconv.Atoi(number)
		all, err3 := strconv.Atoi(count)
		if i = at - first + 1; errors.Join(err1, err2, err3) != nil || i < 1 || i > all {
			return 0, 0, fmt.Errorf("--shard auto: %s=%q of %s=%q is no part of a whole; array jobs must count in steps of one", e.number, results.Plain(number), e.count, results.Plain(count))
		}
		return i, all, nil
	}
	return 0, 0, errors.New("--shard auto: no variable says which part this is; it is known of GitLab, Buildkite, CircleCI, Slurm and Kubernetes, else give --shard I/N")
}

// divide leaves of p the kernels of its shard, with all suites of each: no template is made twice. The digest stays that of the whole.
func (p *Plan) divide(h *Harness) error {
	if p.Spec.Shard == "" {
		return nil
	}
	i, n, err := shardOf(p.Spec.Shard, os.Getenv)
	if err != nil {
		return &UsageError{err}
	}
	p.digest, p.shard, p.part = p.Digest(), i, true
	p.planned = &results.Planned{Suites: listOf(p.Suites, func(s Suite) string { return s.Name }), Shards: n}
	for _, t := range p.Targets {
		p.planned.Targets = append(p.planned.Targets, About(t))
	}
	for _, u := range p.Unresolved {
		p.planned.Targets = append(p.planned.Targets, u.about())
	}
	of := p.shards(h.store.Dir(), n)
	p.Targets = slices.DeleteFunc(slices.Clone(p.Targets), func(t kernels.Target) bool { return of[Label(t)] != i })
	p.Unresolved = slices.DeleteFunc(slices.Clone(p.Unresolved), func(u Unresolved) bool { return of[u.Label()] != i })
	if len(p.labels()) == 0 {
		return fmt.Errorf("%w: shard %d of %d has no kernel, of %d in all: divide by fewer", ErrNothingMatched, i, n, len(p.planned.Targets))
	}
	return nil
}

// maxDivisions bounds the file of divisions; the oldest goes first.
const maxDivisions = 50

// division says which shard each kernel belongs to.
type division struct {
	Plan   string         `json:"plan"` // its digest
	Shards int            `json:"shards"`
	Of     map[string]int `json:"of"` // by label, from 1
}

// shards divides the kernels of p by how long they took in earlier runs, the longest first, so that all shards take about as long;
// what never ran is spread by a hash of its name. Every machine that has the same record of durations divides alike. The first
// to divide on this one writes it down: what its run takes must not move a kernel from one shard into another that has begun.
func (p *Plan) shards(dir string, n int) map[string]int {
	path := filepath.Join(dir, "shards.json")
	var known []division
	if data, err := os.ReadFile(path); err == nil {
		_ = json.Unmarshal(data, &known) // it may be lost
	}
	if i := slices.IndexFunc(known, func(d division) bool { return d.Plan == p.digest && d.Shards == n }); i >= 0 {
		return known[i].Of
	}
	times := openDurations(dir)
	weights := map[string]time.Duration{}
	for _, label := range p.labels() {
		weights[label] = times.rest(p, label)
	}
	d := division{p.digest, n, divided(weights, n)}
	known = append(known, d)
	_ = store.WriteJSON(path, known[max(0, len(known)-maxDivisions):])
	return d.Of
}

// divided gives each label the shard that has least so far, the heaviest label first.
func divided(weights map[string]time.Duration, n int) map[string]int {
	hash := func(label string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(label))) }
	order := slices.SortedFunc(maps.Keys(weights), func(a, b string) int {
		return cmp.Or(cmp.Compare(weights[b], weights[a]), cmp.Compare(hash(a), hash(b)))
	})
	of, load := map[string]int{}, make([]time.Duration, n)
	for _, label := range order {
		least := slices.Index(load, slices.Min(load))
		of[label] = least + 1
		load[least] += max(weights[label], 1)
	}
	return of
}

// Division says which kernels each of n shards would have, none of them empty.
func (h *Harness) Division(p *Plan, n int) [][]string {
	whole := *p
	whole.digest = p.Digest()
	shards := make([][]string, min(n, len(p.labels())))
	of := whole.shards(h.store.Dir(), len(shards))
	for _, label := range p.labels() {
		shards[of[label]-1] = append(shards[of[label]-1], label)
	}
	return shards
}
