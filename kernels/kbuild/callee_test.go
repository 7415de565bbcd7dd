package kbuild

import "testing"

// hello.ko's init calls the kernel's _printk.
func TestCallee(t *testing.T) {
	for _, test := range []struct {
		ko, symbol string
		offset     uint64
		want       string
	}{
		{"testdata/hello.ko", "init_module", 0x17, "_printk"},
		{"testdata/hello.ko", "init_module", 0x5, "__fentry__"},
		{"testdata/hello.ko", "init_module", 0, ""},
		{"testdata/hello.ko", "init_module", 0x1000, ""},
		{"testdata/hello.ko", "no_such_function", 0x17, ""},
		{"testdata/no.ko", "init_module", 0x17, ""},
		{"callee_test.go", "init_module", 0x17, ""},
	} {
		if got := Callee(test.ko, test.symbol, test.offset); got != test.want {
			t.Errorf("%s+%#x of %s calls %q, want %q", test.symbol, test.offset, test.ko, got, test.want)
		}
	}
}
