// SPDX-License-Identifier: GPL-2.0
/* init fails and does not undo what it had registered. */
#include <linux/module.h>
#include <linux/fs.h>

static dev_t zoo;

static int __init zoo_init(void)
{
	int ret = alloc_chrdev_region(&zoo, 0, 1, "zoo_late");

	if (ret)
		return ret;
	pr_err("init_fails_late: no device found\n");
	return -ENODEV;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: init_fails_late");
