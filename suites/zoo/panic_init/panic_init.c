// SPDX-License-Identifier: GPL-2.0
/* init panics with a message of its own. */
#include <linux/module.h>
#include <linux/kernel.h>

static int __init zoo_init(void)
{
	panic("the zoo is on fire");
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: panic_init");
