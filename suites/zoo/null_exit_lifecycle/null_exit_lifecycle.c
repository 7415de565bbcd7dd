// SPDX-License-Identifier: GPL-2.0
/* The same as null_exit, under the suite that unloads by itself: the fault happens in its spec. */
#include <linux/module.h>

static int __init zoo_init(void)
{
	return 0;
}

static void __exit zoo_exit(void)
{
	int *nowhere = NULL;

	OPTIMIZER_HIDE_VAR(nowhere);
	pr_info("null_exit_lifecycle: %d\n", READ_ONCE(*nowhere));
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: null_exit_lifecycle");
