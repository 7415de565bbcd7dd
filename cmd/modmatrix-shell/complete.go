package main

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// literally keeps what was typed from being read as a pattern.
var literally = strings.NewReplacer("*", `\*`, "?", `\?`, "[", `\[`, `\`, `\\`)

// completeLast returns line with its last word completed in all possible ways: a command where it is the first, else a path.
func completeLast(line string) (lines []string) {
	start := strings.LastIndexAny(line, " \t;|&<>=") + 1
	before, word := line[:start], line[start:]
	folder, base := filepath.Split(word)
	folders := []string{folder}
	if last := strings.TrimSpace(before); (last == "" || strings.ContainsAny(last[len(last)-1:], ";|&")) && folder == "" {
		folders = filepath.SplitList(os.Getenv("PATH"))
	}
	for _, dir := range folders {
		found, _ := filepath.Glob(literally.Replace(cmp.Or(dir, ".")+"/"+base) + "*")
		for _, path := range found {
			name := before + folder + filepath.Base(path)
			if info, err := os.Stat(path); err == nil && info.IsDir() {
				name += "/"
			}
			lines = append(lines, name)
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}
