// SPDX-License-Identifier: GPL-2.0
/* init takes two locks in one order and then in the other. Only lockdep detects that. */
#include <linux/module.h>
#include <linux/mutex.h>

static DEFINE_MUTEX(lion);
static DEFINE_MUTEX(lamb);

static int __init zoo_init(void)
{
	mutex_lock(&lion);
	mutex_lock(&lamb);
	mutex_unlock(&lamb);
	mutex_unlock(&lion);

	mutex_lock(&lamb);
	mutex_lock(&lion);
	mutex_unlock(&lion);
	mutex_unlock(&lamb);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: lock_inversion");
