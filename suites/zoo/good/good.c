// SPDX-License-Identifier: GPL-2.0
/* A correct module: a device, a parameter that can be read, and an exit that undoes what init did. */
#include <linux/module.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>

static int answer = 42;
module_param(answer, int, 0444);
MODULE_PARM_DESC(answer, "what a read gives");

static ssize_t zoo_read(struct file *file, char __user *to, size_t len, loff_t *at)
{
	char text[16];
	int n = scnprintf(text, sizeof(text), "%d\n", answer);

	return simple_read_from_buffer(to, len, at, text, n);
}

static const struct file_operations zoo_fops = {
	.owner = THIS_MODULE,
	.read = zoo_read,
};

static struct miscdevice zoo_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "zoo_good",
	.fops = &zoo_fops,
};

module_misc_device(zoo_device);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: good");
