// SPDX-License-Identifier: GPL-2.0
/* Does not compile. */
#include <linux/module.h>

static int __init zoo_init(void)
{
	return zoo_feed();
}

module_init(zoo_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: build_error");
