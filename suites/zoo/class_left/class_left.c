// SPDX-License-Identifier: GPL-2.0
/* exit does not destroy the device class that init created. */
#include <linux/module.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/version.h>

static int __init zoo_init(void)
{
	struct class *class;

	/* Linux commit 1aaba11da9aa ("driver core: class: remove module * from class_create()"), since v6.4. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	class = class_create("zoo_class");
#else
	class = class_create(THIS_MODULE, "zoo_class");
#endif
	return PTR_ERR_OR_ZERO(class);
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: class_left");
