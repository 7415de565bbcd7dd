// SPDX-License-Identifier: GPL-2.0
/* init divides by zero. */
#include <linux/module.h>

static int __init zoo_init(void)
{
	int none = 0;

	OPTIMIZER_HIDE_VAR(none);
	pr_info("divide_by_zero: %d\n", 1000 / none);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: divide_by_zero");
