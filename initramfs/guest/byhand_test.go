package guest

import (
	"strings"
	"testing"
)

func TestAddressOf(t *testing.T) {
	const kallsyms = "0000000000000000 A fixed_percpu_data\nffffffff81000010 t module_finalize.cold\nffffffff81070630 T module_finalize\nffffffff81070631 d data\n" +
		"0000000000000000 T hidden\nffffffffc0000000 t fifo_init\t[fifo]\n"
	for symbol, want := range map[string]string{"module_finalize": "ffffffff81070630", "hidden": "", "none": "", "data": "", "fifo_init": ""} {
		if got := addressOf(strings.NewReader(kallsyms), symbol); got != want {
			t.Errorf("%s: %q, want %q", symbol, got, want)
		}
	}
}
