package kbuild

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results"
)

// A Makefile that calls a compiler by name makes modules for the machine that it runs on.
func TestModuleOfAnotherMachine(t *testing.T) {
	ko, err := os.ReadFile("testdata/hello.ko")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"hello.bin": string(ko), "Makefile": kdirLine + "all:\n" + callKernel, "build": "cd /build\n" + makeHello}
	for machine, want := range map[string]string{
		"x86_64": "", "": "", // a target that does not say
		"s390x":  "hello.ko was built for x86_64, not for s390x",
		"armv7l": "hello.ko was built for x86_64, not for armv7l",
	} {
		tree := fakeTree(t)
		tree.Target.Arch = machine
		_, _, err := buildIn(t, tree, source(t, files))
		var fault *Error
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", machine, err)
		case want != "" && (!errors.As(err, &fault) || fault.Code != results.CodeVermagicMismatch || !strings.HasPrefix(fault.Reason, want)):
			t.Errorf("%s: %v", machine, err)
		}
	}
}

// What machine modules are built for is said to make, and to scripts that no make starts.
func TestEverybodyHearsOfTheMachine(t *testing.T) {
	ko, err := os.ReadFile("testdata/hello.ko")
	if err != nil {
		t.Fatal(err)
	}
	tree := fakeTree(t)
	tree.Root.Make = []string{"ARCH=arm64", "CROSS_COMPILE=aarch64-linux-gnu-"}
	dir := source(t, map[string]string{"hello.bin": string(ko), "build": "cd /build\n" + makeHello,
		"Makefile": kdirLine + "ARCH := $(shell uname -m)\nall:\n\t@echo make: $(ARCH) $(CROSS_COMPILE)gcc\n" + callKernel, "configure": "#!/bin/sh\necho script: $ARCH ${CROSS_COMPILE}gcc\n"})
	if err := os.Chmod(dir+"/configure", 0o755); err != nil {
		t.Fatal(err)
	}
	_, log, err := buildIn(t, tree, dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"make: arm64 aarch64-linux-gnu-gcc\n", "script: arm64 aarch64-linux-gnu-gcc\n"} {
		if !strings.Contains(log, line) {
			t.Errorf("no %q in\n%s", line, log)
		}
	}
}
