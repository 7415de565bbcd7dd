// SPDX-License-Identifier: GPL-2.0
/*
 * A driver for the keyboard that QEMU emulates (QEMU hw/usb/dev-hid.c): it waits for keys that never come, and has a
 * device node as long as the keyboard is there. What it does wrong when it is pulled shows at once, or when the next one
 * is plugged in.
 */
#include <linux/kref.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/usb.h>

struct usbkey {
	struct kref refs; /* the device, and each open file */
	struct miscdevice misc;
	struct urb *urb;
	u8 *report;
};

static void usbkey_free(struct kref *refs)
{
	struct usbkey *key = container_of(refs, struct usbkey, refs);

	usb_free_urb(key->urb);
	kfree(key->report);
	kfree(key);
}

static int usbkey_open(struct inode *inode, struct file *file)
{
	struct usbkey *key = container_of(file->private_data, struct usbkey, misc);

	kref_get(&key->refs);
	return 0;
}

static int usbkey_release(struct inode *inode, struct file *file)
{
	struct usbkey *key = container_of(file->private_data, struct usbkey, misc);

	kref_put(&key->refs, usbkey_free);
	return 0;
}

static const struct file_operations usbkey_fops = {
	.owner = THIS_MODULE,
	.open = usbkey_open,
	.release = usbkey_release,
};

static void usbkey_pressed(struct urb *urb)
{
	if (!urb->status)
		usb_submit_urb(urb, GFP_ATOMIC);
}

static int usbkey_probe(struct usb_interface *intf, const struct usb_device_id *id)
{
	struct usb_device *udev = interface_to_usbdev(intf);
	struct usb_endpoint_descriptor *in;
	struct usbkey *key;
	int err;

	err = usb_find_int_in_endpoint(intf->cur_altsetting, &in);
	if (err)
		return err;
	key = kzalloc(sizeof(*key), GFP_KERNEL);
	if (!key)
		return -ENOMEM;
	kref_init(&key->refs);
	err = -ENOMEM;
	key->urb = usb_alloc_urb(0, GFP_KERNEL);
	key->report = kmalloc(usb_endpoint_maxp(in), GFP_KERNEL);
	if (!key->urb || !key->report)
		goto free;
	usb_fill_int_urb(key->urb, udev, usb_rcvintpipe(udev, in->bEndpointAddress), key->report, usb_endpoint_maxp(in),
			 usbkey_pressed, key, in->bInterval);
	err = usb_submit_urb(key->urb, GFP_KERNEL);
	if (err)
		goto free;
	key->misc.minor = MISC_DYNAMIC_MINOR;
	key->misc.name = "usbkey";
	key->misc.fops = &usbkey_fops;
	key->misc.parent = &intf->dev;
	err = misc_register(&key->misc);
	if (err)
		goto kill;
	usb_set_intfdata(intf, key);
	dev_info(&intf->dev, "keyboard is here\n");
	return 0;
kill:
	usb_kill_urb(key->urb);
free:
	kref_put(&key->refs, usbkey_free);
	return err;
}

static void usbkey_disconnect(struct usb_interface *intf)
{
	struct usbkey *key = usb_get_intfdata(intf);

	misc_deregister(&key->misc);
	usb_kill_urb(key->urb);
	kref_put(&key->refs, usbkey_free);
	dev_info(&intf->dev, "keyboard is gone\n");
}

static const struct usb_device_id usbkey_ids[] = {
	{ USB_DEVICE(0x0627, 0x0001) },
	{}
};
MODULE_DEVICE_TABLE(usb, usbkey_ids);

static struct usb_driver usbkey_driver = {
	.name = "usbkey",
	.id_table = usbkey_ids,
	.probe = usbkey_probe,
	.disconnect = usbkey_disconnect,
};
module_usb_driver(usbkey_driver);

MODULE_DESCRIPTION("Driver of the keyboard that QEMU emulates");
MODULE_LICENSE("GPL");
