package suites

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/onsi/ginkgo/v2/types"
)

// filteredOut says why Ginkgo's filters exclude spec, by applying them again (internal/focus.go, ApplyFocusToSpecs); "": none.
func filteredOut(suite types.Report, spec types.SpecReport) string {
	for _, filter := range []func(types.Report, types.SpecReport) string{wrongLabels, wrongVersion, wrongName, wrongFile} {
		if why := filter(suite, spec); why != "" {
			return why
		}
	}
	// No report says which specs are focused, so this remains. Such a suite never passes: Ginkgo exits with 197.
	if suite.SuiteHasProgrammaticFocus {
		return "not in focus: the suite holds specs marked with FIt, FDescribe or Focus, and no others run"
	}
	return ""
}

func wrongLabels(suite types.Report, spec types.SpecReport) string {
	query := suite.SuiteConfig.LabelFilter
	filter, err := types.ParseLabelFilter(query)
	labels := slices.Concat(suite.SuiteLabels, spec.Labels())
	if query == "" || err != nil || filter(labels) {
		return ""
	}
	if len(labels) == 0 {
		return "not for this target: it has no label, and the filter asks for " + query
	}
	return fmt.Sprintf("not for this target: its labels are %s, and the filter asks for %s", strings.Join(labels, ", "), query)
}

func wrongVersion(suite types.Report, spec types.SpecReport) string {
	version := suite.SuiteConfig.SemVerFilter
	filter, err := types.ParseSemVerFilter(version)
	if version == "" || err != nil {
		return ""
	}
	kernel, _, _ := strings.Cut(version, ",") // PID 1 sets "6.1.176, kernel=6.1.176"
	constraints := slices.Concat(suite.SuiteSemVerConstraints, spec.SemVerConstraints())
	if len(constraints) > 0 && !filter("", constraints) {
		return fmt.Sprintf("not for this kernel: for %s, and this is %s", strings.Join(constraints, ", "), kernel)
	}
	for _, components := range []map[string][]string{suite.SuiteComponentSemVerConstraints, spec.ComponentSemVerConstraints()} {
		for _, name := range slices.Sorted(maps.Keys(components)) {
			if !filter(name, components[name]) {
				return fmt.Sprintf("not for this %s: for %s, and this is %s", name, strings.Join(components[name], ", "), kernel)
			}
		}
	}
	return ""
}

func wrongName(suite types.Report, spec types.SpecReport) string {
	name := suite.SuiteDescription + " " + spec.FullText()
	focus, skip := strings.Join(suite.SuiteConfig.FocusStrings, "|"), strings.Join(suite.SuiteConfig.SkipStrings, "|")
	if re, err := regexp.Compile(focus); focus != "" && err == nil && !re.MatchString(name) {
		return "not chosen: its name does not match the focus " + focus
	}
	if re, err := regexp.Compile(skip); skip != "" && err == nil && re.MatchString(name) {
		return "not chosen: its name matches the skip " + skip
	}
	return ""
}

func wrongFile(suite types.Report, spec types.SpecReport) string {
	locations := append(slices.Clone(spec.ContainerHierarchyLocations), spec.LeafNodeLocation)
	focus, skip := suite.SuiteConfig.FocusFiles, suite.SuiteConfig.SkipFiles
	if filter, err := types.ParseFileFilters(focus); len(focus) > 0 && err == nil && !filter.Matches(locations) {
		return "not chosen: its file does not match the focus " + strings.Join(focus, ", ")
	}
	if filter, err := types.ParseFileFilters(skip); len(skip) > 0 && err == nil && filter.Matches(locations) {
		return "not chosen: its file matches the skip " + strings.Join(skip, ", ")
	}
	return ""
}
