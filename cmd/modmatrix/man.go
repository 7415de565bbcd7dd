package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func manCommand(a *app) *cobra.Command {
	cmd := verb("man", func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usage("name the folder for the manual pages")
		}
		if err := os.MkdirAll(args[0], 0o755); err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
		root := cmd.Root()
		inMarkdown(root)
		return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: toolName(), Manual: "modmatrix"}, args[0])
	})
	cmd.Args, cmd.Hidden = nil, true
	return cmd
}

var (
	marks = regexp.MustCompile("[\\\\*_<>|\\[\\]#`]")
	block = regexp.MustCompile(`(?m)(?:^[ \t].*\n?)+`)
)

// inMarkdown makes what cmd and all below it say of themselves the Markdown that manual pages are written from: lists stay as they are.
func inMarkdown(cmd *cobra.Command) {
	cmd.DisableAutoGenTag = true
	var long strings.Builder
	at := 0
	for _, list := range append(block.FindAllStringIndex(cmd.Long, -1), []int{len(cmd.Long), len(cmd.Long)}) {
		long.WriteString(marks.ReplaceAllString(cmd.Long[at:list[0]], `\$0`) + "\n")
		for line := range strings.Lines(cmd.Long[list[0]:list[1]]) {
			long.WriteString("    " + line)
		}
		long.WriteString("\n")
		at = list[1]
	}
	cmd.Long = strings.TrimSpace(long.String())
	for _, sub := range cmd.Commands() {
		inMarkdown(sub)
	}
}
