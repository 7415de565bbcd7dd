// SPDX-License-Identifier: GPL-2.0
/* init warns, and goes on. */
#include <linux/module.h>

static int __init zoo_init(void)
{
	WARN_ON(1);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: warn_init");
