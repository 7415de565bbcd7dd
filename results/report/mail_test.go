package report

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/modmatrix/modmatrix/results"
)

const jane, jose = "Jane Doe <jane@example.org>", "José Ñandú <jose@example.org>"

// bundle stands for the file with everything.
var bundle = Whole{"mydriver-2.2.collection.tar.zst", "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}

// brought is signed evidence of those cells, by that key, for the source of everything.
func brought(key string, trust results.Trust, testedBy string, cells ...results.Record) results.Testimony {
	r := &results.Results{Run: results.Run{ID: "run of " + key, Started: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Tool: "modmatrix 0.1.0", Host: results.Host{Arch: "x86_64", Accelerator: "kvm", CPUModel: "host", QEMU: "10.0.2"}},
		Module: results.Module{Name: "mydriver", Version: "2.2", SourceDigest: "sha256:11"}, Records: cells}
	r.Finish()
	f := results.Testimony{File: key + ".evidence.tar.zst", Digest: "sha256:" + key, Trust: trust, Key: "SHA256:" + key, Principal: key, TestedBy: testedBy, Results: r}
	if trust == results.Unsigned {
		f.Key, f.Principal = "", ""
	}
	return f
}

func bound(rec results.Record, id string) results.Record {
	rec.Hardware = []results.Device{{Bus: "usb", ID: id, Driver: "mydriver", Own: true}}
	return rec
}

// fell is a FAIL of a tester.
func fell(rec results.Record) results.Record {
	return decided(rec, results.Fail, results.StageTest, results.CodeOops, "BUG: unable to handle page fault in my_probe (probe.c:88)")
}

func collectionOf(t testing.TB, own *results.Results, files ...results.Testimony) *results.Collection {
	t.Helper()
	c, err := results.Collect(own, "", files)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sent is a collection in which one of each thing happened.
func sent(t testing.TB) *results.Collection {
	old := brought("old", results.TrustedKey, "Old Hand <old@example.org>", cell("6.1.0-56-amd64", "lifecycle"))
	old.Results.Module.SourceDigest = "sha256:99"
	return collectionOf(t, everything(t),
		brought("Jane", results.TrustedKey, jane, bound(cell("6.1.0-56-amd64", "lifecycle", specs(14)...), "0bda:8153"), bound(cell("6.6.0-generic", "lifecycle", specs(14)...), "0bda:8153")),
		brought("Jose", results.TrustedKey, jose, bound(cell("6.12.107+deb13-amd64", "lifecycle", specs(14)...), "0bda:8153")),
		brought("Failing", results.TrustedKey, "Fay Ling <fay@example.org>", bound(fell(cell("6.12.107+deb13-amd64", "lifecycle")), "0bda:8156")),
		brought("Silent", results.UnknownKey, "", cell("6.1.0-56-amd64", "lifecycle")),
		brought("Stranger", results.UnknownKey, "Stran Ger <stranger@example.org>", cell("6.1.0-56-amd64", "lifecycle")),
		brought("Nobody", results.Unsigned, "No Body <nobody@example.org>", cell("6.1.0-56-amd64", "lifecycle")),
		old)
}

func mail(t testing.TB, c *results.Collection, whole Whole) string {
	t.Helper()
	var out bytes.Buffer
	if err := Mail(&out, c, whole); err != nil {
		t.Fatal(err)
	}
	fitForMail(t, out.String())
	return out.String()
}

func reply(t testing.TB, r *results.Results, testedBy string) string {
	t.Helper()
	var out bytes.Buffer
	if err := Reply(&out, r, testedBy, Whole{"mydriver-2.2.evidence.tar.zst", bundle.Digest}); err != nil {
		t.Fatal(err)
	}
	fitForMail(t, out.String())
	return out.String()
}

// trailerLike matches what b4 takes for a trailer: a word, a colon, and an address or one of the names that need none.
var trailerLike = regexp.MustCompile(`(?i)^\s*(\w\S+):\s+(\S.*)`)

// fitForMail holds text against what a list takes: ASCII, narrow, no blanks at the ends, no trailers but ours at the end.
func fitForMail(t testing.TB, text string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "Tested-by: ") {
			for _, after := range lines[i:] {
				if !regexp.MustCompile(`^Tested-by: [^<>]+ <[^<>@ ]+@[^<>@ ]+>( # [ -~]+)?$`).MatchString(after) {
					t.Errorf("%q is among the trailers", after)
				}
			}
			break
		}
		if len(line) > 72 || strings.TrimRight(line, " ") != line || strings.Trim(line, allASCII) != "" {
			t.Errorf("%d bytes, or not as a list takes it: %q", len(line), line)
		}
		if m := trailerLike.FindStringSubmatch(line); m != nil && (strings.Contains(line, "@") || noTrailer.MatchString(m[1]+":")) {
			t.Errorf("b4 would take %q for a trailer", line)
		}
		if strings.HasPrefix(line, "---") || strings.HasPrefix(line, "diff ") || strings.HasPrefix(line, "Index: ") || strings.HasPrefix(line, "From ") || line == "--" {
			t.Errorf("git would end the message at %q", line)
		}
	}
	if strings.Contains(text, "\n\n\n") || strings.HasPrefix(text, "\n") || !strings.HasSuffix(text, "\n") || strings.HasSuffix(text, "\n\n") {
		t.Errorf("blank lines:\n%s", text)
	}
}

