// SPDX-License-Identifier: GPL-2.0
/* init takes a reference on its own module, so that it cannot be unloaded. */
#include <linux/module.h>

static int __init zoo_init(void)
{
	__module_get(THIS_MODULE);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: module_in_use");
