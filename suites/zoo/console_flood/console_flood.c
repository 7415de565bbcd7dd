// SPDX-License-Identifier: GPL-2.0
/* init fills the console without end. */
#include <linux/module.h>

static int __init zoo_init(void)
{
	unsigned long n;

	for (n = 0;; n++)
		pr_info("console_flood: %lu the quick brown fox jumps over the lazy dog and over it again\n", n);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: console_flood");
