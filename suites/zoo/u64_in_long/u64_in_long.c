// SPDX-License-Identifier: GPL-2.0
/* init keeps 64 bits in an unsigned long, which has 32 on some processors. */
#include <linux/module.h>

static int __init zoo_init(void)
{
	u64 address = 0x123456789ULL;
	unsigned long kept;

	OPTIMIZER_HIDE_VAR(address);
	kept = address;
	WARN_ON(kept != address);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: u64_in_long");
