package main

import (
	"strings"
	"unicode/utf8"

	"github.com/modmatrix/modmatrix/harness/watch"
)

// typist makes commands of keys.
type typist struct {
	typing  bool
	text    string
	show    func(typing bool, text string)
	openLog func()
}

func (t *typist) press(c byte) (command watch.Command, ok bool) {
	if t.typing {
		return t.edit(c)
	}
	switch {
	case c == 'q':
		return watch.Command{Do: watch.DoQuit}, true
	case c == 'r':
		return watch.Command{Do: watch.DoAll}, true
	case c == 'f':
		return watch.Command{Do: watch.DoFailed}, true
	case c == '/', c >= '0' && c <= '9':
		t.typing, t.text = true, strings.Trim(string(c), "/")
		t.show(t.typing, t.text)
	case c == 'l':
		t.openLog()
	}
	return command, false
}

// edit is a key of the line in which a focus is typed.
func (t *typist) edit(c byte) (command watch.Command, ok bool) {
	switch c {
	case '\r', '\n':
		t.typing, ok = false, true
		command = watch.Command{Do: watch.DoFocus, Text: t.text}
	case 0x1b: // Esc
		t.typing = false
	case 0x7f, '\b':
		_, last := utf8.DecodeLastRuneInString(t.text)
		t.text = t.text[:len(t.text)-last]
	case 0x15: // Ctrl-U
		t.text = ""
	default:
		if c >= ' ' {
			t.text += string([]byte{c})
		}
	}
	t.show(t.typing, t.text)
	return command, ok
}
