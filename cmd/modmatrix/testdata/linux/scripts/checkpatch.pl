print "drivers/misc/mydriver.c:1: WARNING:SPDX_LICENSE_TAG: Missing or malformed SPDX-License-Identifier tag in line 1\nx.patch total: 0 errors, 1 warnings, 0 checks, 9 lines checked\n";
exit 1;
