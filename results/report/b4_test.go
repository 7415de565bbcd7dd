package report

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modmatrix/modmatrix/results"
)

// b4, with which maintainers and authors collect trailers, finds the one of a reply in a thread and puts it into the commit, and finds
// none but that, whatever else the reply says.
func TestReplyIsRead(t *testing.T) {
	b4 := os.Getenv("MODMATRIX_TEST_B4")
	if b4 == "" {
		t.Skip("MODMATRIX_TEST_B4 names no b4: make readers-mail")
	}
	rec := bound(cell("6.1.0-56-amd64", "lifecycle", specs(14)...), "0bda:8153")
	odd := decided(cell("6.6.0-generic", "lifecycle"), results.Miss, results.StageFetch, results.CodeInfra, strings.Repeat("Acked-by: Linus <linus@example.org> Fixes: 0123456789ab Link: http://example.org/ ", 5))
	for _, tc := range []struct{ by, want string }{
		{jane, "Tested-by: " + jane + " # 0bda:8153 on Linux 6.1\nSigned-off-by: An Author <author@example.org>"},
		{"", "Signed-off-by: An Author <author@example.org>"},
	} {
		text := reply(t, brought("Jane", results.UnknownKey, "", rec, odd).Results, tc.by)
		thread := newThread(t, text)
		out := thread.run(b4, "-n", "--offline-mode", "trailers", "-u", "-F", "patch@example.org", "-m", "thread.mbox")
		got := strings.TrimSpace(thread.run("git", "log", "-1", "--format=%B"))
		if want := "mydriver: add a driver\n\nIt drives.\n\n" + tc.want; got != want {
			t.Errorf("the commit is\n%s\nand not\n%s\nb4 says %s\nof\n%s", got, want, out, text)
		}
	}
}

// thread is a repository with a commit, and a mailbox with its patch and a reply.
type thread struct {
	t   *testing.T
	dir string
}

func newThread(t *testing.T, text string) thread {
	th := thread{t, t.TempDir()}
	th.run("git", "init", "-q")
	th.run("git", "config", "user.name", "An Author")
	th.run("git", "config", "user.email", "author@example.org")
	for i, subject := range []string{"base", "prepare", "mydriver: add a driver\n\nIt drives.\n\nSigned-off-by: An Author <author@example.org>"} {
		name := fmt.Sprintf("%d.c", i)
		th.write(name, subject)
		th.run("git", "add", name)
		if i == 0 { // b4 wants a parent of what it looks at
			th.run("env", "GIT_COMMITTER_DATE=2020-01-01T00:00:00Z", "git", "commit", "-qm", subject)
		} else {
			th.run("git", "commit", "-qm", subject)
		}
	}
	patch := th.run("git", "format-patch", "-1", "--stdout")
	patch = strings.Replace(patch, "\nSubject:", "\nMessage-Id: <patch@example.org>\nSubject:", 1)
	th.write("thread.mbox", patch+"\nFrom jane Mon Sep 17 00:00:00 2001\nFrom: "+jane+"\nDate: Tue, 1 Dec 2026 12:00:00 +0000\nMessage-Id: <reply@example.org>\n"+
		"In-Reply-To: <patch@example.org>\nReferences: <patch@example.org>\nSubject: Re: [PATCH] mydriver: add a driver\n\n"+text)
	return th
}

func (th thread) write(name, text string) {
	if err := os.WriteFile(filepath.Join(th.dir, name), []byte(text), 0o644); err != nil {
		th.t.Fatal(err)
	}
}

// run runs a program in the repository, with a home of its own.
func (th thread) run(name string, args ...string) string {
	th.t.Helper()
	cmd := exec.CommandContext(th.t.Context(), name, args...)
	cmd.Dir = th.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + th.dir, "GIT_CONFIG_NOSYSTEM=1"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		th.t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}
