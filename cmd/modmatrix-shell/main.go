// Command modmatrix-shell is the interactive shell of a guest: gosh's shell language with a line editor, and a prompt that
// names the kernel. An interrupt ends the command that runs, never the shell.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/peterh/liner"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "modmatrix-shell:", err)
		os.Exit(1)
	}
}

// run reads and runs commands until exit, or the end of input.
func run() error {
	// Caught, not ignored: children would inherit that.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt, syscall.SIGQUIT, syscall.SIGTSTP)
	shell, err := interp.New(interp.StdIO(os.Stdin, os.Stdout, os.Stderr))
	if err != nil {
		return fmt.Errorf("start shell: %w", err)
	}
	forCommands, err1 := liner.TerminalMode()
	input := liner.NewLiner()
	defer input.Close()
	input.SetCtrlCAborts(true)
	input.SetCompleter(completeLast)
	forEditing, err2 := liner.TerminalMode()
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("read mode of the terminal: %w", err)
	}
	for !shell.Exited() {
		program, err := read(input)
		if errors.Is(err, io.EOF) {
			fmt.Println()
			return nil
		}
		if err != nil {
			fmt.Println(err)
			continue
		}
		_ = forCommands.ApplyMode() // where it fails, lines only look odd
		execute(shell, program)
		_ = forEditing.ApplyMode()
	}
	return nil
}

// read takes lines until they make whole commands.
func read(input *liner.State) (*syntax.File, error) {
	prompt, text := os.Getenv("PS1"), ""
	if prompt == "" {
		prompt = "# "
	}
	for {
		line, err := input.Prompt(prompt)
		if errors.Is(err, liner.ErrPromptAborted) {
			return &syntax.File{}, nil
		}
		if err != nil {
			return nil, err
		}
		if strings.TrimSpace(line) != "" {
			input.AppendHistory(line)
		}
		text += line + "\n"
		program, err := syntax.NewParser().Parse(strings.NewReader(text), "")
		if err == nil || !syntax.IsIncomplete(err) {
			return program, err
		}
		prompt = "> "
	}
}

// execute runs commands one after the other, and prints errors that are not their exit status.
func execute(shell *interp.Runner, program *syntax.File) {
	for _, stmt := range program.Stmts {
		err := shell.Run(context.Background(), stmt)
		if _, isStatus := interp.IsExitStatus(err); err != nil && !isStatus {
			fmt.Fprintln(os.Stderr, err)
		}
		if shell.Exited() {
			return
		}
	}
}
