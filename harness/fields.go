package harness

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// class is what a field of Spec decides. The digest of a plan, the facts in a journal, the key of a cached cell and the
// command that is printed for running a cell again are all derived from it.
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
	facts := append(p.Spec.decided(classBuild, classCell, classRecord), results.Fact{Name: "--depends", Value: p.in.dependsDigest()})
	for _, label := range p.labels() {
		facts = append(facts, results.Fact{Name: "required " + label, Value: strconv.FormatBool(p.required[label])})
	}
	return facts
}
