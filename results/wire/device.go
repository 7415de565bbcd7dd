package wire

// Bounds of what is reported of one guest: devices, and files of firmware.
const (
	MaxDevices  = 64
	MaxFirmware = 64
)

// Device is what a driver of a module under test was bound to, by its kind: no serial number and no address of a machine.
type Device struct {
	Bus    string `json:"bus"`            // as sysfs names it
	ID     string `json:"id"`             // vvvv:pppp, or what stands behind the bus in its modalias
	Driver string `json:"driver"`         // as sysfs names it
	Name   string `json:"name,omitempty"` // as the device says
	Text   string `json:"text,omitempty"` // what else there is to say, in lines
}

// Cleaned returns d with every string scrubbed and bounded, as the other end receives it.
func (d Device) Cleaned() Device {
	for _, text := range []*string{&d.Bus, &d.ID, &d.Driver, &d.Name} {
		*text = line(*text)
	}
	d.Text = middle(Scrub(d.Text), maxDevice)
	return d
}
