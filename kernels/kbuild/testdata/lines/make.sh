#!/bin/sh
# Compiles a.c for every architecture, with DWARF 4 and 5: TestLinesOfArchs reads the objects that this leaves here. It needs
# Debian's gcc-12-aarch64-linux-gnu, gcc-12-arm-linux-gnueabihf and so on. What no line is found by is left out.
set -e
cd "$(dirname "$0")"
compile() { # OBJECT MACHINE FLAGS...
	object=$1 machine=$2
	shift 2
	"$machine-gcc-12" -g -O1 -fno-pie -fno-var-tracking "-ffile-prefix-map=$PWD=/build/sub" "$@" -c -o "$object" "$PWD/a.c"
	"$machine-objcopy" -R .debug_frame -R .debug_aranges -R .eh_frame -R .note.GNU-stack -R .comment "$object"
}
for dwarf in 4 5; do
	compile arm64.dwarf$dwarf.o aarch64-linux-gnu -gdwarf-$dwarf
	compile arm.dwarf$dwarf.o arm-linux-gnueabihf -gdwarf-$dwarf -marm
	compile i386.dwarf$dwarf.o i686-linux-gnu -gdwarf-$dwarf
	compile ppc64le.dwarf$dwarf.o powerpc64le-linux-gnu -gdwarf-$dwarf
	compile riscv64.dwarf$dwarf.o riscv64-linux-gnu -gdwarf-$dwarf
	compile s390x.dwarf$dwarf.o s390x-linux-gnu -gdwarf-$dwarf
done
# A Thumb function's address is odd in the symbol table, and a kernel may be configured to pack its debug information.
compile thumb.o arm-linux-gnueabihf -mthumb
compile riscv64.packed.o riscv64-linux-gnu -gz=zlib
