// SPDX-License-Identifier: GPL-2.0
/* Uses a symbol that only GPL modules may use, under another licence. */
#include <linux/module.h>
#include <linux/kobject.h>

static struct kobject *zoo;

static int __init zoo_init(void)
{
	zoo = kobject_create_and_add("zoo_licence", kernel_kobj);
	return zoo ? 0 : -ENOMEM;
}

static void __exit zoo_exit(void)
{
	kobject_put(zoo);
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("Proprietary");
MODULE_DESCRIPTION("modmatrix zoo: wrong_licence");
