package harness

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/harness/judge"
	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
	"github.com/modmatrix/modmatrix/results"
	"github.com/modmatrix/modmatrix/vm"
)

// class is what a field of Spec decides. Plan digest, journal facts, cache key and the printed command are derived from it.
type class string

const (
	classCell   class = "cell"   // what one guest shows: part of the key of a cached cell
	classBuild  class = "build"  // what is built: the key of a cached cell has the modules themselves
	classRecord class = "record" // how guests add up to a record, and which records there are
	classPlan   class = "plan"   // resolved into the plan, which holds what it stood for by its digest
	classRun    class = "run"    // how the run is carried out: it decides nothing
)

// field is what the tags of a field of Spec say: spec:"CLASS", flag:"NAME" for a flag of the command line, and name:"…" for
// one that has none. With flag:"NAME,once" the printed command does not repeat the flag.
type field struct {
	class      class
	name, flag string
	once       bool
}

func readField(f reflect.StructField) field {
	flag, option, _ := strings.Cut(f.Tag.Get("flag"), ",")
	r := field{class(f.Tag.Get("spec")), f.Tag.Get("name"), flag, option == "once"}
	if flag != "" {
		r.name = "--" + flag
	}
	r.once = r.once || r.class == classRun
	return r
}

// decided lists what the fields of classes say, a default like a value that was given.
func (s Spec) decided(classes ...class) (facts []results.Fact) {
	v := reflect.ValueOf(s.WithDefaults())
	for f, value := range v.Fields() {
		if r := readField(f); slices.Contains(classes, r.class) {
			facts = append(facts, results.Fact{Name: r.name, Value: plainValue(value.Interface())})
		}
	}
	return facts
}

// plainValue writes the words of a list with quotes where one word could be taken for two.
func plainValue(v any) string {
	list, ok := v.([]string)
	if !ok {
		return fmt.Sprint(v)
	}
	words := slices.Clone(list)
	for i, w := range words {
		if w == "" || strings.ContainsAny(w, " \"") {
			words[i] = strconv.Quote(w)
		}
	}
	return strings.Join(words, " ")
}

// SpecFlag is a flag that sets a field of Spec. Again: it belongs on a command that asks the same of one cell.
type SpecFlag struct {
	Name, Field string
	Again       bool
}

// SpecFlags lists them, in the order of the fields.
func SpecFlags() (flags []SpecFlag) {
	for f := range reflect.TypeFor[Spec]().Fields() {
		if r := readField(f); r.flag != "" {
			flags = append(flags, SpecFlag{r.flag, f.Name, !r.once})
		}
	}
	return flags
}

// decided is all that the records of p depend on beside the module, the kernels and the suites.
func (p *Plan) decided() []results.Fact {
	facts := append(p.Spec.decided(classBuild, classCell, classRecord), results.Fact{Name: "--depends", Value: p.in.dependsDigest()},
		results.Fact{Name: "--firmware", Value: p.firmwareFact()},
		results.Fact{Name: "the guest image that came along", Value: p.Spec.broughtImages()})
	for _, label := range p.labels() {
		facts = append(facts, results.Fact{Name: "required " + label, Value: strconv.FormatBool(p.required[label])})
	}
	return facts
}

// kernelFact begins the name of the fact that says what a label of the matrix was resolved to.
const kernelFact = "the kernel "

// facts are what the records rest on: they hold for another run as long as no fact differs that both runs have.
func (rs *records) facts() []results.Fact {
	facts := []results.Fact{
		{Name: "modmatrix", Value: rs.h.tool + ", judgement " + judge.Version},
		{Name: "the architecture", Value: vm.HostArch()},
		{Name: "QEMU", Value: rs.qemus.String()},
		{Name: "the module's source", Value: rs.plan.Module.SourceDigest},
	}
	facts = append(facts, rs.plan.decided()...)
	for _, t := range rs.plan.Targets {
		facts = append(facts, results.Fact{Name: kernelFact + Label(t), Value: targetDigest(t)})
	}
	facts = append(facts, rs.rests...)
	for _, machine := range rs.plan.archs() {
		for _, suite := range rs.plan.Suites {
			facts = append(facts, results.Fact{Name: "the suite " + suite.Name + " for " + machine, Value: rs.suites[suiteOn{suite.Name, machine}].sum})
		}
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