var allASCII = func() string {
	var b strings.Builder
	for c := byte(' '); c <= '~'; c++ {
		b.WriteByte(c)
	}
	return b.String()
}()

func TestMail(t *testing.T) {
	golden(t, "evidence.mail", []byte(mail(t, sent(t), bundle)))
	golden(t, "large.mail", []byte(mail(t, large(t), bundle)))
	golden(t, "small.mail", []byte(mail(t, collectionOf(t, small(), brought("Jane", results.TrustedKey, jane, bound(cell("6.1.0-56-amd64", "lifecycle"), "0bda:8153"))), bundle)))
	alone := collectionOf(t, nil, brought("Jane", results.TrustedKey, jane, cell("6.1.0-56-amd64", "lifecycle")))
	golden(t, "testers.mail", []byte(mail(t, alone, bundle)))
}

// small is one kernel that passes.
func small() *results.Results {
	r := &results.Results{Run: results.Run{ID: "s", Started: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), Tool: "modmatrix 0.1.0", Host: results.Host{Arch: "x86_64", Accelerator: "kvm", CPUModel: "host", QEMU: "10.0.2"}},
		Module: results.Module{Name: "mydriver", Version: "2.2", SourceDigest: "sha256:11"}, Records: []results.Record{cell("6.12.107+deb13-amd64", "lifecycle", specs(1)...)}}
	r.Records[0].Target.Compiler = "gcc (Debian 14.2.0-19) 14.2.0"
	r.Finish()
	return r
}

// large is 40 kernels and twelve testers.
func large(t testing.TB) *results.Collection {
	own := small()
	own.Module.Git = &results.Git{Commit: "4f2b6c0d9e8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c"}
	own.Module.SourceDigest, own.Run.Host.Accelerator = "sha256:9c1f0e6a8b7d4c3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c0d9e", "tcg"
	kernels := func(arch, flavour, profile, compiler, source string, versions ...string) {
		for i, v := range versions {
			for _, suite := range []string{"lifecycle", "link"} {
				rec := cell(v+"-"+flavour, suite, specs(14+8*len(suite)%3)...)
				rec.Target = results.Target{Release: rec.Target.Release, Version: v, Arch: arch, Flavour: flavour, Profile: profile, Source: source, Compiler: compiler}
				switch {
				case strings.HasPrefix(v, "7.3") && profile == "":
					rec = decided(rec, results.Fail, results.StageBuild, results.CodeBuildError, "mydriver_main.c:717: too few arguments to function 'netif_napi_add'; expected 4, have 3")
				case v == "6.6.99" && suite == "link":
					rec = decided(rec, results.Fail, results.StageTest, results.CodeSpecFailed, `"link comes back after suspend" failed: Expected <bool>: false to be true (suspend_test.go:41)`)
				case profile != "" && i == 0:
					rec = decided(rec, results.Fail, results.StageUnload, results.CodeSanitizer, "KASAN: slab-use-after-free in mydriver_poll (mydriver_main.c:412)")
				case v == "5.15.189" && flavour == "cloud-amd64":
					rec = decided(rec, results.Miss, results.StageFetch, results.CodeInfra, "the archive holds an image of it, but no headers")
				}
				own.Records = append(own.Records, rec)
			}
		}
	}
	own.Records = nil
	kernels("x86_64", "amd64", "", "gcc-10 (Debian 10.2.1-6) 10.2.1 20210110", "debian:bullseye", "5.10.46", "5.10.103", "5.10.209", "5.10.262")
	kernels("x86_64", "amd64", "", "gcc-12 (Debian 12.2.0-14) 12.2.0", "debian:bookworm", "6.1.27", "6.1.76", "6.1.119", "6.1.140", "6.1.164", "6.1.192", "6.6.99")
	kernels("x86_64", "amd64", "", "gcc-14 (Debian 14.2.0-19) 14.2.0", "debian:trixie", "6.12.43", "6.12.90", "6.12.94", "6.12.107", "6.12.111", "6.12.117", "6.16.12", "6.18.1", "6.19.2", "7.0.1", "7.2.12", "7.3.1", "7.3.4")
	kernels("x86_64", "cloud-amd64", "", "gcc-12 (Debian 12.2.0-14) 12.2.0", "debian:bookworm", "5.15.189", "6.1.192")
	kernels("x86_64", "rt-amd64", "", "gcc-14 (Debian 14.2.0-19) 14.2.0", "debian:trixie", "6.12.117", "7.2.12")
	kernels("aarch64", "arm64", "", "aarch64-linux-gnu-gcc-14 (Debian 14.2.0-19) 14.2.0", "debian:trixie", "6.1.192", "6.12.107", "6.12.117", "7.2.12")
	kernels("s390x", "s390x", "", "s390x-linux-gnu-gcc-14 (Debian 14.2.0-19) 14.2.0", "debian:trixie", "6.1.192", "6.12.117")
	kernels("x86_64", "amd64", "kasan+lockdep+kmemleak", "gcc-14 (Debian 14.2.0-19) 14.2.0", "git:/home/me/linux@v7.2", "7.2.0", "7.2.12", "7.3.0")
	kernels("x86_64", "amd64", "clang", "Debian clang version 19.1.7 (3)", "git:/home/me/linux@v7.2", "7.2.0", "7.2.12", "7.3.0")
	own.Finish()
	var files []results.Testimony
	for i := range 12 {
		trust, consent := results.TrustedKey, fmt.Sprintf("Tester %c. Someone <tester%d@example.org>", 'A'+i, i)
		if i%5 == 4 {
			trust = results.UnknownKey
		}
		if i%3 == 2 {
			consent = ""
		}
		var cells []results.Record
		for k := range 2 + i%3 {
			v := []string{"6.1.192", "6.12.117", "6.17.4", "6.18.1", "7.2.12", "6.8.0"}[(i+k)%6]
			rec := bound(cell(v+"-generic", "lifecycle", specs(14)...), []string{"0bda:8153", "0bda:8156", "2357:0601"}[i%3])
			if i == 7 && k == 0 {
				rec = fell(rec)
			}
			cells = append(cells, rec)
		}
		f := brought(fmt.Sprintf("key%02d", i), trust, consent, cells...)
		f.Results.Module.SourceDigest = own.Module.SourceDigest
		files = append(files, f)
	}
	old := brought("old", results.TrustedKey, "", cell("6.1.192-generic", "lifecycle"))
	return collectionOf(t, own, append(files, old)...)
}

