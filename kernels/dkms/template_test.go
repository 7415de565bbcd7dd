package dkms

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

// TestTemplate: a dkms.conf that its author's installer fills in is refused by what is not filled in; one of which only the version is
// open is built.
func TestTemplate(t *testing.T) {
	module := "BUILT_MODULE_NAME=hello\nDEST_MODULE_LOCATION=/updates\n"
	for name, test := range map[string]struct{ conf, refused, note string }{
		"jobs":         {goodConf + "MAKE=\"make -j__JOBS -C $kernel_source_dir\"\n", "is a template: MAKE has __JOBS, which is not filled in", ""},
		"jobs__":       {goodConf + "MAKE=\"'make' -j__JOBS__ modules\"\n", "MAKE has __JOBS__", ""},
		"name":         {"PACKAGE_NAME=\"@PKGNAME@\"\nPACKAGE_VERSION=\"@PKGVER@\"\n" + module, "PACKAGE_NAME has @PKGNAME@", ""},
		"module":       {goodConf + "BUILT_MODULE_NAME[1]=\"%NAME%\"\n", "BUILT_MODULE_NAME has %NAME%", ""},
		"braces":       {goodConf + "MAKE=\"make V={{ version }}\"\n", "MAKE has {{ version }}", ""},
		"version":      {"PACKAGE_NAME=hello\nPACKAGE_VERSION=\"@VERSION@\"\nMAKE=\"make V=@VERSION@\"\n" + module, "", "dkms.conf is a template: PACKAGE_VERSION is @VERSION@ until it is filled in, and 0 stands for it here"},
		"debhelper":    {"PACKAGE_NAME=hello\nPACKAGE_VERSION=\"#MODULE_VERSION#\"\n" + module, "", "PACKAGE_VERSION is #MODULE_VERSION#"},
		"nvidia":       {"PACKAGE_NAME=hello\nPACKAGE_VERSION=\"__VERSION_STRING\"\n" + module, "", "PACKAGE_VERSION is __VERSION_STRING"},
		"a macro":      {goodConf + "MAKE=\"make EXTRA=-D__KERNEL__ -U__linux__\"\n", "", ""},
		"a comment":    {"# @VERSION@ is __JOBS\n" + goodConf, "", ""},
		"of its own":   {goodConf + "HELPER=@THIS@\n", "", ""},
		"CR LF":        {strings.ReplaceAll(goodConf, "\n", "\r\n") + "if true; then\r\nCLEAN=x\r\nfi\r\n", "", "dkms.conf has lines that end in CR LF"},
		"CR LF and @@": {strings.ReplaceAll(goodConf, "\n", "\r\n") + "MAKE=\"make V=@V@\"\r\n", "MAKE has @V@", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Open(t.Context(), source(t, map[string]string{"dkms.conf": test.conf, "Makefile": "obj-m := hello.o\n"}), t.TempDir())
			if test.refused != "" {
				if wrong := (*kbuild.SourceError)(nil); !errors.As(err, &wrong) || !strings.Contains(wrong.Problem, test.refused) {
					t.Errorf("error is %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if has := slices.ContainsFunc(p.Notes, func(n string) bool { return strings.Contains(n, test.note) }); has != (len(p.Notes) > 0) || has != (test.note != "") {
				t.Errorf("notes are %q", p.Notes)
			}
		})
	}
}

// TestEvaluateWithoutProgram: what dkms would refuse a file for is not its fault where the root lacks what it runs.
func TestEvaluateWithoutProgram(t *testing.T) {
	for name, test := range map[string]struct {
		conf  string
		lacks string
	}{
		"version":       {strings.Replace(goodConf, `"1.0"`, `"$(no-such-program describe)"`, 1), "no-such-program"},
		"name":          {strings.Replace(goodConf, `"hello"`, "\"`no-such-program`\"", 1), "no-such-program"},
		"silently":      {strings.Replace(goodConf, `"1.0"`, `"$(svnversion -n . 2>/dev/null)"`, 1), "svnversion"},
		"something set": {strings.Replace(goodConf, `"1.0"`, `""`, 1), ""},
		"not for that":  {goodConf + "X=$(no-such-program)\n", ""},
	} {
		_, conf, err := evaluate(t, test.conf)
		lack := (*kbuild.LackError)(nil)
		switch errors.As(err, &lack); {
		case test.lacks != "" && (lack == nil || lack.Lacks[0].Name != test.lacks || !strings.Contains(err.Error(), "the root lacks "+test.lacks)):
			t.Errorf("%s: %v", name, err)
		case test.lacks == "" && lack != nil:
			t.Errorf("%s: %v", name, err)
		case name == "not for that" && (err != nil || len(conf.Notes) != 1 || !strings.Contains(conf.Notes[0], "the root lacks no-such-program")):
			t.Errorf("%s: %+v, %v", name, conf, err)
		}
	}
}
