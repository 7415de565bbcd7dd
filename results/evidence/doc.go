// Package evidence is what people hand each other: an author's bundle, a tester's evidence file. It writes and reads the
// archives that these are, and says whose word one is.
//
// It must never know how a result came about, nor draw anything; it starts no process. Every file that it reads is a stranger's.
package evidence
