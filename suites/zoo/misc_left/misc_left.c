// SPDX-License-Identifier: GPL-2.0
/* exit does not deregister the misc device that init registered. The memory that the kernel keeps of it stays valid. */
#include <linux/module.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/slab.h>

static int __init zoo_init(void)
{
	struct miscdevice *device = kzalloc(sizeof(*device), GFP_KERNEL);

	if (!device)
		return -ENOMEM;
	device->minor = MISC_DYNAMIC_MINOR;
	device->name = kstrdup("zoo_misc", GFP_KERNEL);
	device->fops = kzalloc(sizeof(struct file_operations), GFP_KERNEL);
	return misc_register(device);
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: misc_left");
