package dkms

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results/slowtest"

	"github.com/modmatrix/modmatrix/kernels/kbuild"
)

// evaluate runs a dkms.conf for the fake tree.
func evaluate(t *testing.T, conf string) (*Package, *Conf, error) {
	t.Helper()
	p := open(t, source(t, map[string]string{"dkms.conf": conf, "Makefile": "obj-m := hello.o\n"}))
	c, err := p.Evaluate(t.Context(), fakeTree(t))
	return p, c, err
}

func TestEvaluate(t *testing.T) {
	slowtest.Skip(t)
	for name, test := range map[string]struct {
		conf string
		want func(*Conf) string
		is   string
	}{
		"make":       {`MAKE="make -C ${kernel_source_dir} M=${dkms_tree}/${PACKAGE_NAME}/${PACKAGE_VERSION}/build"`, makeOf, "make -C /lib/modules/" + testRelease + "/build M=/var/lib/dkms/hello/1.0/build"},
		"variables":  {`MAKE="$arch $module $module_version $source_tree $install_tree $kernel_config"`, makeOf, "x86_64 hello 1.0 /usr/src /lib/modules /lib/modules/" + testRelease + "/build/include/config/auto.conf"},
		"twice":      {`MAKE='at $kernelver'`, makeOf, "at " + testRelease},
		"thrice":     {`MAKE='at \\\$kernelver'`, makeOf, `at \$kernelver`},
		"blanks":     {"MAKE='a   b\tc\nd'", makeOf, "a b c d"},
		"quotes":     {`MAKE='make X="a b"'`, makeOf, "make -C /lib/modules/" + testRelease + "/build M=/var/lib/dkms/hello/1.0/build"}, // the second quote ends dkms's own
		"single":     {`MAKE="make X='a b'"`, makeOf, "make X='a b'"},
		"command":    {"MAKE=\"a $(echo b) `echo c`\"", makeOf, "a b c"},
		"plain name": {"unset BUILT_MODULE_NAME", filesOf, "hello.ko"},
		"sparse":     {"BUILT_MODULE_NAME[2]=b DEST_MODULE_LOCATION[2]=/extra BUILT_MODULE_NAME[1]=a DEST_MODULE_LOCATION[1]=/extra BUILT_MODULE_LOCATION[1]=x/y", filesOf, "hello.ko x/y/a.ko b.ko"},
		"matches":    {"MAKE[0]=zero MAKE[1]=one MAKE_MATCH[1]='^5' MAKE[2]=two MAKE_MATCH[2]='cloud|rt' MAKE[3]=three", makeOf, "two"},
		"last match": {"MAKE[0]=zero MAKE[1]=one MAKE_MATCH[1]='^6' MAKE[2]=two MAKE_MATCH[2]='.'", makeOf, "two"},
		"gap":        {"MAKE[0]=zero MAKE[2]=two MAKE_MATCH[2]='.'", makeOf, "zero"}, // dkms counts two elements, and looks at 0 and 1
		"bad regex":  {"MAKE[0]=zero MAKE[1]=one MAKE_MATCH[1]='('", makeOf, "zero"},
		"config":     {`. $kernel_source_dir/.config; [ "$CONFIG_FROM_DOT_CONFIG" = y ] && MAKE=yes`, makeOf, "yes"},
		"CRLF":       {"MAKE=\"crlf\"\r\nPATCH=\"x\"\r\n", func(c *Conf) string { return c.Make + c.Patches[0] }, "crlfx"},
		"depends":    {"BUILD_DEPENDS[0]=a BUILD_DEPENDS[3]=b BUILD_DEPENDS[4]=a", func(c *Conf) string { return strings.Join(c.Depends, " ") }, "a b"},
		"helper":     {`MAKE=$(VER 5.10-rc3)`, makeOf, "005.010-rc003"},
		"stdout":     {`echo 'MAKE[0]="not this"'`, makeOf, "make -C /lib/modules/" + testRelease + "/build M=/var/lib/dkms/hello/1.0/build"},
		"unquoted":   {"MAKE=cp a b", makeOf, "make -C /lib/modules/" + testRelease + "/build M=/var/lib/dkms/hello/1.0/build"}, // bash runs a
		"return":     {"MAKE=kept\nreturn 0\nMAKE=lost", makeOf, "kept"},
		"notes": {"CLEAN='make clean' REMAKE_INITRD=no MODULES_CONF[1]=x POST_ADD=a BUILT_MODULES_NAME=x STRIP=yes HELPER=1 MAKE[1]=x", func(c *Conf) string { return strings.Join(c.Notes, "|") },
			"REMAKE_INITRD is deprecated, and dkms ignores it|MODULES_CONF is deprecated, and dkms ignores it|" +
				"POST_ADD is not run: nothing is installed here|STRIP does nothing: modules keep their debug information here, to name lines by|" +
				"MAKE[1] is never taken: dkms wants a MAKE_MATCH with it, and no gap before|BUILT_MODULES_NAME is no directive: dkms ignores it"},
	} {
		t.Run(name, func(t *testing.T) {
			_, c, err := evaluate(t, goodConf+test.conf+"\n")
			if err != nil {
				t.Fatal(err)
			}
			if got := test.want(c); got != test.is {
				t.Errorf("got  %s\nwant %s", got, test.is)
			}
		})
	}
}

