package config

import "fmt"

// Hint completes an error about an unknown word: it proposes the nearest of known, or else says otherwise.
func Hint(word string, known []string, otherwise string) string {
	if near := nearest(word, known); near != "" {
		return fmt.Sprintf(" — did you mean %q?", near)
	}
	return "; " + otherwise
}

// nearest returns the one of known that is nearest to word, if it is near enough to be a typo, and "" otherwise.
func nearest(word string, known []string) string {
	best, least := "", 1+max(len(word)/3, 1)
	for _, k := range known {
		if d := distance(word, k); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance counts the letters to add, drop, change or swap with their neighbour to get from a to b (optimal string alignment).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	var above, row []int
	next := make([]int, len(y)+1)
	for j := range next {
		next[j] = j
	}
	for i := range x {
		above, row, next = row, next, make([]int, len(y)+1)
		next[0] = i + 1
		for j := range y {
			change := row[j]
			if x[i] != y[j] {
				change++
			}
			next[j+1] = min(change, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				next[j+1] = min(next[j+1], above[j-1]+1)
			}
		}
	}
	return next[len(y)]
}
