// SPDX-License-Identifier: GPL-2.0
/* init sleeps with bottom halves disabled, which every kernel detects. */
#include <linux/module.h>
#include <linux/bottom_half.h>
#include <linux/delay.h>

static int __init zoo_init(void)
{
	local_bh_disable();
	msleep(20);
	local_bh_enable();
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: sleep_in_atomic");
