// SPDX-License-Identifier: GPL-2.0
/* init powers the machine off. */
#include <linux/module.h>
#include <linux/reboot.h>

static int __init zoo_init(void)
{
	kernel_power_off();
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: power_off");
