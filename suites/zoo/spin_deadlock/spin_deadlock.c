// SPDX-License-Identifier: GPL-2.0
/* init takes a spinlock that it holds already. */
#include <linux/module.h>
#include <linux/spinlock.h>

static DEFINE_SPINLOCK(zoo);

static int __init zoo_init(void)
{
	spin_lock(&zoo);
	spin_lock(&zoo);
	spin_unlock(&zoo);
	spin_unlock(&zoo);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: spin_deadlock");
