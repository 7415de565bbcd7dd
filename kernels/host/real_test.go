package host

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/debian"
	"github.com/modmatrix/modmatrix/kernels/kbuild"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// installedEnv names the release that is installed, in the child of TestRealInstalledKernel.
const installedEnv = "MODMATRIX_TEST_INSTALLED"

// installScript lays a kernel's packages over the host in a mount namespace of its own: to all that runs in there it is installed.
const installScript = `set -e
tree=$1 work=$2; shift 2
mount -t tmpfs tmpfs "$work"
for d in usr/lib usr/src boot; do
	mkdir -p "$work/$d/upper" "$work/$d/work" "/$d"
	mount -t overlay overlay -o "lowerdir=$tree/$d:/$d,upperdir=$work/$d/upper,workdir=$work/$d/work" "/$d"
done
exec "$@"`

// TestRealInstalledKernel builds against a kernel that is installed here, as far as anybody can see.
func TestRealInstalledKernel(t *testing.T) {
	if os.Getenv("MODMATRIX_REAL") == "" {
		t.Skip("MODMATRIX_REAL is not set: it takes a kernel")
	}
	if release := os.Getenv(installedEnv); release != "" {
		builds(t, release)
		return
	}
	st, err := store.Open("")
	if err != nil {
		t.Fatal(err)
	}
	src := debian.New(st, debian.Config{})
	res, err := src.Resolve(t.Context(), kernels.Selector{Source: "debian", Name: "bookworm"})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := src.Fetch(t.Context(), res.Targets[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "unshare", "--map-root-user", "--mount", "sh", "-c", installScript, "sh", tree.Dir, t.TempDir(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), installedEnv+"="+tree.Target.Release)
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join("/boot/vmlinuz-" + tree.Target.Release)); err == nil {
		t.Error("the host has the kernel now")
	}
}

func builds(t *testing.T, release string) {
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := New(st, Config{Release: release})
	res, err := s.Resolve(t.Context(), kernels.Selector{Source: "host"})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := s.Fetch(t.Context(), res.Targets[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	if tree.Target.Release != release || tree.Target.Flavour != "amd64" || tree.Root.Dir != "" || tree.Modules != "/lib/modules/"+release {
		t.Errorf("%+v", tree)
	}
	if paths, err := tree.Closure("virtio_blk"); err != nil || len(paths) == 0 {
		t.Error(paths, err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"Kbuild": "obj-m := hello.o\n", "hello.c": "#include <linux/module.h>\nMODULE_LICENSE(\"GPL\");\n"} {
		write(t, filepath.Join(dir, name), text)
	}
	var log bytes.Buffer
	a, err := kbuild.Build(t.Context(), kbuild.Request{Tree: tree, Source: kbuild.Source{Top: dir}, Dir: t.TempDir(), Log: &log})
	if err != nil || len(a.Modules) != 1 || a.Modules[0].Release() != release {
		t.Errorf("%v\n%s", err, log.String())
	}
}
