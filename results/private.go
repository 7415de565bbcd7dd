package results

import (
	"cmp"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Private is a kind of words that say whose machine a text came from.
type Private string

// The kinds.
const (
	PrivateHost   Private = "host name"
	PrivateUser   Private = "user name"
	PrivateHome   Private = "home folder"
	PrivateMAC    Private = "MAC address"
	PrivateIP     Private = "IP address"
	PrivateSerial Private = "serial number"
	PrivateDMI    Private = "DMI"
)

// stands is what is written in the place of each; the order is that of Scrubber.Counts.
var stands = []struct {
	kind Private
	text string
}{{PrivateHost, "[host]"}, {PrivateUser, "[user]"}, {PrivateHome, "[home]"}, {PrivateMAC, "[mac]"}, {PrivateIP, "[ip]"}, {PrivateSerial, "[serial]"}, {PrivateDMI, "[dmi]"}}

// Identity is what one machine and the person at it are called. Words that identify nobody do no harm in it.
type Identity struct {
	Hosts   []string // names of the machine, and of the domain that it is in
	Users   []string // logins and full names
	Homes   []string // absolute paths
	Serials []string // serial numbers and other numbers that no second machine has
	Models  []string // what the firmware says of the machine: DMI
}

// Scrubber takes out of texts what says whose machine they came from, and counts what it took. Words of an Identity are found
// wherever they stand alone; addresses, and what is called a serial number or DMI, by their form. What a kernel says of itself
// stays: addresses of memory and PCI, versions, times, dumps, and the emulated machine of a guest. It is not for several goroutines.
type Scrubber struct {
	names  []names
	keep   map[string]bool // texts that look like an address and are none
	counts map[Private]int
}

// names are the words of one kind.
type names struct {
	kind Private
	find *regexp.Regexp
	path bool // they are folders: what is above them does not belong to them
}

// NewScrubber returns a scrubber for texts from the machine me. versions are of what was tested: one of four numbers looks like an
// address.
func NewScrubber(me Identity, versions ...string) *Scrubber {
	s := &Scrubber{keep: map[string]bool{}, counts: map[Private]int{}}
	for _, v := range versions {
		s.keep[v] = true
	}
	for _, n := range []struct {
		kind  Private
		words []string
		least int // letters that a word must have to be found alone
	}{{PrivateSerial, me.Serials, 4}, {PrivateHome, me.Homes, 3}, {PrivateDMI, me.Models, 5}, {PrivateHost, me.Hosts, 2}, {PrivateUser, me.Users, 3}} {
		if find := anyOf(n.words, n.least); find != nil {
			s.names = append(s.names, names{n.kind, find, n.kind == PrivateHome})
		}
	}
	return s
}

// nobody are words that identify nobody: what they would be found in is kernel text, or says which kernel it was.
var nobody = wordSet(`root nobody user guest admin test tester build builder runner module kernel linux localhost localdomain local host
	debian bullseye bookworm trixie forky sid ubuntu fedora arch alpine suse opensuse gentoo nixos cloud server desktop laptop vm qemu kvm amd64 arm64 x86_64 generic
	git dir tar here docker buildd vagrant pi none default string unknown /root / /nonexistent /home
	not specified to be filled by o.e.m. system product name system version system serial number 0123456789`)

func wordSet(text string) map[string]bool {
	all := map[string]bool{}
	for _, w := range strings.Fields(text) {
		all[w] = true
	}
	for _, phrase := range []string{"not specified", "to be filled by o.e.m.", "default string", "system product name", "system version", "system serial number", "no asset tag", "no asset information"} {
		all[phrase] = true
	}
	return all
}

// anyOf matches each of list, the longest first; nil where there is none.
func anyOf(list []string, least int) *regexp.Regexp {
	var quoted []string
	for _, w := range list {
		if w = strings.TrimSpace(w); len(w) >= least && !nobody[strings.ToLower(w)] {
			quoted = append(quoted, regexp.QuoteMeta(w))
		}
	}
	if quoted == nil {
		return nil
	}
	slices.SortFunc(quoted, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	return regexp.MustCompile(`(?i:` + strings.Join(quoted, "|") + `)`)
}

// ScrubCount says how often something of a kind was taken out.
type ScrubCount struct {
	Kind  Private `json:"kind"`
	Count int     `json:"count"`
}

// Counts lists what was taken out so far; what never was has no entry.
func (s *Scrubber) Counts() (all []ScrubCount) {
	for _, k := range stands {
		if n := s.counts[k.kind]; n > 0 {
			all = append(all, ScrubCount{k.kind, n})
		}
	}
	return all
}

func (s *Scrubber) took(kind Private) string {
	s.counts[kind]++
	for _, k := range stands {
		if k.kind == kind {
			return k.text
		}
	}
	return ""
}

// Text is text without what says whose machine it came from. It has as many lines as before.
func (s *Scrubber) Text(text string) string {
	text = s.called(text)
	text = replace(someHome, text, func(before, found, _ string) string {
		name := found[strings.LastIndexByte(found, '/')+1:]
		if before != "" && isWord(before[len(before)-1]) || nobody[name] || strings.HasPrefix(name, "[") {
			return found
		}
		return s.took(PrivateHome)
	})
	for _, n := range s.names {
		text = replace(n.find, text, func(before, found, after string) string {
			if n.path && after != "" && isWord(after[0]) || !n.path && !standsAlone(before, after) {
				return found
			}
			return s.took(n.kind)
		})
	}
	return s.addresses(text)
}

// someHome is where homes lie.
var someHome = regexp.MustCompile(`/(?:home|Users|export/home|var/home)/[^/\s"'\x60:;,()<>|&]+`)

// standsAlone reports whether what is found between is no part of a longer word.
func standsAlone(before, after string) bool {
	return (before == "" || !isWord(before[len(before)-1])) && (after == "" || !isWord(after[0]))
}

func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= 0x80
}

// replace puts do of each match, with what is around it, in its place.
func replace(find *regexp.Regexp, text string, do func(before, found, after string) string) string {
	at := find.FindAllStringIndex(text, -1)
	if at == nil {
		return text
	}
	var b strings.Builder
	end := 0
	for _, m := range at {
		b.WriteString(text[end:m[0]])
		b.WriteString(do(text[:m[0]], text[m[0]:m[1]], text[m[1]:]))
		end = m[1]
	}
	b.WriteString(text[end:])
	return b.String()
}

// What is named: a value behind the word that says what it is. The first group stays, the second goes.
var (
	serialNumber = regexp.MustCompile(`(?i)(\b(?:serial[ _-]?(?:number|num|no)\.?|serial_short|id_serial|(?:product|board|chassis)_serial|s/n|asset[ _]tag)["']?\s*(?:[:=]|\bis\b)\s*["']?|\bserial=)([^\s"',;)]+)`)
	uniqueNumber = regexp.MustCompile(`(?i)(\b(?:PART)?(?:UUID|GUID)["']?\s*[:= ]\s*["']?|\bmachine-id\s*[:= ]\s*|\bwwn-0x|\bnaa\.|\beui\.)([0-9a-f][0-9a-f-]{7,})`)
	enx          = regexp.MustCompile(`\b(enx)([0-9a-f]{12})\b`)
	hardware     = regexp.MustCompile(`(\bHardware name: |\bDMI: )([^\n]*?, BIOS [^\n]*?\d\d/\d\d/\d{4}|[^\n\\]+)`)
	dmiField     = regexp.MustCompile(`(?i)(\b(?:sys_vendor|(?:product|board|chassis|bios)_(?:name|uuid|vendor|version|family|sku|asset_tag|date|release))["']?\s*[:=]\s*["']?)([^\n"']+)`)
)

// called takes out what is called a serial number, or DMI.
func (s *Scrubber) called(text string) string {
	for _, n := range []struct {
		find *regexp.Regexp
		kind Private
	}{{serialNumber, PrivateSerial}, {uniqueNumber, PrivateSerial}, {enx, PrivateMAC}, {hardware, PrivateDMI}, {dmiField, PrivateDMI}} {
		text = replace(n.find, text, func(before, found, _ string) string {
			m := n.find.FindStringSubmatch(found)
			if m == nil || n.kind == PrivateSerial && isIndex(before, m[2]) || n.kind == PrivateDMI && emulated(m[2]) {
				return found
			}
			return m[1] + s.took(n.kind)
		})
	}
	return text
}

// isIndex reports whether a "SerialNumber=3" is the number of a text, as USB has it, and no serial number.
func isIndex(before, value string) bool {
	line := before[strings.LastIndexByte(before, '\n')+1:]
	return len(value) <= 3 && strings.Trim(value, "0123456789") == "" && strings.HasSuffix(strings.TrimRight(line, " "), ",")
}

// emulated reports whether firmware speaks of a machine that QEMU emulates, which every guest has, or of none.
func emulated(model string) bool { return emulatedRE.MatchString(model) }

var (
	// emulatedRE begins with what the machines of results/arch call themselves; arm's board says no more than that it has a device tree.
	emulatedRE = regexp.MustCompile(`^(?:QEMU|linux,dummy-virt|riscv-virtio,qemu|Generic DT based system|IBM pSeries \(emulated by qemu\)|Memory slots|\[dmi\])`)
	hexPairs   = regexp.MustCompile(`[0-9A-Fa-f]{2}(?:(?::[0-9A-Fa-f]{2})+|(?:-[0-9A-Fa-f]{2})+)`)
	colons     = regexp.MustCompile(`[0-9A-Fa-f]*:[0-9A-Fa-f]*:(?:(?:[0-9A-Fa-f:]*:)?\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f:]*)`)
	dotted     = regexp.MustCompile(`\d{1,3}(?:\.\d{1,3}){3}`)
	// anotherDotted is a range of addresses.
	anotherDotted = regexp.MustCompile(`^-\d{1,3}(?:\.\d{1,3}){3}`)
	afterDotted   = regexp.MustCompile(`\d{1,3}(?:\.\d{1,3}){3}-$`)
	// versioned is what stands before four numbers that are a version.
	versioned = regexp.MustCompile(`(?i)(?:\bv|[-_+~]|\b(?:version|ver|firmware|fw|bios|ec|rev|revision|release|driver|api|abi)\.?["']?[ :=(]*["']?v?)$`)
)

// addresses takes out those of networks.
func (s *Scrubber) addresses(text string) string {
	text = replace(hexPairs, text, func(before, found, after string) string {
		skip := 0
		if before != "" && isWord(before[len(before)-1]) { // "added:00:11:…" begins with a word
			skip = 3
		}
		if skip >= len(found) || after != "" && isWord(after[0]) {
			return found
		}
		switch (len(found) - skip + 1) / 3 { // of Ethernet and Bluetooth; EUI-64; of IP over InfiniBand
		case 6, 8, 20:
			return found[:skip] + s.took(PrivateMAC)
		}
		return found
	})
	text = replace(colons, text, s.sixth)
	return replace(dotted, text, func(before, found, after string) string {
		addr, err := netip.ParseAddr(found)
		switch {
		case err != nil || ofNobody(addr) || s.keep[found], !standsAlone(before, after):
			return found
		case strings.HasSuffix(before, ".") || len(after) > 1 && strings.IndexByte(".-+~_", after[0]) >= 0 && isWord(after[1]) && !anotherDotted.MatchString(after):
			return found // of more numbers, or a version such as 1.2.3.4-k
		case versioned.MatchString(before[max(0, len(before)-24):]) && !afterDotted.MatchString(before[max(0, len(before)-24):]):
			return found
		}
		return s.took(PrivateIP)
	})
}

// sixth takes an address of IPv6 out of text that has colons as one has.
func (s *Scrubber) sixth(before, found, after string) string {
	text, tail := found, ""
	if before != "" && (isWord(before[len(before)-1]) || before[len(before)-1] == '_') { // "src:fe80::1" begins with a word
		_, text, _ = strings.Cut(found, ":")
	}
	head := found[:len(found)-len(text)]
	if strings.HasSuffix(text, ":") && !strings.HasSuffix(text, "::") || strings.HasSuffix(text, ":::") {
		text, tail = text[:len(text)-1], ":"
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || ofNobody(addr) || !strings.ContainsAny(text, "0123456789") || tail == "" && after != "" && (isWord(after[0]) || after[0] == '_') {
		return found
	}
	return head + s.took(PrivateIP) + tail
}

// ofNobody reports whether an address is the same on every machine.
func ofNobody(addr netip.Addr) bool {
	return addr.IsLoopback() || addr.IsUnspecified() || addr.IsMulticast() || addr.Is4() && addr.As4()[0] == 255
}
