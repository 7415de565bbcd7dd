package vm

import "testing"

func TestModelsAreDevicesThatAGuestMayHave(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range Models {
		if err := CheckDevice(m.Row); err != nil || seen[m.Row] || m.Alias == "" {
			t.Errorf("%+v: %v", m, err)
		}
		seen[m.Row] = true
	}
}
