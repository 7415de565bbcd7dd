// SPDX-License-Identifier: GPL-2.0
/*
 * fifo - a bounded first-in first-out buffer behind /dev/fifo
 *
 * A write is a record: it goes in whole or not at all, so records of several
 * writers never mix. Without room for it, a write waits, or fails with EAGAIN
 * on a descriptor opened with O_NONBLOCK. A record longer than the whole
 * buffer can never go in and fails with EMSGSIZE.
 *
 * A read takes out what is there, as far as it fits; it does not keep the
 * bounds of records. On an empty buffer it waits, or fails with EAGAIN.
 *
 * With overwrite=1 a write never waits: it drops the oldest bytes instead,
 * and /sys/class/misc/fifo/dropped counts them.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/device.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kfifo.h>
#include <linux/log2.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/wait.h>

#define FIFO_MIN_CAPACITY	16
#define FIFO_MAX_CAPACITY	SZ_64K

static unsigned int capacity = SZ_4K;
module_param(capacity, uint, 0444);
MODULE_PARM_DESC(capacity, "bytes it holds, a power of two from 16 to 65536 (default 4096)");

static bool overwrite;
module_param(overwrite, bool, 0444);
MODULE_PARM_DESC(overwrite, "drop the oldest bytes rather than wait for room (default false)");

/* The lock covers the buffer and the count of dropped bytes. */
static DEFINE_MUTEX(fifo_lock);
static DECLARE_KFIFO_PTR(fifo_buffer, u8);
static u64 fifo_dropped;

static DECLARE_WAIT_QUEUE_HEAD(fifo_readable);
static DECLARE_WAIT_QUEUE_HEAD(fifo_writable);

/* Takes the lock once there is something to read; on error the lock is not held. */
static int fifo_lock_readable(struct file *file)
{
	for (;;) {
		if (mutex_lock_interruptible(&fifo_lock))
			return -ERESTARTSYS;
		if (!kfifo_is_empty(&fifo_buffer))
			return 0;
		mutex_unlock(&fifo_lock);

		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_interruptible(fifo_readable, !kfifo_is_empty(&fifo_buffer)))
			return -ERESTARTSYS;
	}
}

/* Takes the lock once a record of len bytes fits; on error the lock is not held. */
static int fifo_lock_writable(struct file *file, size_t len)
{
	for (;;) {
		if (mutex_lock_interruptible(&fifo_lock))
			return -ERESTARTSYS;
		if (overwrite || kfifo_avail(&fifo_buffer) >= len)
			return 0;
		mutex_unlock(&fifo_lock);

		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_interruptible(fifo_writable, kfifo_avail(&fifo_buffer) >= len))
			return -ERESTARTSYS;
	}
}

static ssize_t fifo_read(struct file *file, char __user *to, size_t len, loff_t *pos)
{
	unsigned int copied;
	int ret;

	if (!len)
		return 0;

	ret = fifo_lock_readable(file);
	if (ret)
		return ret;
	ret = kfifo_to_user(&fifo_buffer, to, len, &copied);
	mutex_unlock(&fifo_lock);

	if (!copied)
		return ret;
	wake_up_interruptible(&fifo_writable);
	return copied;
}

static ssize_t fifo_write(struct file *file, const char __user *from, size_t len, loff_t *pos)
{
	u8 *record;
	int ret;

	if (!len)
		return 0;
	if (len > kfifo_size(&fifo_buffer))
		return -EMSGSIZE;

	/* Copied before the lock is taken: a fault half way must not leave half a record. */
	record = vmemdup_user(from, len);
	if (IS_ERR(record))
		return PTR_ERR(record);

	ret = fifo_lock_writable(file, len);
	if (ret)
		goto out_free;
	while (kfifo_avail(&fifo_buffer) < len) {
		kfifo_skip(&fifo_buffer);
		fifo_dropped++;
	}
	kfifo_in(&fifo_buffer, record, len);
	mutex_unlock(&fifo_lock);
	wake_up_interruptible(&fifo_readable);

out_free:
	kvfree(record);
	return ret ? ret : len;
}

static __poll_t fifo_poll(struct file *file, poll_table *wait)
{
	__poll_t mask = 0;

	poll_wait(file, &fifo_readable, wait);
	poll_wait(file, &fifo_writable, wait);

	mutex_lock(&fifo_lock);
	if (!kfifo_is_empty(&fifo_buffer))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (overwrite || !kfifo_is_full(&fifo_buffer))
		mask |= EPOLLOUT | EPOLLWRNORM;
	mutex_unlock(&fifo_lock);
	return mask;
}

static const struct file_operations fifo_fops = {
	.owner	= THIS_MODULE,
	.open	= stream_open,
	.read	= fifo_read,
	.write	= fifo_write,
	.poll	= fifo_poll,
};

static ssize_t fill_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	unsigned int fill;

	mutex_lock(&fifo_lock);
	fill = kfifo_len(&fifo_buffer);
	mutex_unlock(&fifo_lock);
	return sysfs_emit(buf, "%u\n", fill);
}
static DEVICE_ATTR_RO(fill);

static ssize_t dropped_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	u64 dropped;

	mutex_lock(&fifo_lock);
	dropped = fifo_dropped;
	mutex_unlock(&fifo_lock);
	return sysfs_emit(buf, "%llu\n", dropped);
}
static DEVICE_ATTR_RO(dropped);

static ssize_t drain_store(struct device *dev, struct device_attribute *attr,
			   const char *buf, size_t count)
{
	bool drain;
	int ret;

	ret = kstrtobool(buf, &drain);
	if (ret)
		return ret;
	if (!drain)
		return count;

	mutex_lock(&fifo_lock);
	kfifo_reset(&fifo_buffer);
	mutex_unlock(&fifo_lock);
	wake_up_interruptible(&fifo_writable);
	return count;
}
static DEVICE_ATTR_WO(drain);

static struct attribute *fifo_attrs[] = {
	&dev_attr_fill.attr,
	&dev_attr_dropped.attr,
	&dev_attr_drain.attr,
	NULL,
};
ATTRIBUTE_GROUPS(fifo);

static struct miscdevice fifo_device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "fifo",
	.fops	= &fifo_fops,
	.groups	= fifo_groups,
};

static int __init fifo_init(void)
{
	int ret;

	if (capacity < FIFO_MIN_CAPACITY || capacity > FIFO_MAX_CAPACITY ||
	    !is_power_of_2(capacity)) {
		pr_err("capacity must be a power of two from %d to %d, not %u\n",
		       FIFO_MIN_CAPACITY, FIFO_MAX_CAPACITY, capacity);
		return -EINVAL;
	}

	ret = kfifo_alloc(&fifo_buffer, capacity, GFP_KERNEL);
	if (ret)
		return ret;
	ret = misc_register(&fifo_device);
	if (ret)
		kfifo_free(&fifo_buffer);
	return ret;
}

static void __exit fifo_exit(void)
{
	misc_deregister(&fifo_device);
	kfifo_free(&fifo_buffer);
}

module_init(fifo_init);
module_exit(fifo_exit);

MODULE_AUTHOR("The modmatrix authors");
MODULE_DESCRIPTION("Bounded first-in first-out buffer: the example driver of modmatrix");
MODULE_VERSION("1.0");
MODULE_LICENSE("GPL");
