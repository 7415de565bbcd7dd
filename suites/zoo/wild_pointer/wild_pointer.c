// SPDX-License-Identifier: GPL-2.0
/* init writes through a poisoned pointer, which on a PC of 64 bits is not canonical: a general protection fault. */
#include <linux/module.h>

static int __init zoo_init(void)
{
	int *wild = (int *)(unsigned long)0x6b6b6b6b6b6b6b6bULL;

	OPTIMIZER_HIDE_VAR(wild);
	WRITE_ONCE(*wild, 1);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: wild_pointer");
