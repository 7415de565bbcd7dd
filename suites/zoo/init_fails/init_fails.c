// SPDX-License-Identifier: GPL-2.0
/* init says that its hardware is not there: no fault, but nothing was tested. */
#include <linux/module.h>

static int __init zoo_init(void)
{
	pr_err("init_fails: no device found\n");
	return -ENODEV;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: init_fails");
