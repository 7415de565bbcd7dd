package kbuild

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
)

// callsFile is where machine.sh leaves what it noted, in the copy of the source.
const callsFile = ".modmatrix-calls"

const maxCalls = 1 << 20 // bytes of it

// call is one call of the kernel's build system for external modules.
type call struct {
	exit   int
	folder string   // whose modules it built, or where it put them, absolute in the sandbox
	passed []string // NAME=VALUE that it was given
}

// takeCalls reads the calls that a step made, and removes their file. The step had every chance to write to it: what is no call is
// left out.
func takeCalls(dir string) ([]call, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	text, err := kernels.ReadRegular(root, callsFile, maxCalls)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err := root.RemoveAll(callsFile); err != nil {
		return nil, err
	}
	var calls []call
	for words := strings.Split(string(text), "\x00"); len(words) > 2; {
		end := slices.Index(words[2:], "")
		if end < 0 {
			break
		}
		if exit, err := strconv.Atoi(words[0]); err == nil {
			calls = append(calls, call{exit, path.Clean(words[1]), words[2 : 2+end]})
		}
		words = words[2+end+1:]
	}
	return calls, nil
}

// inside is the folder of the copy, which stands at, that the call built in; false where it is another one.
func (c call) inside(at string) (string, bool) {
	folder, ok := strings.CutPrefix(c.folder+"/", at+"/")
	return path.Clean(folder), ok
}

// deciding are variables that change what the kernel's build system builds.
var deciding = regexp.MustCompile(`^CONFIG_\w+$|FLAGS|^ccflags|^KBUILD_(?:EXTRA_SYMBOLS|MODPOST_WARN)$`)

// decides are what a call was given by the Makefile's own hand that decides what is built. Those in usual are not its own.
func (c call) decides(usual []string) (own []string) {
	for _, arg := range c.passed {
		name, value, _ := strings.Cut(arg, "=")
		if deciding.MatchString(name) && value != "" && !slices.Contains(usual, arg) {
			own = append(own, clean(arg))
		}
	}
	return own
}
