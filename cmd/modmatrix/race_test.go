//go:build race

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// concurrent are the scripts in which what modmatrix does at once is the point: signals, a view that is drawn meanwhile, readers that go away,
// several guests, a terminal. They start the test binary, with the race detector in it.
var concurrent = []string{
	"an_interrupted_run_shows_what_it_has", "an_output_that_is_lost_is_no_success", "progress_is_shown_without_a_terminal",
	"a_run_ends_with_the_code_of_what_it_found", "a_shell_takes_one_kernel",
}

// plainPrograms has all other scripts start the same test binary without the race detector: they start it more than 500 times, and it takes
// 20 ms of processor time to start, not 80. What goes on at once in a run, guests and builds above all, is raced by the tests of harness.
// It gives testscript's folder of commands, bin, another name, and puts one with the other binary in its place.
func plainPrograms(bin string) {
	racedDir = bin + "-raced"
	must(os.Rename(bin, racedDir))
	must(os.Mkdir(bin, 0o755))
	plain := filepath.Join(filepath.Dir(bin), "plain.test")
	if out, err := exec.Command("go", "test", "-c", "-vet=off", "-o", plain, ".").CombinedOutput(); err != nil {
		panic(fmt.Sprintf("build the programs of scripts: %v\n%s", err, out))
	}
	commands, err := os.ReadDir(racedDir)
	must(err)
	for _, c := range commands {
		must(os.Link(plain, filepath.Join(bin, c.Name())))
	}
}