func makeOf(c *Conf) string  { return c.Make }
func filesOf(c *Conf) string { return strings.Join(c.Files(), " ") }

// TestEvaluateHostile: whatever a dkms.conf does, it comes to one line about itself.
func TestEvaluateHostile(t *testing.T) {
	slowtest.Skip(t)
	defer func(was int) { evaluateSeconds = was }(evaluateSeconds)
	evaluateSeconds = 1
	for name, test := range map[string]struct{ conf, want string }{
		"empty":        {"", "no PACKAGE_NAME directive (and 1 more)"},
		"exit":         {"exit 0\n" + goodConf, "no PACKAGE_NAME directive (and 1 more)"},
		"syntax":       {"if then\n" + goodConf, "line 1: syntax error near unexpected token `then'"},
		"exit later":   {goodConf + `MAKE='x"; exit 3; "'`, "it ends the shell that reads it"},
		"kill":         {goodConf + "kill -9 $PPID $$", "it ends the shell that reads it"},
		"loop":         {goodConf + "while :; do :; done", "it does not come to its end"},
		"memory":       {goodConf + "a=aaaaaaaaaaaaaaaa; while :; do a=$a$a; done", ""},
		"large":        {goodConf + "MAKE=$(head -c 1500000 /dev/zero | tr '\\0' a)", ""},
		"index":        {goodConf + "BUILT_MODULE_NAME[99999999]=x", "BUILT_MODULE_NAME[99999999]: dkms takes arrays of a few elements, not of more than 4096"},
		"hash":         {"declare -A MAKE; MAKE[a b]=c\n" + goodConf, ""},
		"garbage":      {goodConf + "exec 1>/build/answer; printf 'value\\0x\\0' ; sleep 0.1; exec 2>&1; MAKE='x\"; printf \"end\\0\" >/build/answer; exec >/dev/null; kill $$; \"'", ""},
		"strange name": {"PACKAGE_NAME=\"$(echo a/../b)\"\nPACKAGE_VERSION=1", "PACKAGE_NAME is \"a/../b\": dkms cannot build in a folder of that name"},
		"auto":         {goodConf + "AUTOINSTALL=maybe", "AUTOINSTALL is \"maybe\": it must be yes or no"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := evaluate(t, test.conf+"\n")
			var fault *kbuild.Error
			if test.want == "" && err == nil {
				return
			}
			if !errors.As(err, &fault) || strings.Contains(fault.Reason, "\n") || !strings.HasPrefix(fault.Reason, "dkms.conf: "+test.want) {
				t.Errorf("error is %v", err)
			}
		})
	}
}

// TestEvaluateReachesNothing: the file runs, and what it may write to is thrown away.
func TestEvaluateReachesNothing(t *testing.T) {
	dir := source(t, map[string]string{"dkms.conf": goodConf + "touch /usr/src/hello-1.0/x /etc/x /x x 2>/dev/null; MAKE=\"$(ls /home /root 2>/dev/null | wc -l) $(exec 3<>/dev/tcp/127.0.0.1/22 && echo net)\"\n"})
	c, err := open(t, dir).Evaluate(t.Context(), fakeTree(t))
	if err != nil {
		t.Fatal(err)
	}
	if c.Make != "0 " && c.Make != "0" {
		t.Errorf("it saw %q", c.Make)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("it wrote to the source: %v", left)
	}
}

