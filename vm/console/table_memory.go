package console

var memoryTable = []signature{
	// Sanitizers. KASAN's and KMSAN's title gets the function from the report; KCSAN names both sides of the race.
	{literal: "BUG: KASAN:", pattern: `BUG: KASAN: (double-free or invalid-free|[\w-]+)`, kind: KindKASAN, severity: Fail, title: "KASAN: $1"},
	{literal: "BUG: KFENCE:", pattern: `BUG: KFENCE: (memory corruption|invalid free|invalid \w+|[\w-]+(?: read| write)?)`, kind: KindKFENCE, severity: Fail, title: "KFENCE: $1", flags: direct},
	{literal: "BUG: KMSAN:", pattern: `BUG: KMSAN: ([\w-]+)`, kind: KindKMSAN, severity: Fail, title: "KMSAN: $1", flags: direct},
	{literal: "BUG: KCSAN:", pattern: `BUG: KCSAN: (assert: race|[\w-]+ in .+|[\w-]+)`, kind: KindKCSAN, severity: Warn, title: "KCSAN: $1", flags: direct | whole},
	{literal: "UBSAN:", pattern: `UBSAN: ([A-Za-z][\w -]*?)(?: in |$)`, kind: KindUBSAN, severity: Fail, title: "UBSAN: $1"},

	// Things left behind: kmemleak, caches destroyed with objects in them. Whether a leak is the module's, the frames must say.
	{literal: "BUG: memory leak", kind: KindLeak, severity: Warn, title: "memory leak", flags: direct},
	{literal: "unreferenced object 0x", kind: KindLeak, severity: Warn, title: "memory leak", flags: direct},
	{literal: "new suspected memory leak", pattern: `kmemleak: \d+ new suspected memory leak`, kind: KindLeak, severity: Warn, title: "memory leak (kmemleak)", flags: single | whole},
	{literal: "Objects remaining", pattern: `BUG (\S+) \(.*\): Objects remaining`, kind: KindLeak, severity: Fail, title: "objects remaining in $1"},
	{literal: "still has objects", pattern: `kmem_cache_destroy\(?\)?:? ?(?:cache )?(\S*).*still has objects`, kind: KindLeak, severity: Fail, title: "objects remaining in $1"},
	{literal: "ref_tracker:", pattern: `ref_tracker: .*(?:leaked|has \d+/\d+ users|reference)`, kind: KindLeak, severity: Fail, title: "reference leak (ref_tracker)"},
	{literal: "unregister_netdevice:", pattern: `unregister_netdevice: waiting for (\S+) to become free`, kind: KindLeak, severity: Fail, title: "unregister_netdevice: waiting for DEV to become free", flags: single | whole},

	// The slab allocator.
	{literal: "BUG ", pattern: `BUG (\S+) \((?:Not tainted|Tainted: [^)]*|[^)]*)\): (.+)`, kind: KindSLUB, severity: Fail, title: "BUG $1: $2"},
	{literal: "BUG kmalloc-", kind: KindSLUB, severity: Fail, title: "BUG kmalloc"},
	// Its lines inside of a report, which lost their "INFO: " in v5.13 (Linux mm/slub.c, print_track, print_slab_info, print_trailer).
	{literal: " age=", pattern: `\bAllocated in .+ age=\d+ cpu=\d+ pid=`, kind: KindSLUB, severity: Fail, title: "slab corruption, object allocated", flags: tail},
	{literal: " age=", pattern: `\bFreed in .+ age=\d+ cpu=\d+ pid=`, kind: KindSLUB, severity: Fail, title: "slab corruption, object freed", flags: tail},
	{literal: " objects=", pattern: `\bSlab 0x[0-9a-f]+ objects=`, kind: KindSLUB, severity: Fail, title: "slab corruption", flags: tail},
	{literal: " @offset=", pattern: `\bObject 0x[0-9a-f]+ @offset=`, kind: KindSLUB, severity: Fail, title: "slab corruption", flags: tail},
	{literal: "slab error in", pattern: `slab error in (\w+)`, kind: KindSLUB, severity: Fail, title: "slab error in $1"},

	// Pages and page tables.
	{literal: "BUG: Bad page", pattern: `BUG: (Bad page \w+)`, kind: KindBadPage, severity: Fail, title: "BUG: $1"},
	{literal: "Bad rss-counter", pattern: `BUG: Bad rss-counter`, kind: KindBadPage, severity: Fail, title: "BUG: Bad rss-counter state", flags: single | whole},
	{literal: "BUG: non-zero", pattern: `BUG: non-zero (\S+) on freeing mm`, kind: KindBadPage, severity: Fail, title: "BUG: non-zero $1 on freeing mm", flags: single | whole},

	// Hardening.
	{literal: "detected buffer", pattern: `detected buffer (overflow|overread|over-?\w+)`, kind: KindFortify, severity: Fail, title: "detected buffer $1"},
	{literal: "missing usercopy whitelist", kind: KindUsercopy, severity: Fail, title: "bad usercopy"},
	{literal: "Kernel memory ", pattern: `Kernel memory (exposure|overwrite) attempt`, kind: KindUsercopy, severity: Fail, title: "bad usercopy ($1)"},
	{literal: "kernel memory ", pattern: `kernel memory (exposure|overwrite) attempt`, kind: KindUsercopy, severity: Fail, title: "bad usercopy ($1)"},
	{literal: "bad usercopy", kind: KindUsercopy, severity: Fail, title: "bad usercopy"},
	{literal: "ODEBUG:", pattern: `\bODEBUG: (free|init|activate|deactivate|destroy|assert_init)`, kind: KindODEBUG, severity: Fail, title: "ODEBUG: $1 bug"},
	{literal: "ist_add ", pattern: `\bh?list_add (?:corruption|double add|attempted)`, kind: KindList, severity: Fail, title: "list_add corruption"},
	{literal: "ist_del ", pattern: `\bh?list_del corruption`, kind: KindList, severity: Fail, title: "list_del corruption"},
	// The check itself, where its words are lost (Linux include/linux/bug.h, CHECK_DATA_CORRUPTION; mm/usercopy.c, usercopy_abort).
	{literal: "ernel BUG at", pattern: `ernel BUG at \S*lib/list_debug\.c`, kind: KindList, severity: Fail, title: "list corruption"},
	{literal: "ernel BUG at", pattern: `ernel BUG at \S*mm/usercopy\.c`, kind: KindUsercopy, severity: Fail, title: "bad usercopy"},

	// Stacks.
	{literal: "stack guard page was hit", kind: KindStack, severity: Fail, title: "stack guard page was hit"},
	{literal: "ernel stack overflow", pattern: `Kernel panic - not syncing: [Kk]ernel stack overflow|\bOops: Kernel stack overflow|Internal error: kernel stack overflow`, kind: KindStack, severity: Fail, title: "kernel stack overflow", flags: tail},
	{literal: "ernel stack overflow", pattern: `[Kk]ernel stack overflow`, kind: KindStack, severity: Fail, title: "kernel stack overflow"},
	{literal: "corrupted stack end", kind: KindStack, severity: Fail, title: "corrupted stack end"},
	{literal: "stack-protector:", kind: KindStack, severity: Fail, title: "stack-protector: kernel stack is corrupted"},
	{literal: "Insufficient stack space", kind: KindStack, severity: Fail, title: "insufficient stack space to handle exception"},
	{literal: "ernel stack pointer", pattern: `Kernel panic - not syncing: Invalid kernel stack pointer|\bOops: Bad kernel stack pointer`, kind: KindStack, severity: Fail, title: "bad kernel stack pointer", flags: tail},
	{literal: "ernel stack pointer", pattern: `Kernel stack pointer invalid|Bad kernel stack pointer`, kind: KindStack, severity: Fail, title: "bad kernel stack pointer"},
	{literal: "overran stack", kind: KindStack, severity: Fail, title: "thread overran stack"},

	{literal: "rying to vfree", pattern: `[Tt]rying to vfree`, kind: KindWarn, severity: Fail, title: "trying to vfree"},
	{literal: "rying to free already-free", pattern: `[Tt]rying to free already-free`, kind: KindWarn, severity: Fail, title: "trying to free already-free IRQ"},
	{literal: "Busy inodes after unmount", kind: KindBug, severity: Fail, title: "VFS: busy inodes after unmount"},
	{literal: "VFS: Close: file count", kind: KindBug, severity: Fail, title: "VFS: Close: file count is zero"},
}
