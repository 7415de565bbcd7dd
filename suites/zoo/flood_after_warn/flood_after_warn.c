// SPDX-License-Identifier: GPL-2.0
/* init warns, and then fills the console without end. */
#include <linux/module.h>

static int __init zoo_init(void)
{
	WARN_ON(1);
	for (;;)
		pr_info("flood_after_warn: the quick brown fox jumps over the lazy dog and over it again\n");
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: flood_after_warn");
