print "drivers/misc/mydriver.c:1: WARNING:SPDX_LICENSE_TAG: Missing or malformed SPDX-License-Identifier tag in line 1\n";
exit 1;
