// Package results names what happened: the status, stage and code of a cell, the record that carries its evidence,
// and the matrix that many records add up to. It reads and writes results.json and the journal.
//
// It is the shared vocabulary of the house and lies on the ground floor: it must never know how a kernel is
// obtained, built against or booted, nor how anything is drawn.
package results
