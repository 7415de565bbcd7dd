// SPDX-License-Identifier: GPL-2.0
/* init counts in an atomic_t at an odd address, of a packed structure: only a PC does that. */
#include <linux/module.h>
#include <linux/atomic.h>

struct zoo_packed {
	u8 tag;
	atomic_t count;
} __packed;

static struct zoo_packed zoo_packed __aligned(8);

static int __init zoo_init(void)
{
	atomic_t *count = &zoo_packed.count;

	OPTIMIZER_HIDE_VAR(count);
	atomic_inc(count);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: unaligned_atomic");
