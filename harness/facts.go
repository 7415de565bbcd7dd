package harness

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm"
)

// kernelFact begins the name of the fact that says what a label of the matrix was resolved to.
const kernelFact = "the kernel "

// facts are what the records of this run rest on. Records hold for another run as long as no fact differs that both runs
// have: another kernel more is no reason to run the first one again.
func (rs *records) facts() []results.Fact {
	facts := []results.Fact{
		{Name: "modmatrix", Value: rs.h.tool + ", judgement " + judge.Version},
		{Name: "the architecture", Value: vm.HostArch()},
		{Name: "QEMU", Value: rs.qemu},
		{Name: "the module's source", Value: rs.plan.Module.SourceDigest},
	}
	facts = append(facts, rs.plan.decided()...)
	for _, t := range rs.plan.Targets {
		facts = append(facts, results.Fact{Name: kernelFact + Label(t), Value: targetDigest(t)})
	}
	facts = append(facts, rs.rests...)
	for _, suite := range rs.plan.Suites {
		facts = append(facts, results.Fact{Name: "the suite " + suite.Name, Value: rs.suites[suite.Name].sum})
	}
	return facts
}

func targetDigest(t kernels.Target) string {
	data, err := json.Marshal(t)
	if err != nil {
		panic(err) // plain data: cannot happen
	}
	return store.Digest(string(data))
}

// differ is an error that names the facts that changed; nil where none did.
func differ(old, now []results.Fact) error {
	was := map[string]string{}
	for _, f := range old {
		was[f.Name] = f.Value
	}
	var all []string
	for _, f := range now {
		if before, ok := was[f.Name]; ok && before != f.Value {
			all = append(all, fmt.Sprintf("%s was %s and is %s", f.Name, brief(before), brief(f.Value)))
		}
	}
	if len(all) == 0 {
		return nil
	}
	return errors.New("the run that is there was another one: " + strings.Join(all, ", "))
}

// brief shortens digests, and quotes the rest.
func brief(value string) string {
	if value == "" {
		return "none"
	}
	if hash := strings.TrimPrefix(value, "sha256:"); len(hash) == 64 && strings.Trim(hash, "0123456789abcdef") == "" {
		return hash[:12] + "…"
	}
	return strconv.Quote(value)
}

// kernelFacts splits facts into what each label was resolved to, and the rest.
func kernelFacts(facts []results.Fact) (byLabel map[string]string, rest []results.Fact) {
	byLabel = map[string]string{}
	for _, f := range facts {
		if label, ok := strings.CutPrefix(f.Name, kernelFact); ok {
			byLabel[label] = f.Value
		} else {
			rest = append(rest, f)
		}
	}
	return byLabel, rest
}
