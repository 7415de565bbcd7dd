package source

import (
	"testing"
	"testing/fstest"
)

func TestDependenciesAreQuoted(t *testing.T) {
	tree := fstest.MapFS{
		"Kconfig":       {Data: []byte("config A\n\tbool \"a\"\n\tdepends on B && \\\n\t\tC\n\thelp\n\t  This\n\t  depends on luck.\n\nmenuconfig D\n\tbool\nif E\n\tdepends on F\nendif\n")},
		"x/Kconfig.sub": {Data: []byte("config A\n\tdepends on G if H\n\tdepends on I\n")},
		"x/notes":       {Data: []byte("config NONE\n\tdepends on B\n")},
	}
	for symbol, want := range map[string]string{
		"A":    `it depends on B && \ (Kconfig:3), on G if H (x/Kconfig.sub:2), on I (x/Kconfig.sub:3)`,
		"D":    `it has no "depends on"`,
		"NONE": "no Kconfig file of this kernel has it",
	} {
		if got := dependencies(tree, symbol); got != want {
			t.Errorf("%s: got  %s\nwant %s", symbol, got, want)
		}
	}
}
