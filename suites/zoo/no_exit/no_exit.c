// SPDX-License-Identifier: GPL-2.0
/* There is no exit, so the module cannot be unloaded. */
#include <linux/module.h>

static int __init zoo_init(void)
{
	return 0;
}

module_init(zoo_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: no_exit");
