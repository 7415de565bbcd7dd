// SPDX-License-Identifier: GPL-2.0
/* init deletes the same list element twice. */
#include <linux/module.h>
#include <linux/list.h>

static LIST_HEAD(zoo);
static struct list_head one;

static int __init zoo_init(void)
{
	list_add(&one, &zoo);
	list_del(&one);
	list_del(&one);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: list_corruption");
