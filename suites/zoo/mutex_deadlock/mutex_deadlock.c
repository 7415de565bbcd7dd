// SPDX-License-Identifier: GPL-2.0
/* init takes a mutex that it holds already. */
#include <linux/module.h>
#include <linux/mutex.h>

static DEFINE_MUTEX(zoo);

static int __init zoo_init(void)
{
	mutex_lock(&zoo);
	mutex_lock(&zoo);
	mutex_unlock(&zoo);
	mutex_unlock(&zoo);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: mutex_deadlock");