func TestEvaluateLearnsTheName(t *testing.T) {
	p, c, err := evaluate(t, strings.Replace(goodConf, `"1.0"`, `"$(echo 1).5"`, 1)+`MAKE="$module/$module_version"`)
	if err != nil || p.Name != "hello" || p.Version != "" || c.Version != "1.5" || c.Make != "hello/1.5" {
		t.Errorf("%+v, %+v, %v", p, c, err)
	}
	p, c, err = evaluate(t, strings.Replace(goodConf, `"1.0"`, `"$(sed -n 's/^obj-m := hello/3/p' Makefile)"`, 1)) // read where its author runs dkms
	if err != nil || p.Version != "" || c.Version != "3.o" {
		t.Errorf("%+v, %+v, %v", p, c, err)
	}
	p, c, err = evaluate(t, strings.Replace(goodConf, `"1.0"`, `"#MODULE_VERSION#"`, 1)+`MAKE="$PACKAGE_VERSION"`)
	if err != nil || p.Version != "0" || c.Make != "0" || c.Version != "0" || len(p.Notes) != 1 {
		t.Errorf("%+v, %+v, %v", p, c, err)
	}
}

// TestEvaluateLeavesNothing: what is needed for a moment is gone after, and the package is as it was.
func TestEvaluateLeavesNothing(t *testing.T) {
	work := t.TempDir()
	p, err := Open(t.Context(), source(t, map[string]string{"dkms.conf": goodConf}), work)
	if err != nil {
		t.Fatal(err)
	}
	before := fmt.Sprintf("%+v", p)
	if _, err := p.Evaluate(t.Context(), fakeTree(t)); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(work)
	if after := fmt.Sprintf("%+v", p); err != nil || len(left) > 0 || after != before {
		t.Errorf("%v left, %v, and the package is %s", left, err, after)
	}
}

func TestPlainIdentity(t *testing.T) {
	for conf, want := range map[string]string{
		goodConf: "hello 1.0",
		"PACKAGE_NAME=a\r\nPACKAGE_VERSION='2'\r\n":                             "a 2",
		"V=3\nN=x\nPACKAGE_NAME=\"${N}y\"\nPACKAGE_VERSION=\"$V.1\"\n":          "xy 3.1",
		"PACKAGE_NAME=a\nPACKAGE_VERSION=$(cat VERSION)\n":                      "a ",
		"PACKAGE_NAME=a\nPACKAGE_VERSION=1\nif x; then PACKAGE_VERSION=2; fi\n": "a ",
		"PACKAGE_NAME=a\nPACKAGE_VERSION=$UNKNOWN\n":                            "a ",
		"PACKAGE_NAME=a\nPACKAGE_VERSION='$kernelver'\n":                        "a ",
		"if then": " ",
		"":        " ",
	} {
		if name, version := PlainIdentity([]byte(conf)); name+" "+version != want {
			t.Errorf("%q: %q %q", conf, name, version)
		}
	}
}

func TestVersionOf(t *testing.T) {
	for dir, want := range map[string]string{"/usr/src/x-1.2": "1.2", "/usr/src/x": "0", "/y-1": "0", "/x-a b": "0"} {
		if got := versionOf(filepath.FromSlash(dir), "x"); got != want {
			t.Errorf("%s: %s", dir, got)
		}
	}
}

func TestParseAnswerBounds(t *testing.T) {
	for want, answer := range map[string]string{
		"it comes to more than 1024 KiB":          "value\x00MAKE\x000\x00" + strings.Repeat("a", maxAnswer) + "\x00end\x00",
		"it ends the shell that reads it":         "value\x00MAKE\x000\x00a\x00",
		"it tampers with the shell that reads it": "value\x00PATH\x000\x00a\x00end\x00",
		"MAKE[a b] has no number":                 "value\x00MAKE\x00a b\x00a\x00end\x00",
	} {
		if _, err := parseAnswer([]byte(answer)); err == nil || err.Error() != want {
			t.Errorf("%v instead of %s", err, want)
		}
	}
}

func FuzzPlainIdentity(f *testing.F) {
	f.Add([]byte(goodConf))
	f.Add([]byte("V=${V:=${V}}\nPACKAGE_NAME=$V$V\n"))
	f.Fuzz(func(t *testing.T, conf []byte) { PlainIdentity(conf) })
}

func FuzzParseAnswer(f *testing.F) {
	f.Add([]byte("value\x00MAKE\x000\x00make\x00match\x00MAKE_MATCH\x000\x00seen\x00BUILD_DIR\x00end\x00"))
	f.Add([]byte("value\x00BUILT_MODULE_NAME\x0099999999999\x00x\x00end\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := parseAnswer(data)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x1b\x00") {
				t.Errorf("%q", err)
			}
			return
		}
		p := &Package{Name: "a", Version: "1"}
		c, faults := readConf(v, facts{release: "6.1"}, p)
		for _, line := range append(faults, c.Notes...) {
			if strings.ContainsAny(line, "\n\x1b\x00") {
				t.Errorf("%q", line)
			}
		}
		c.recipe(0)
	})
}
