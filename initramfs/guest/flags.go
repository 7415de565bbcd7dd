package guest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/results/wire"
)

// suiteFlags are a suite's arguments: the target selects the specs, the rest makes runs repeatable, the plan's come last and win.
func suiteFlags(target wire.Target, s wire.Suite, report string) []string {
	flags := []string{
		"--ginkgo.seed=1", "--ginkgo.no-color",
		"--ginkgo.json-report=" + report,
		"--ginkgo.timeout=" + timeout(s).String(),
		"--ginkgo.grace-period=2s",
	}
	labels := []string{labelFilter("arch", target.Arch), labelFilter("flavour", target.Flavour)}
	if labels = slices.DeleteFunc(labels, func(l string) bool { return l == "" }); len(labels) > 0 {
		flags = append(flags, "--ginkgo.label-filter="+strings.Join(labels, " && "))
	}
	if filter := versionFilter(target.Version); filter != "" {
		flags = append(flags, "--ginkgo.sem-ver-filter="+filter)
	}
	return append(flags, s.Args...)
}

// focus is the flag for the specs that the plan names: Ginkgo matches it against title and full text (internal/focus.go).
func focus(s wire.Suite) []string {
	if len(s.Only) == 0 {
		return nil
	}
	names := make([]string, len(s.Only))
	for i, name := range s.Only {
		names[i] = namePattern(name)
	}
	return []string{`--ginkgo.focus=(?s)\A` + namePattern(s.Title) + ` (?:` + strings.Join(names, "|") + `)\z`}
}

// namePattern matches the names that package wire shortens to name: on one line, and not too long.
func namePattern(name string) string {
	name = strings.ReplaceAll(regexp.QuoteMeta(name), " ", `\s+`)
	return strings.ReplaceAll(name, `\s+\[…\]\s+`, ".*")
}

// timeout is the time that Ginkgo gets for the suite.
func timeout(s wire.Suite) time.Duration {
	if s.TimeoutMS <= 0 {
		return time.Minute
	}
	return time.Duration(s.TimeoutMS) * time.Millisecond
}

// labelFilter passes specs labelled "key: value", or nothing of that key; isSubsetOf would drop one for several targets.
func labelFilter(key, value string) string {
	if value == "" || strings.ContainsAny(value, "&|!,(){}/: ") { // Ginkgo's operators
		return ""
	}
	return fmt.Sprintf("(%s: isEmpty || %s: containsAny %s)", key, key, value)
}

// numbers leaves out what follows a hyphen: that would be a pre-release, which no ordinary constraint matches.
var numbers = regexp.MustCompile(`^\d+\.\d+(\.\d+)?`)

// versionFilter is for both of Ginkgo's constraints: those of no component, and those of the component "kernel".
func versionFilter(version string) string {
	v := numbers.FindString(version)
	if v == "" {
		return ""
	}
	return v + ", kernel=" + v
}
