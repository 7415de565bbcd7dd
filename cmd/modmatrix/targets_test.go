package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every test that needs something real is run by a target of the Makefile, or by TestRealRooms, which a target runs: a test
// that always skips proves nothing.
func TestRealTestsAreRun(t *testing.T) {
	read := func(name string) string {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	makefile, rooms := read(filepath.Join(repository, "Makefile")), read(filepath.Join(repository, "harness/rooms_test.go"))
	variable, found := regexp.MustCompile(`"(MODMATRIX_(?:REAL|TEST)[A-Z_]*)"`), 0
	err := filepath.WalkDir(repository, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "targets_test.go") {
			return err
		}
		dir := strings.TrimPrefix(filepath.Dir(path), repository+"/")
		for _, m := range variable.FindAllStringSubmatch(read(path), -1) {
			if own[m[1]] != "" {
				continue
			}
			found++
			named := regexp.MustCompile(`(?m)^\t.*` + m[1] + `=.*\./` + dir + `$`).MatchString(makefile)
			if !named && !(strings.Contains(rooms, `{"`+dir+`", `) && (m[1] == "MODMATRIX_REAL" || strings.Contains(rooms, m[1]+"="))) {
				t.Errorf("%s asks for %s, and no target and no room of harness/rooms_test.go runs ./%s with it", path, m[1], dir)
			}
		}
		return nil
	})
	if !strings.Contains(makefile, "\tMODMATRIX_SLOW=1 go test -race -vet=off -timeout 30m ./...\n") {
		t.Error("no target runs all packages with their slow tests")
	}
	if err != nil || found < 5 {
		t.Errorf("%d tests that need something real were found: %v", found, err)
	}
}

// A target that runs several programs runs all of them, and its log ends with what failed, wherever that stood.
func TestFailuresAreTheEndOfALog(t *testing.T) {
	file := filepath.Join(t.TempDir(), "Makefile")
	text := `include Makefile
first:
	@printf -- '    --- FAIL: TestA/b (0.1s)\n        a_test.go:1: no\nFAIL\nFAIL\tsome/package\t1s\n'; exit 3
second:
	@echo second ran
third:
	@echo '--- FAIL: TestC (0.1s)'; false
all:
	@$(call every,-j2 -O,first second third)
good:
	@$(call every,,second)
`
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	run := func(target string) (string, error) {
		out, err := exec.Command("make", "-C", repository, "-f", file, "--no-print-directory", target).CombinedOutput()
		return string(out), err
	}
	out, err := run("all")
	before, end, _ := strings.Cut(out, "== failed:\n")
	if err == nil || !strings.Contains(before, "second ran") {
		t.Errorf("%v\n%s", err, out)
	}
	for _, line := range []string{"--- FAIL: TestA/b (0.1s)", "FAIL\tsome/package\t1s", ":3: first] Error 3", "--- FAIL: TestC (0.1s)", ":7: third] Error 1"} {
		if strings.Count(end, line) != 1 {
			t.Errorf("the end of the log does not have %q once:\n%s", line, end)
		}
	}
	if out, err := run("good"); err != nil || out != "second ran\n" {
		t.Errorf("%v\n%s", err, out)
	}
}

// own are variables that no target has to set.
var own = map[string]string{
	"MODMATRIX_TEST_ARCH":      "TestRealArch sets it for package vm, beside the kernel; without it kernels are of amd64",
	"MODMATRIX_TEST_BASE":      "a base image that is there already; without it the test builds one",
	"MODMATRIX_TEST_CROSS":     "other kernels than those that TestRealCross has of its own",
	"MODMATRIX_TEST_HERE_DIR":  "a folder in which the system of TestRealHere is kept, or is installed already",
	"MODMATRIX_TEST_INSTALLED": "TestRealInstalledKernel sets it for itself, in a namespace of its own",
}
