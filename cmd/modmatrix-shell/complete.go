package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// completeLast returns line with its last word completed, in all possible ways: to a command where the word is the first, and
// to a path elsewhere.
func completeLast(line string) []string {
	start := strings.LastIndexAny(line, " \t;|&<>=") + 1
	before, word := line[:start], line[start:]
	var words []string
	if last := strings.TrimSpace(before); (last == "" || strings.ContainsAny(last[len(last)-1:], ";|&")) && !strings.Contains(word, "/") {
		for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
			words = append(words, entries(dir, word, "")...)
		}
	} else {
		dir, base := filepath.Split(word)
		words = entries(dir, base, dir)
	}
	slices.Sort(words)
	words = slices.Compact(words)
	for i := range words {
		words[i] = before + words[i]
	}
	return words
}

// entries lists what is in dir and starts with base, folders with a slash.
func entries(dir, base, prefix string) (names []string) {
	if dir == "" {
		dir = "."
	}
	list, _ := os.ReadDir(dir) // where it cannot be read, there are no completions
	for _, e := range list {
		if !strings.HasPrefix(e.Name(), base) {
			continue
		}
		name := prefix + e.Name()
		if e.IsDir() {
			name += "/"
		}
		names = append(names, name)
	}
	return names
}
