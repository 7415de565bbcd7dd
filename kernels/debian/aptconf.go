package debian

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// apt runs one of apt's tools with the configuration of st only.
func (st *state) apt(ctx context.Context, tool string, args ...string) (string, error) {
	cmd := tools.Command(ctx, tool, args...)
	cmd.Env = append(cmd.Env, "APT_CONFIG="+st.path("apt.conf"))
	return tools.Run(ctx, cmd)
}

// configure writes apt's configuration: a state of its own, no hooks of the host's, but the host's way to archives (proxy, credentials, timeouts).
func (st *state) configure(ctx context.Context) error {
	for _, dir := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(st.path(dir), 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(st.path("status"), nil, 0o644); err != nil {
		return err
	}
	acquire, err := hostAcquire(ctx)
	if err != nil {
		return err
	}
	conf := strings.NewReplacer("@DIR@", st.dir, "@ARCH@", build.Debian, "@ARCHES@", strings.Join(st.architectures(), `"; "`)).Replace(aptConf) + acquire
	return os.WriteFile(st.path("apt.conf"), []byte(conf), 0o644)
}

// aptConf stops apt from reading the host's files. APT::Sandbox::User: the unprivileged user that apt turns into as root could
// not reach the folders of the store. The caches of its own, 90 MB for each suite, spare it half a second. Error-Mode: an index that could not be refreshed is an error, not a warning.
const aptConf = `Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::sourcelist "@DIR@/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::trusted "/dev/null";
Dir::Etc::trustedparts "/dev/null";
Dir::State "@DIR@";
Dir::State::lists "@DIR@/lists";
Dir::State::status "@DIR@/status";
Dir::State::extended_states "@DIR@/extended_states";
Dir::Cache "@DIR@/cache";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dir::Log "/dev/null";
APT::Architecture "@ARCH@";
APT::Architectures { "@ARCHES@"; };
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::PDiffs "false";
Acquire::Retries "2";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
`

// carried are the host's settings that concern the way to an archive, and its owner's decision about dates.
var carried = regexp.MustCompile(`^Acquire::(https?|ftp|tor|Retries|ForceIPv[46]|Check-Date|Check-Valid-Until|Max-ValidTime|Min-ValidTime)(::\S*)? "[^"]*";$`)

func hostAcquire(ctx context.Context) (string, error) {
	dump, err := tools.Run(ctx, tools.Command(ctx, "apt-config", "dump", "--no-empty", "Acquire"))
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for text := range strings.Lines(dump) {
		if carried.MatchString(strings.TrimSpace(text)) {
			b.WriteString(text)
		}
	}
	return b.String(), nil
}

// tools are apt's, dpkg's and mmdebstrap; asked to end, the latter deletes its half-made root.
var tools = kernels.Tools{
	Env: []string{"DEBIAN_FRONTEND=noninteractive"},
	Cures: map[string]string{
		"apt-get":    "this source needs a host with apt: install apt",
		"apt-config": "this source needs a host with apt: install apt",
		"dpkg-deb":   "install dpkg",
		"bwrap":      "install bubblewrap",
	},
	Fault: regexp.MustCompile(`^E: `),
	End:   syscall.SIGTERM,
	Grace: 20 * time.Second,
}

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

func withoutAddress(why string) string {
	return server.ReplaceAllString(strings.Join(strings.Fields(why), " "), "$1 its server")
}
