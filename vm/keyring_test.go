package vm_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/modmatrix/modmatrix/vm"
)

// TestQEMUHasNoKeys: the keys of the user's session are out of QEMU's reach. The control is the same program, started by anybody else.
func TestQEMUHasNoKeys(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the numbers are those of amd64")
	}
	key, err := unix.AddKey("user", "modmatrix-test", []byte("secret"), unix.KEY_SPEC_USER_SESSION_KEYRING)
	if err != nil {
		t.Skipf("no key can be made here: %v", err)
	}
	t.Cleanup(func() { unix.KeyctlInt(unix.KEYCTL_UNLINK, key, unix.KEY_SPEC_USER_SESSION_KEYRING, 0, 0) })
	dir := t.TempDir()
	qemu := filepath.Join(dir, "qemu-system-x86_64")
	const search = `my $kind = "user"; my $name = "modmatrix-test"; my $key = syscall(%d, %d, %d, $kind, $name, 0); open F, ">$0.found"; print F $key == -1 ? "none" : "found"`
	script := "#!/usr/bin/perl\n" + fmt.Sprintf(search, unix.SYS_KEYCTL, unix.KEYCTL_SEARCH, unix.KEY_SPEC_SESSION_KEYRING)
	if err := os.WriteFile(qemu, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := exec.Command(qemu).Run(); err != nil {
		t.Fatal(err)
	}
	if said, _ := os.ReadFile(qemu + ".found"); string(said) != "found" {
		t.Skip("the session of this test is not the user's, so there is no key to be kept from anybody")
	}
	os.Remove(qemu + ".found")
	t.Setenv("MODMATRIX_QEMU_USER", "0")
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	_, err = (&vm.Machine{Arch: "x86_64", Kernel: qemu}).Start(t.Context())
	if err == nil {
		t.Fatal("a program that is no QEMU was taken for one")
	}
	if said, _ := os.ReadFile(qemu + ".found"); string(said) != "none" {
		t.Errorf("QEMU's session: %q, %v", said, err)
	}
}
