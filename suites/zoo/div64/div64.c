// SPDX-License-Identifier: GPL-2.0
/* init divides 64 bits by a variable: gcc calls a function of its own for it where the processor has 32, and the kernel has none. */
#include <linux/module.h>

static int __init zoo_init(void)
{
	u64 bytes = 1ULL << 40;
	u32 rate = 1000;

	OPTIMIZER_HIDE_VAR(bytes);
	OPTIMIZER_HIDE_VAR(rate);
	pr_info("%llu seconds\n", bytes / rate);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: div64");
