//go:build race

package harness

// raced says whether this is built with the race detector, under which a console is read ten times as slowly.
const raced = true
