package debian

import (
	"context"
	"os"
	"regexp"
	"strings"
)

// apt runs one of apt's tools with the configuration of st only.
func (st *state) apt(ctx context.Context, tool string, args ...string) (string, error) {
	cmd := tools.Command(ctx, tool, args...)
	cmd.Env = append(cmd.Env, "APT_CONFIG="+st.path("apt.conf"))
	return tools.Run(ctx, cmd)
}

// configure writes apt's configuration: a state of its own, nothing but the indices of packages, no hooks of the host's; but
// how the host reaches archives (proxy, credentials, timeouts) holds here too.
func (st *state) configure(ctx context.Context) error {
	for _, dir := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(st.path(dir), 0o755); err != nil {
			return err
		}
	}
	for _, unused := range []string{"pkgcache.bin", "srcpkgcache.bin"} { // the first versions had apt make them
		_ = os.Remove(st.path("cache/" + unused))
	}
	if err := os.WriteFile(st.path("status"), nil, 0o644); err != nil {
		return err
	}
	acquire, err := hostAcquire(ctx)
	if err != nil {
		return err
	}
	conf := strings.ReplaceAll(aptConf, "@DIR@", st.dir) + acquire
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
APT::Architecture "` + arch + `";
APT::Architectures { "` + arch + `"; };
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
