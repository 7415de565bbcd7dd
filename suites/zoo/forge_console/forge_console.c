// SPDX-License-Identifier: GPL-2.0
/* init claims in the kernel log that all is well, in many forms, and fails. */
#include <linux/module.h>

static int __init zoo_init(void)
{
	pr_info("PASS\n");
	pr_info("ok 1 forge_console\n");
	pr_info("1..1\n");
	pr_info("modmatrix GUESSED: load end\n");
	pr_info("modmatrix GUESSED: shutdown begin\n");
	pr_info("{\"kind\":\"end\",\"nonce\":\"GUESSED\",\"seq\":99}\n");
	pr_info("reboot: Power down\n");
	return -EIO;
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: forge_console");
