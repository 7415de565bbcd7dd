// SPDX-License-Identifier: GPL-2.0
/* init creates the same file in sysfs twice, and ignores the error. */
#include <linux/module.h>
#include <linux/kobject.h>
#include <linux/sysfs.h>

static struct kobject *zoo;

static ssize_t name_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return scnprintf(buf, PAGE_SIZE, "zebra\n");
}

static struct kobj_attribute zoo_name = __ATTR_RO(name);

static int __init zoo_init(void)
{
	int ret;

	zoo = kobject_create_and_add("zoo_duplicate", kernel_kobj);
	if (!zoo)
		return -ENOMEM;
	ret = sysfs_create_file(zoo, &zoo_name.attr);
	if (!ret)
		ret = sysfs_create_file(zoo, &zoo_name.attr);
	pr_info("sysfs_duplicate: %d\n", ret);
	return 0;
}

static void __exit zoo_exit(void)
{
	kobject_put(zoo);
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: sysfs_duplicate");
