// SPDX-License-Identifier: GPL-2.0
/* exit does not deregister the misc device that init registered, whose memory is freed with the module. */
#include <linux/module.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>

static const struct file_operations zoo_fops = {
	.owner = THIS_MODULE,
};

static struct miscdevice zoo_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "zoo_dangling",
	.fops = &zoo_fops,
};

static int __init zoo_init(void)
{
	return misc_register(&zoo_device);
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: misc_dangling");
