// SPDX-License-Identifier: GPL-2.0
/*
 * A driver for QEMU's educational device (QEMU docs/specs/edu.rst). It reports what the device says of itself, and lets it
 * invert a word, so that its console shows whether a device was there, and answered.
 */
#include <linux/io.h>
#include <linux/module.h>
#include <linux/pci.h>

#define EDU_IDENT 0x00 /* 0xRRrr00ed: major and minor version */
#define EDU_LIVENESS 0x04 /* reads back inverted */

static int edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	void __iomem *regs;
	u32 ident, live;
	int err;

	err = pcim_enable_device(pdev);
	if (err)
		return err;
	regs = pcim_iomap(pdev, 0, 0);
	if (!regs)
		return -ENOMEM;
	ident = ioread32(regs + EDU_IDENT);
	iowrite32(0x0000ffff, regs + EDU_LIVENESS);
	live = ioread32(regs + EDU_LIVENESS);
	if ((ident & 0xff) != 0xed || live != 0xffff0000)
		return dev_err_probe(&pdev->dev, -EIO, "says %#x and %#x\n", ident, live);
	dev_info(&pdev->dev, "edu version %u.%u, alive\n", ident >> 24, (ident >> 16) & 0xff);
	return 0;
}

static void edu_remove(struct pci_dev *pdev)
{
	dev_info(&pdev->dev, "edu removed\n");
}

static const struct pci_device_id edu_ids[] = {
	{ PCI_DEVICE(0x1234, 0x11e8) },
	{}
};
MODULE_DEVICE_TABLE(pci, edu_ids);

static struct pci_driver edu_driver = {
	.name = "edu",
	.id_table = edu_ids,
	.probe = edu_probe,
	.remove = edu_remove,
};
module_pci_driver(edu_driver);

MODULE_DESCRIPTION("Driver of QEMU's educational device");
MODULE_LICENSE("GPL");
