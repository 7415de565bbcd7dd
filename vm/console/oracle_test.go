package console

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// oracleDir is a folder of consoles that another project recorded, with its titles for them, beside the checkout and
// never in it. ORACLE_CONSOLES names another folder of the same format, which then must hold some.
const oracleDir = "../../../shared/oracle/consoles"

// The thresholds of agreement. No false alarm is allowed.
const (
	minFault = 0.98
	minKind  = 0.95
)

// recorded is one console of the oracle.
type recorded struct {
	name, title, kind string // kind is the TYPE header
	log               []byte
}

func TestOracle(t *testing.T) {
	named := os.Getenv("ORACLE_CONSOLES")
	dir := cmp.Or(named, oracleDir)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 && named != "" {
		t.Fatalf("no recorded consoles in %s", dir)
	}
	if len(files) == 0 {
		t.Skipf("no recorded consoles in %s; make oracle ORACLE_CONSOLES=DIR requires them", dir)
	}
	var faults, kinds, positives, alarms int
	var table strings.Builder
	rates := archRates{}
	for _, file := range files {
		rec := readRecorded(t, file)
		splat, found := firstFault(Scan(rec.log))
		rates.add(rec, splat, found == (rec.title != ""), slices.Contains(oracleKinds(rec), splat.Kind))
		if found == (rec.title != "") {
			faults++
		} else {
			fmt.Fprintf(&table, "%-5s fault  want %-55q got %q\n", rec.name, rec.title, splat.Title)
		}
		switch {
		case rec.title == "" && found:
			alarms++
		case rec.title != "":
			positives++
			if want := oracleKinds(rec); slices.Contains(want, splat.Kind) {
				kinds++
			} else if found {
				fmt.Fprintf(&table, "%-5s kind   want %-55q %v got %s %q\n", rec.name, rec.title, want, splat.Kind, splat.Title)
			}
		}
	}
	t.Logf("fault %d/%d, kind %d/%d, false alarms %d\n%s", faults, len(files), kinds, positives, alarms, table.String())
	rates.check(t)
	if ratio := float64(faults) / float64(len(files)); ratio < minFault {
		t.Errorf("agreement on faults is %.3f, want at least %.2f", ratio, minFault)
	}
	if ratio := float64(kinds) / float64(max(1, positives)); ratio < minKind {
		t.Errorf("agreement on kinds is %.3f, want at least %.2f", ratio, minKind)
	}
	if alarms > 0 {
		t.Errorf("%d false alarms", alarms)
	}
}

func readRecorded(t *testing.T, file string) recorded {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, log, _ := bytes.Cut(data, []byte("\n\n"))
	if bytes.HasPrefix(data, []byte("\n")) {
		head, log = nil, data[1:]
	}
	if i := bytes.Index(log, []byte("\nREPORT:\n")); i >= 0 {
		log = log[:i+1]
	}
	rec := recorded{name: filepath.Base(file), log: log}
	for line := range strings.SplitSeq(string(head), "\n") {
		switch key, value, _ := strings.Cut(line, ":"); key {
		case "TITLE":
			rec.title = strings.TrimSpace(value)
		case "TYPE":
			rec.kind = strings.TrimSpace(value)
		}
	}
	return rec
}

func firstFault(splats []Splat) (Splat, bool) {
	for _, s := range splats {
		if s.Severity.Fault() {
			return s, true
		}
	}
	return Splat{}, false
}

