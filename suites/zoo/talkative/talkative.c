// SPDX-License-Identifier: GPL-2.0
/* Nothing goes wrong: it logs 12 KiB at each load, and in the course of a suite more than the kernel's log holds. */
#include <linux/module.h>

static int __init zoo_init(void)
{
	int i;

	for (i = 0; i < 150; i++)
		pr_info("line %d of what a driver says while it looks around in its hardware\n", i);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: talkative");
