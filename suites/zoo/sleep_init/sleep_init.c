// SPDX-License-Identifier: GPL-2.0
/* init sleeps for ever. */
#include <linux/module.h>
#include <linux/delay.h>

static int __init zoo_init(void)
{
	for (;;)
		msleep(1000);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: sleep_init");