// oracleTitles map the oracle's titles to kinds; the first prefix that fits decides.
var oracleTitles = []struct {
	prefix string
	kinds  []string
}{
	{"KASAN:", []string{KindKASAN}},
	{"KFENCE:", []string{KindKFENCE}},
	{"KMSAN:", []string{KindKMSAN}},
	{"KCSAN:", []string{KindKCSAN}},
	{"UBSAN:", []string{KindUBSAN}},
	{"memory leak", []string{KindLeak}},
	{"unregister_netdevice", []string{KindLeak}},
	{"BUG: Bad page", []string{KindBadPage}},
	{"BUG: Bad rss", []string{KindBadPage}},
	{"BUG: corrupted list", []string{KindList}},
	{"BUG: bad usercopy", []string{KindUsercopy}},
	{"WARNING: bad usercopy", []string{KindUsercopy}},
	{"BUG: bad unlock", []string{KindLockdep}},
	{"BUG: held lock", []string{KindLockdep}},
	{"BUG: still has locks", []string{KindLockdep}},
	{"BUG: MAX_", []string{KindLockdep}},
	{"BUG: looking up", []string{KindLockdep}},
	{"BUG: scheduling", []string{KindAtomic}},
	{"BUG: sleeping", []string{KindAtomic}},
	{"BUG: using", []string{KindAtomic}},
	{"BUG: workqueue leaked", []string{KindAtomic}},
	{"BUG: workqueue lockup", []string{KindStall}},
	{"BUG: spinlock", []string{KindSpinlock}},
	{"BUG: rwlock", []string{KindSpinlock}},
	{"BUG: soft lockup", []string{KindSoftLockup}},
	{"BUG: stack guard", []string{KindStack}},
	{"BUG: unable to handle", []string{KindOops}},
	{"BUG:", []string{KindBug}},
	{"INFO: rcu", []string{KindStall}},
	{"INFO: task", []string{KindHungTask}},
	{"INFO: suspicious RCU", []string{KindRCU}},
	{"WARNING: suspicious RCU", []string{KindRCU}},
	{"INFO: trying to register", []string{KindLockdep}},
	{"INFO: Allocated", []string{KindSLUB}},
	{"INFO: Freed", []string{KindSLUB}},
	{"WARNING: ODEBUG", []string{KindODEBUG}},
	{"WARNING: refcount", []string{KindRefcount}},
	{"WARNING: proc registration", []string{KindDriverCore}},
	{"WARNING: locking bug", []string{KindLockdep}},
	{"kernel panic: corrupted stack", []string{KindStack}},
	{"kernel panic: stack is", []string{KindStack}},
	{"kernel panic: kernel stack overflow", []string{KindStack}},
	{"kernel stack overflow", []string{KindStack}},
	{"kernel panic:", []string{KindPanic}},
	{"unexpected kernel reboot", []string{KindReboot}},
	{"kernel BUG", []string{KindBug, KindFortify}},
	{"VFS:", []string{KindBug}},
	{"attempt to ", []string{KindBug}},
	{"PANIC:", []string{KindOops}},
	{"Internal error", []string{KindOops}},
	{"Unhandled fault", []string{KindOops}},
	{"divide error", []string{KindOops}},
	{"invalid opcode", []string{KindOops}},
	{"stack segment", []string{KindOops}},
	{"general protection", []string{KindOops}},
	{"inconsistent lock", []string{KindLockdep}},
	{"possible deadlock", []string{KindLockdep}},
}

// oracleTypes map the oracle's TYPE where the title says too little.
var oracleTypes = map[string][]string{
	"LOCKDEP": {KindLockdep}, "ATOMIC_SLEEP": {KindAtomic}, "HANG": {KindStall, KindHungTask, KindSoftLockup, KindHardLockup},
	"WARNING": {KindWarn}, "LEAK": {KindLeak}, "BUG": {KindBug}, "DoS": {KindPanic, KindOops},
}

func oracleKinds(rec recorded) []string {
	for _, row := range oracleTitles {
		if strings.HasPrefix(rec.title, row.prefix) {
			return row.kinds
		}
	}
	if kinds := oracleTypes[rec.kind]; kinds != nil {
		return kinds
	}
	if strings.HasPrefix(rec.title, "WARNING") {
		return []string{KindWarn}
	}
	return []string{"unmapped " + strconv.Quote(rec.title)}
}
