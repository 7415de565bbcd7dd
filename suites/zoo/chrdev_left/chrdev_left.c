// SPDX-License-Identifier: GPL-2.0
/* exit does not release the device number that init registered. */
#include <linux/module.h>
#include <linux/fs.h>

static dev_t zoo;

static int __init zoo_init(void)
{
	return alloc_chrdev_region(&zoo, 0, 1, "zoo_number");
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: chrdev_left");
