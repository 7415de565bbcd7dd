// SPDX-License-Identifier: GPL-2.0
/* Takes long, or for ever, in the way that the parameter says for each place. */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/string.h>

static char *init = "", *exit = "", *open = "", *ioctl = "";
module_param(init, charp, 0444);
module_param(exit, charp, 0444);
module_param(open, charp, 0444);
module_param(ioctl, charp, 0444);

/* For the suite: for how many seconds it calls ioctl, and computes. */
static int calls, computes;
module_param(calls, int, 0444);
module_param(computes, int, 0444);

static DECLARE_COMPLETION(never);
static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);
static DEFINE_SPINLOCK(lock);

static int other_order(void *unused)
{
	mutex_lock(&second);
	msleep(100);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
	return 0;
}

static noinline int stay(const char *how)
{
	unsigned long i, end;

	if (!strcmp(how, "wait"))
		wait_for_completion(&never);
	else if (!strcmp(how, "killable"))
		return wait_for_completion_killable(&never);
	else if (!strcmp(how, "deadlock")) {
		mutex_lock(&first);
		kthread_run(other_order, NULL, "other_order");
		msleep(50);
		mutex_lock(&second);
	} else if (!strcmp(how, "spinlock")) {
		spin_lock(&lock);
		spin_lock(&lock);
	} else if (!strcmp(how, "loop"))
		for (;;)
			cpu_relax();
	else if (!strcmp(how, "polite loop"))
		for (;;)
			cond_resched();
	else if (!strcmp(how, "irqs off")) {
		local_irq_disable();
		for (;;)
			cpu_relax();
	} else if (!strcmp(how, "preempt off")) {
		preempt_disable();
		for (;;)
			cpu_relax();
	} else if (!strcmp(how, "poll"))
		for (;;)
			msleep(20);
	/* The rest comes to an end. */
	else if (!strcmp(how, "sleep 40"))
		msleep(40000);
	else if (!strcmp(how, "timeout 40"))
		wait_for_completion_timeout(&never, 40 * HZ);
	else if (!strcmp(how, "poll 20"))
		for (i = 0; i < 1000; i++)
			msleep(20);
	else if (!strcmp(how, "compute 20"))
		for (end = jiffies + 20 * HZ; time_before(jiffies, end);)
			cond_resched();
	else if (!strcmp(how, "short"))
		msleep(15);
	return 0;
}

static int hangs_open(struct inode *inode, struct file *file)
{
	return stay(open);
}

static long hangs_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return stay(ioctl);
}

static const struct file_operations hangs_fops = {
	.owner = THIS_MODULE,
	.open = hangs_open,
	.unlocked_ioctl = hangs_ioctl,
};

static struct miscdevice hangs_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "hangs",
	.fops = &hangs_fops,
};

static int __init hangs_init(void)
{
	stay(init);
	return misc_register(&hangs_device);
}

static void __exit hangs_exit(void)
{
	misc_deregister(&hangs_device);
	stay(exit);
}

module_init(hangs_init);
module_exit(hangs_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Takes long, or for ever");
