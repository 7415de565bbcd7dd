// SPDX-License-Identifier: GPL-2.0
/* init copies a string that is longer than the array it goes to. */
#include <linux/module.h>
#include <linux/string.h>

static char zoo[8];

static int __init zoo_init(void)
{
	const char *word = "much longer than eight bytes";

	OPTIMIZER_HIDE_VAR(word);
	strcpy(zoo, word);
	pr_info("fortify: %s\n", zoo);
	return 0;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: fortify");
