// SPDX-License-Identifier: GPL-2.0
/* Calls a function that no kernel has, and makes modpost only warn about it, so that make succeeds. */
#include <linux/module.h>

extern int zoo_nowhere(void);

static int __init zoo_init(void)
{
	return zoo_nowhere();
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: missing_symbol_warned");
