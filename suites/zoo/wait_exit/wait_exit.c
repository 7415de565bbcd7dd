// SPDX-License-Identifier: GPL-2.0
/* exit waits for a completion that never comes. */
#include <linux/module.h>
#include <linux/completion.h>

static DECLARE_COMPLETION(zoo);

static int __init zoo_init(void)
{
	return 0;
}

static void __exit zoo_exit(void)
{
	wait_for_completion(&zoo);
	pr_info("wait_exit: it came\n"); /* so that the call above leaves a frame */
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: wait_exit");
