package debian

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// unread are the ways in which apt says that it could not read an index, or will not believe it, the plainest first: a server that
// is broken makes it complain of a signature as well. Each is the suite's name and what apt says of it.
var unread = []struct {
	said *regexp.Regexp
	say  func(suite, why, keyring string) string
}{
	{regexp.MustCompile(`(?m)^[EW]: GPG error: \S+ (\S+) (?:In)?Release: (.*)$`), unsigned},
	{regexp.MustCompile(`(?m)^E: Failed to fetch \S+/dists/(\S+)/(?:In)?Release\s+(Clearsigned file isn't valid.*)$`), unsigned},
	{regexp.MustCompile(`(?m)^E: Release file for \S+/dists/(\S+)/(?:In)?Release is (expired \([^)]*\)|not valid yet \([^)]*\))`),
		func(suite, why, _ string) string {
			return fmt.Sprintf("the archive's index of %s is %s: the mirror is behind, or this machine's clock is wrong", suite, why)
		}},
	{regexp.MustCompile(`(?m)^E: Failed to fetch \S+/dists/(\S+)/main/\S+\s+((?:Hash Sum mismatch|File has unexpected size).*)$`),
		func(suite, why, _ string) string {
			return fmt.Sprintf("the archive's list of packages of %s is not the one that its signed Release names (%s): the mirror is behind, damaged or not to be trusted", suite, why)
		}},
	{regexp.MustCompile(`(?m)^E: Failed to fetch \S+/dists/(\S+?)/(?:InRelease|Release|main/\S+)\s+(.*?)\s*(?:\[IP: [^\]]*\])?$`),
		func(suite, why, _ string) string {
			return fmt.Sprintf("the archive gives no index of %s: %s", suite, withoutAddress(why))
		}},
	{regexp.MustCompile(`(?m)^E: The repository '\S+ (\S+) (?:In)?Release' is (not signed)`), unsigned},
}

func unsigned(suite, why, keyring string) string {
	return fmt.Sprintf("the archive's index of %s has no signature of a key in %s (%s): the mirror is damaged or not to be trusted, or debian-archive-keyring is old", suite, keyring, why)
}

// notRead says in one line why apt read no index, and what helps, without an archive's address.
func notRead(err error, keyring string) error {
	tool, ok := errors.AsType[*kernels.ToolError](err)
	if !ok || store.IsFull(err) {
		return err
	}
	for _, u := range unread {
		if m := u.said.FindStringSubmatch(tool.Output); m != nil {
			return errors.New(u.say(m[1], m[2], keyring) + "; MODMATRIX_DEBIAN_MIRROR names another")
		}
	}
	return err
}

// server is how apt names whom it could not reach, behind a word: its name or address, the port, and the address once more.
var server = regexp.MustCompile(`\b(to|resolve|resolving) (?:'[^']*'|\S+:\w+\b)(?: \([0-9a-fA-F]*[.:][0-9a-fA-F.:]*\))?`)

// withoutAddress is what apt says of a connection in one line, without the address.
func withoutAddress(why string) string {
	return server.ReplaceAllString(strings.Join(strings.Fields(why), " "), "$1 its server")
}
