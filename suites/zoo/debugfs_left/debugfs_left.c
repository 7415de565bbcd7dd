// SPDX-License-Identifier: GPL-2.0
/* exit does not remove the folder in debugfs that init created. */
#include <linux/module.h>
#include <linux/debugfs.h>

static int __init zoo_init(void)
{
	debugfs_create_dir("zoo_debug", NULL);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: debugfs_left");
