package kernels

import "testing"

func TestPackageOf(t *testing.T) {
	for program, want := range map[string]string{
		"xxd": "xxd", "lsb_release": "lsb-release", "ld.lld": "lld", "ld.lld-19": "lld-19", "llvm-nm": "llvm", "llvm-nm-19": "llvm-19", "clang-19": "clang-19",
		"gcc-12": "gcc-12", "/usr/bin/python3": "python3", "python3.11": "python3.11", "hexdump": "bsdextrautils",
	} {
		if pkg, known := PackageOf(program); pkg != want || !known {
			t.Errorf("%s: %s, %v", program, pkg, known)
		}
	}
	if pkg, known := PackageOf("vendor-gen"); pkg != "vendor-gen" || known {
		t.Errorf("vendor-gen: %s, %v", pkg, known)
	}
	for _, name := range append(sameName, "bsdextrautils") {
		if err := CheckPackageNames([]string{name}); err != nil {
			t.Error(err)
		}
	}
}
