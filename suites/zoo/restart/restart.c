// SPDX-License-Identifier: GPL-2.0
/* init restarts the machine and logs nothing. */
#include <linux/module.h>
#include <linux/reboot.h>

static int __init zoo_init(void)
{
	emergency_restart();
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: restart");
