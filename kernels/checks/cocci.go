package checks

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// cocciScript runs the kernel's semantic patches as its scripts/coccicheck does with MODE=report, two at once, and goes on where one fails:
// coccicheck ends there, and some of them need an OCaml compiler. Each one's words follow a line with its exit code and its name.
const cocciScript = `dir=$1; mkdir /tmp/cocci
have=$(spatch --version | head -n 1 | awk '{print $3}')
export dir
one() {
	options=$(grep Options: "$1" | cut -d: -f2)
	said=$(spatch -D report --no-show-diff --very-quiet --cocci-file "$1" $options --patch ` + scriptsAt + ` --dir "$dir" -I ` + scriptsAt + `/include 2>&1)
	code=$?
	printf '== %s %s\n%s\n' $code "$1" "$said" >"/tmp/cocci/$(echo "$1" | tr / _)"
}
export -f one
find ` + scriptsAt + `/scripts/coccinelle -name '*.cocci' -type f | sort | while read -r patch; do
	grep -q 'virtual[[:space:]]\+report' "$patch" || continue
	needs=$(grep Requires: "$patch" | cut -d: -f2 | sed 's| ||')
	if [ -n "$needs" ] && ! printf '%s\n%s\n' "$needs" "$have" | sort -CV; then continue; fi
	echo "$patch"
done | xargs -r -n 1 -P 2 bash -c 'one "$0"'
cat /tmp/cocci/*`

func coccicheck(ctx context.Context, j *job, res *Result) error {
	if len(j.files) == 0 {
		return errNoFiles
	}
	out, exit, err := j.output(ctx, "bash", "-c", cocciScript, "bash", filepath.Join("/build", j.Source.Folder))
	if err != nil {
		return err
	}
	if exit != 0 {
		return fmt.Errorf("it ended with exit code %d: %s", exit, oneLine(lastLine(out)))
	}
	c := parseCocci(out)
	j.take(res, c.found)
	switch {
	case c.ran == 0 && len(c.failed) > 0:
		return fmt.Errorf("no semantic patch could be run: %s", oneLine(c.failed[0]))
	case c.ran == 0:
		return fmt.Errorf("the source of %s has no semantic patch that this spatch takes", j.Scripts.Version)
	case len(c.failed) > 0:
		res.Note = fmt.Sprintf("%d of %d semantic patches could not be run (%s)", len(c.failed), c.ran+len(c.failed), oneLine(c.failed[0]))
	}
	return errUnread(c.unread)
}

// cocci is what the semantic patches came to.
type cocci struct {
	found  []results.Finding
	ran    int
	failed []string // in a line each
	unread []string
}

var (
	cocciHead = regexp.MustCompile(`^== (\d+) (/\S+\.cocci)$`)
	cocciLine = regexp.MustCompile(`^(.+?):(\d+)(?::[\d-]+)?:? (?:((?i:error|warning|info))(?: opportunity for \S+)?:? )?(.*)$`)
	// cocciNote is what spatch says of a semantic patch and not of the source.
	cocciNote = regexp.MustCompile(`^(?:warning: |Note: |\(ONCE\) |init_defs_builtins: )`)
)

// parseCocci reads what cocciScript prints. The kind of a finding is the name of its semantic patch.
func parseCocci(out []byte) (c cocci) {
	kind, failing := "", false
	lines(out, func(line string) {
		head := cocciHead.FindStringSubmatch(line)
		m := cocciLine.FindStringSubmatch(line)
		switch {
		case head != nil:
			kind = strings.TrimSuffix(path.Base(head[2]), ".cocci")
			if failing = head[1] != "0"; failing {
				c.failed = append(c.failed, kind)
			} else {
				c.ran++
			}
		case line == "" || cocciNote.MatchString(line):
		case failing:
			if last := &c.failed[len(c.failed)-1]; *last == kind {
				*last += ": " + line
			}
		case m == nil || kind == "":
			c.unread = append(c.unread, line)
		default:
			level := results.LevelWarning
			if strings.EqualFold(m[3], "error") {
				level = results.LevelError
			}
			c.found = append(c.found, results.Finding{Where: m[1] + ":" + m[2], Level: level, Kind: kind, Message: m[4]})
		}
	})
	return c
}
