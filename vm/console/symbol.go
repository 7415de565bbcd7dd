package console

import (
	"regexp"
	"strconv"
	"strings"
)

// symbolAt reads the first "function+0x12/0x34 [module]" in text and the offset at which it begins.
// Rust's demangled names hold "::" and angle brackets; a build id may stand behind the module's name
// (%pSb in Linux lib/vsprintf.c).
func symbolAt(text string) (f Frame, start int, ok bool) {
	plus := strings.Index(text, "+0x")
	for start = plus; start > 0 && symbolByte(text, start-1); {
		start--
	}
	if plus < 0 || start == plus || isDigit(text[start]) {
		return Frame{}, 0, false
	}
	offset, rest := hexAt(text[plus+len("+0x"):])
	rest, slash := strings.CutPrefix(rest, "/0x")
	size, rest := hexAt(rest)
	if !slash {
		return Frame{}, 0, false
	}
	f = Frame{Function: plainName(text[start:plus]), Symbol: text[start:plus], Offset: offset, Size: size, Reliable: true}
	if rest, ok := strings.CutPrefix(rest, " ["); ok {
		f.Module = rest[:max(0, strings.IndexAny(rest, " ]"))]
	}
	return f, start, true
}

// symbolByte reports whether text[i] can be part of a symbol that goes on behind it.
func symbolByte(text string, i int) bool {
	switch c := text[i]; {
	case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || isDigit(c) || c == '_' || c == '.' || c == '$' || c == '<' || c == '>':
		return true
	case c == ':': // "::" of Rust, not the colon of "RIP: 0010:function"
		return text[i+1] == ':' || i > 0 && text[i-1] == ':'
	}
	return false
}

func hexAt(text string) (uint64, string) {
	rest := strings.TrimLeft(text, "0123456789abcdef")
	v, _ := strconv.ParseUint(text[:len(text)-len(rest)], 16, 64) // digits only; none is zero
	return v, rest
}

// pcWords are how a line begins that shows the program counter, of the kernel (code segment 10 on x86).
var pcWords = []string{
	"RIP: 0010:", "RIP: e030:", "RIP  [", "RIP [", "IP: ", "EIP: ", "EIP is at ", "IP is at ", "PC is at ", "pc : ", "epc : ",
	"NIP ", "Krnl PSW", "--- interrupt:",
}

// readFrame reads a line of a trace, or one that shows the program counter.
func readFrame(text string) (f Frame, pc, ok bool) {
	if f, start, ok := symbolAt(text); ok {
		if startsWithAny(strings.TrimLeft(text, " "), pcWords) {
			f.PC = true
			return f, true, true
		}
		f.Reliable, ok = frameLead(text[:start])
		f.Reliable = f.Reliable && !strings.HasSuffix(text, " (unreliable)") // powerpc (Linux arch/powerpc/kernel/process.c, show_stack)
		return f, false, ok
	}
	if strings.HasSuffix(text, "[inline]") {
		if m := inlineRE.FindStringSubmatch(text); m != nil {
			return Frame{Function: plainName(m[2]), Reliable: m[1] == ""}, false, true
		}
	}
	return Frame{}, false, false
}

// inlineRE is a frame that a symboliser put in: no offset, but a source line.
var inlineRE = regexp.MustCompile(`^\s*(?:\[<?[0-9a-f]+>?\]\s*)?(\?\s+)?([A-Za-z_]\w*) [\w./-]+\.[chS]:\d+ \[inline\]`)

// frameLead reports whether only what may stand before a frame's function stands there, in any architecture's
// manner: addresses, the name of a stack, "callee from"; and whether the frame is reliable.
func frameLead(lead string) (reliable, ok bool) {
	fields := strings.Fields(lead)
	reliable = true
	for i, field := range fields {
		last := field[len(field)-1]
		switch {
		case field == "?" || field == "(?":
			reliable = false
		case field == "from" || field == "(":
		case field[0] == '[' && last == ']' || field[0] == '<' && last == '>' || field[0] == '(' && last == ')':
		case len(field) == 16 && strings.Trim(field, "0123456789abcdef") == "":
		case i+1 < len(fields) && fields[i+1] == "from":
		case i+2 < len(fields) && fields[i+2] == "from" && fields[i+1][0] == '[': // arm: "callee [module] from"
		default:
			return false, false
		}
	}
	return reliable, true
}

// suffixRE are the marks that compilers put behind a function's name, and that differ from build to build.
var suffixRE = regexp.MustCompile(`(?:\.(?:isra|constprop|part|cold|llvm|lto_priv)(?:\.\d+)*)+$|\.\d+$`)

// syscallRE are the wrappers around a system call, which got new names over the years.
var syscallRE = regexp.MustCompile(`^(?:__(?:x64|ia32|x32|arm64|riscv|s390x?|se|do|se_compat|x64_compat|ia32_compat)_(?:compat_)?sys_|SyS_|SYSC_|compat_SyS_|C_SYSC_|compat_sys_)`)

// plainName strips what compilers and system call tables add to a name.
func plainName(name string) string {
	name = strings.TrimPrefix(name, ".") // powerpc's function descriptors
	for strings.Contains(name, ".") {
		short := suffixRE.ReplaceAllString(name, "")
		if short == name || short == "" {
			break
		}
		name = short
	}
	if strings.Contains(name, "_sys_") || strings.HasPrefix(name, "S") || strings.HasPrefix(name, "compat_") || strings.HasPrefix(name, "C_") {
		return syscallRE.ReplaceAllString(name, "sys_")
	}
	return name
}
