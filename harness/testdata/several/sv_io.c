// SPDX-License-Identifier: GPL-2.0
#include <linux/init.h>
#include <linux/module.h>

static int __init sv_io_init(void)
{
	return 0;
}

static void __exit sv_io_exit(void)
{
}

module_init(sv_io_init);
module_exit(sv_io_exit);

MODULE_ALIAS("sv-io");
MODULE_DESCRIPTION("is there for sv_main");
MODULE_LICENSE("GPL");
