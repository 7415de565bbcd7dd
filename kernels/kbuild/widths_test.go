package kbuild

import (
	"errors"
	"strings"
	"testing"
)

// A table that is sound is no fault of the module's, whatever modpost of a 64-bit machine makes of it; one that is not is.
func TestTablesThatModpostCountsTooWide(t *testing.T) {
	for line, ours := range map[string]bool{
		"FATAL: modpost: reform2_lpc: sizeof(struct of_device_id)=200 is not a modulo of the size of section __mod_of__<identifier>_device_table=392.":                     true,
		"FATAL: modpost: foo: sizeof(struct dmi_system_id)=344 is not a modulo of the size of section __mod_dmi__<identifier>_device_table=996.":                           true,
		"FATAL: modpost: foo: sizeof(struct of_device_id)=200 is not a modulo of the size of section __mod_of__<identifier>_device_table=300.":                             false,
		"FATAL: modpost: foo: sizeof(struct of_device_id)=196 is not a modulo of the size of section __mod_of__<identifier>_device_table=400.":                             false,
		"FATAL: modpost: foo: sizeof(struct usb_device_id)=32 is not a modulo of the size of section __mod_usb__<identifier>_device_table=20.":                             false,
		"FATAL: modpost: foo: sizeof(struct of_device_id)=99999999999999999999 is not a modulo of the size of section __mod_of__<identifier>_device_table=99999999999999.": false,
	} {
		err := corpusLog{text: "  MODPOST Module.symvers\n" + line + "\nmake[1]: *** [scripts/Makefile.modpost:127: Module.symvers] Error 1\n"}.diagnose(t, 2)
		fault, blamed := errors.AsType[*Error](err)
		if err == nil || blamed == ours || ours && !strings.Contains(err.Error(), "builds no module with such a table for 32 bits") {
			t.Errorf("%s: %v", line, err)
		}
		if blamed && fault.Code != "modpost-error" {
			t.Errorf("%s: %s", line, fault.Code)
		}
	}
}
