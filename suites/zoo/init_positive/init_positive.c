// SPDX-License-Identifier: GPL-2.0
/* init returns a positive number, which is neither success nor an error. */
#include <linux/module.h>

static int __init zoo_init(void)
{
	return 5;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: init_positive");
