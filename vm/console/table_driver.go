package console

// driverTable holds reference counts and the driver core's complaints about names, interrupts and DMA.
var driverTable = []signature{
	{literal: "refcount_t:", pattern: `refcount_t: ([a-z -]+[a-z])`, kind: KindRefcount, severity: Fail, title: "refcount_t: $1"},
	{literal: "create duplicate filename", pattern: `sysfs: cannot create duplicate filename`, kind: KindDriverCore, severity: Warn, title: "sysfs: cannot create duplicate filename"},
	{literal: "kobject_add_internal failed", kind: KindDriverCore, severity: Warn, title: "kobject_add_internal failed", flags: tail},
	{literal: "does not have a release() function", kind: KindDriverCore, severity: Warn, title: "device or kobject has no release() function"},
	{literal: "proc_dir_entry ", pattern: `proc_dir_entry .* already registered`, kind: KindDriverCore, severity: Warn, title: "proc_dir_entry already registered"},
	{literal: "remove_proc_entry: ", pattern: `remove_proc_entry: removing non-empty`, kind: KindDriverCore, severity: Warn, title: "remove_proc_entry: removing non-empty directory"},
	{literal: "DMA-API: ", pattern: `DMA-API: (?:\S+ \S+: )?(?:device driver|mapping|cacheline|exceeded)`, kind: KindDriverCore, severity: Warn, title: "DMA-API misuse"},
	{literal: "nobody cared", pattern: `\birq \d+: nobody cared`, kind: KindDriverCore, severity: Warn, title: "irq: nobody cared"},
	{literal: "genirq: Flags mismatch", kind: KindDriverCore, severity: Warn, title: "genirq: flags mismatch"},
	{literal: "debugfs: ", pattern: `debugfs: .*(?:already present|already exists)`, kind: KindDriverCore, severity: Note, title: "debugfs: name already exists", flags: single | whole},
	{literal: "page allocation failure", pattern: `\bpage allocation failure: order`, kind: KindAlloc, severity: Note, title: "page allocation failure"},
}

// moduleTable holds the module loader's words (Linux kernel/module/*.c). The errno of finit_module decides; these are
// the reasons for it, so they are notes, but for the two that come without an errno.
var moduleTable = []signature{
	{literal: "init suspiciously returned", pattern: `'?([\w-]+)(?:'->|: )init suspiciously returned`, kind: KindModuleLoad, severity: Warn, title: "$1: init returned a positive number", flags: whole},
	{literal: "unknown parameter '", pattern: `(\S+): unknown parameter '([^']+)' ignored`, kind: KindModuleLoad, severity: Warn, title: "$1: unknown parameter $2 ignored", flags: single | whole},
	{literal: "Unknown symbol ", pattern: `(\S+): Unknown symbol (\S+)`, kind: KindModuleLoad, severity: Note, title: "$1: unknown symbol $2", flags: single | whole},
	{literal: "disagrees about version of symbol", pattern: `(\S+): disagrees about version of symbol (\S+)`, kind: KindModuleLoad, severity: Note, title: "$1: disagrees about version of symbol $2", flags: single | whole},
	{literal: "no symbol version for", pattern: `(\S+): no symbol version for (\S+)`, kind: KindModuleLoad, severity: Note, title: "$1: no symbol version for $2", flags: single | whole},
	{literal: "uses symbol ", pattern: `(\S+) uses symbol (\S+) from namespace`, kind: KindModuleLoad, severity: Note, title: "$1 uses a symbol of a namespace it does not import", flags: single | whole},
	{literal: "exports duplicate symbol", pattern: `(\S+): exports duplicate symbol (\S+)`, kind: KindModuleLoad, severity: Note, title: "$1: exports duplicate symbol $2", flags: single | whole},
	{literal: "version magic '", pattern: `(\S+): version magic '`, kind: KindModuleLoad, severity: Note, title: "$1: wrong version magic", flags: single | whole},
	{literal: "this_module section size must", pattern: `(\S+): \.gnu\.linkonce\.this_module`, kind: KindModuleLoad, severity: Note, title: "$1: section size of this_module differs", flags: single | whole},
	{literal: "ELF header", pattern: `Invalid (?:ELF header|architecture in ELF header)`, kind: KindModuleLoad, severity: Note, title: "invalid ELF header", flags: single | whole},
	{literal: "Unknown rela relocation", kind: KindModuleLoad, severity: Note, title: "unknown relocation", flags: single | whole},
	{literal: "overflow in relocation type", kind: KindModuleLoad, severity: Note, title: "overflow in relocation", flags: single | whole},
	// What each architecture says of relocations (Linux arch/*/kernel/module.c).
	{literal: " relocation", pattern: `^(?:module )?([\w-]+): (?:[Uu]nknown(?: ADD)?|unsupported RELA) relocation(?: type)?:? \d+`, kind: KindModuleLoad, severity: Note, title: "$1: unknown relocation", flags: single | whole},
	{literal: "relocation error for symbol", pattern: `^module ([\w-]+): relocation error for symbol`, kind: KindModuleLoad, severity: Note, title: "$1: relocation error", flags: single | whole},
	{literal: " out of range", pattern: `^([\w-]+): (?:REL(?:24|32|34) -?\d+|value -?[0-9a-f]+|section \d+ reloc \d+ sym '.*': relocation \d+) out of range`, kind: KindModuleLoad, severity: Note, title: "$1: relocation out of range", flags: single | whole},
	{literal: "can not be addressed by the", pattern: `^([\w-]+): target [0-9a-f]+ can not be addressed`, kind: KindModuleLoad, severity: Note, title: "$1: relocation out of range", flags: single | whole},
	{literal: "unsupported interworking call", pattern: `^([\w-]+): section \d+ reloc \d+ sym '.*': unsupported interworking`, kind: KindModuleLoad, severity: Note, title: "$1: call between ARM and Thumb code", flags: single | whole},
	{literal: "failed to validate module [", pattern: `failed to validate module \[(\S+)\] BTF`, kind: KindModuleLoad, severity: Note, title: "$1: BTF does not fit the kernel", flags: single | whole},
	{literal: "is rejected", pattern: `Loading of (?:unsigned )?module.* is rejected`, kind: KindModuleLoad, severity: Note, title: "module signature rejected", flags: single | whole},
	{literal: "unsigned module loading is restricted", kind: KindModuleLoad, severity: Note, title: "lockdown: unsigned module loading is restricted", flags: single | whole},
	{literal: " is blacklisted", pattern: `Module \S+ is blacklisted`, kind: KindModuleLoad, severity: Note, title: "module is blacklisted", flags: single | whole},
	{literal: "gave up waiting for init of module", pattern: `(\S+): gave up waiting for init of module (\S+)`, kind: KindModuleLoad, severity: Note, title: "$1: gave up waiting for init of $2", flags: single | whole},
}