// What is large stays a page or so.
func TestALargeMailIsAPage(t *testing.T) {
	if n := strings.Count(mail(t, large(t), bundle), "\n"); n > 80 {
		t.Errorf("%d lines", n)
	}
}

func TestReply(t *testing.T) {
	golden(t, "everything.reply", []byte(reply(t, everything(t), jane)))
	one := brought("Jane", results.TrustedKey, jane, bound(cell("6.1.0-56-amd64", "lifecycle", specs(14)...), "0bda:8153"), bound(cell("6.6.0-generic", "lifecycle", specs(14)...), "0bda:8153"))
	golden(t, "jane.reply", []byte(reply(t, one.Results, jane)))
	if text := reply(t, everything(t), jane); strings.Contains(text, "Tested-by") {
		t.Errorf("a module that fails is said to be tested:\n%s", text)
	}
	if text := reply(t, one.Results, ""); strings.Contains(text, "Tested-by") {
		t.Errorf("nobody consented:\n%s", text)
	}
	if text := reply(t, large(t).Own, jane); strings.Count(text, "\n") > 60 {
		t.Errorf("too long:\n%s", text)
	}
}

func TestCollected(t *testing.T) {
	show := func(c *results.Collection, opt Options) string {
		var out bytes.Buffer
		if err := Collected(&out, c, opt); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	golden(t, "evidence.txt", []byte(show(sent(t), Options{})))
	golden(t, "evidence-60.txt", []byte(show(sent(t), Options{Width: 60})))
	golden(t, "evidence-none.txt", []byte(show(collectionOf(t, small()), Options{})))
}

// Numbers are of what they count: one is not several.
func TestNumbersAgree(t *testing.T) {
	wrong := regexp.MustCompile(`\b1 (?:kernels|testers|tests|cells|devices|files)\b|\b(?:[02-9]|[1-9][0-9]+) (?:kernel|tester|test|cell|device|file)\b`)
	for _, c := range []*results.Collection{sent(t), large(t), collectionOf(t, small()), collectionOf(t, small(), brought("Jane", results.TrustedKey, "", cell("6.1.0-56-amd64", "lifecycle")))} {
		var shown bytes.Buffer
		if err := Collected(&shown, c, Options{}); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{mail(t, c, bundle), shown.String(), reply(t, c.Own, "")} {
			if found := wrong.FindAllString(text, -1); found != nil {
				t.Errorf("%q in\n%s", found, text)
			}
		}
	}
}
