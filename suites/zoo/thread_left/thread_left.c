// SPDX-License-Identifier: GPL-2.0
/* exit leaves a kernel thread behind, which runs in the kernel's own code. */
#include <linux/module.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/slab.h>

static int __init zoo_init(void)
{
	struct kthread_worker *worker = kzalloc(sizeof(*worker), GFP_KERNEL);

	if (!worker)
		return -ENOMEM;
	kthread_init_worker(worker);
	return PTR_ERR_OR_ZERO(kthread_run(kthread_worker_fn, worker, "zoo_left"));
}

static void __exit zoo_exit(void)
{
}

module_init(zoo_init);
module_exit(zoo_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("modmatrix zoo: thread_left");
