package wire

import (
	"crypto/sha256"
	"fmt"
	"reflect"
	"strings"
)

// meaning is raised where host and guest begin to mean something else by the same fields: markers, kinds of frames, where things lie.
const meaning = 1

// Protocol names what this package says. The two ends of a wire that were built apart, as those of a bundle are, understand
// each other where both have the same; a field more is another one, since the older end would pass over it.
func Protocol() string {
	var shape strings.Builder
	describe(&shape, reflect.TypeFor[Plan]())
	describe(&shape, reflect.TypeFor[Frame]())
	sum := sha256.Sum256([]byte(shape.String()))
	return fmt.Sprintf("%d-%x", meaning, sum[:6])
}

// describe writes names and types of a struct's fields, and of those within.
func describe(w *strings.Builder, t reflect.Type) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		w.WriteString(t.Kind().String() + " ")
		describe(w, t.Elem())
	case reflect.Struct:
		w.WriteString("{")
		for f := range t.Fields() {
			w.WriteString(f.Tag.Get("json") + " ")
			describe(w, f.Type)
			w.WriteString(";")
		}
		w.WriteString("}")
	default:
		w.WriteString(t.Kind().String())
	}
}
