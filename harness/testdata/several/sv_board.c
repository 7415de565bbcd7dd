// SPDX-License-Identifier: GPL-2.0
#include <linux/init.h>
#include <linux/module.h>

static int __init sv_board_init(void)
{
	pr_info("no such board\n");
	return -ENODEV;
}

static void __exit sv_board_exit(void)
{
}

module_init(sv_board_init);
module_exit(sv_board_exit);

MODULE_DESCRIPTION("is for a board that no guest has");
MODULE_LICENSE("GPL");
