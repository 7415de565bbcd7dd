package debian

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
	"github.com/modmatrix/modmatrix/kernels/store"
)

// anyAge is for an index that need only be there.
const anyAge = 100 * 365 * 24 * time.Hour

// download fetches the packages of a store's entry, which is just being filled, and returns their files, checked against what
// was resolved. They lie where the next try finds what this one got, and go when the entry is made. An archive drops what it
// replaces: where the index in the store is behind it, a second try follows a new one.
func (st *state) download(ctx context.Context, kind, id, what string, pkgs []kernels.Package, report func(kernels.Progress)) ([]string, error) {
	if _, err := st.ensure(ctx, anyAge); err != nil {
		return nil, err
	}
	dir, err := st.src.store.Partial(kind, id, what)
	if err != nil {
		return nil, err
	}
	stop := watch(dir, "download "+what, total(pkgs), report)
	defer stop()
	files, err := st.pullShared(ctx, dir, pkgs)
	if err == nil || ctx.Err() != nil || store.IsFull(err) {
		return files, err
	}
	before := st.stamp().Updated
	if refreshErr := st.refresh(ctx, time.Minute); refreshErr != nil || st.stamp().Updated.Equal(before) {
		return nil, errors.Join(err, ctx.Err())
	}
	return st.pullShared(ctx, dir, pkgs)
}

// pullShared is pull with the lock that keeps the index as it is meanwhile.
func (st *state) pullShared(ctx context.Context, dir string, pkgs []kernels.Package) ([]string, error) {
	unlock, err := st.lock(ctx, false)
	if err != nil {
		return nil, err
	}
	defer unlock()
	return st.pull(ctx, dir, pkgs)
}

// pull lets apt put the packages into dir, and continues from what is there of them. What that was is not trusted: where the
// whole is not what was resolved, it is fetched once more from its beginning.
func (st *state) pull(ctx context.Context, dir string, pkgs []kernels.Package) ([]string, error) {
	wanted, err := st.addresses(ctx, pkgs)
	if err != nil {
		return nil, notDownloaded(err, continues)
	}
	begun := sizeOf(dir) > 0
	files, err := st.pullOnce(ctx, dir, wanted)
	if begun && errors.Is(err, errNotAsSigned) && ctx.Err() == nil {
		files, err = st.pullOnce(ctx, dir, wanted)
	}
	return files, err
}

// wanted is a package, and where apt would get it.
type wanted struct {
	kernels.Package
	uri string
}

// address is what apt says of a package that it would download: by which address, the name of its file, size and digest.
var address = regexp.MustCompile(`(?m)^'([^']+)' (\S+) \d+ (\S+)$`)

// aptName is how apt's tools are given p.
func aptName(p kernels.Package) string {
	if p.Arch == build.Debian || p.Arch == "all" {
		return p.Name
	}
	return p.Name + ":" + p.Arch
}

// addresses asks apt, without a connection, where packages are. What its index does not have as it was resolved is an error.
func (st *state) addresses(ctx context.Context, pkgs []kernels.Package) ([]wanted, error) {
	args := []string{"download", "--print-uris", "--"}
	for _, p := range pkgs {
		args = append(args, aptName(p)+"="+p.Version)
	}
	out, err := st.apt(ctx, "apt-get", args...)
	if err != nil {
		return nil, err
	}
	found := map[string]wanted{}
	for _, m := range address.FindAllStringSubmatch(out, -1) {
		// A file is to be copied, not only named: what lies in the store must not depend on what lies outside.
		uri := regexp.MustCompile(`^file:`).ReplaceAllString(m[1], "copy:")
		if sum, ok := strings.CutPrefix(m[3], "SHA256:"); ok {
			found[sum] = wanted{uri: uri}
		}
	}
	var all []wanted
	for _, p := range pkgs {
		w, ok := found[p.SHA256]
		if !ok {
			return nil, fmt.Errorf("the archive's %s %s is not the file with SHA-256 %s that was resolved", p.Name, p.Version, p.SHA256)
		}
		all = append(all, wanted{p, w.uri})
	}
	return all, nil
}

// aptHelper is apt's own program for single files. It is no command that is found by name.
const aptHelper = "/usr/lib/apt/apt-helper"

// endTogether runs a command whose helpers end as it does. If this process is killed, only the command itself is signalled; but it is
// the one who holds the connection that notes, when asked to end, of which day the half of a file is, and without that day
// no archive gives the other half alone (RFC 9110, If-Range).
const endTogether = `trap 'trap "" TERM; kill 0; wait' TERM; "$@" & wait $!`

// errNotAsSigned says that a file is not the one whose digest the signed index states.
var errNotAsSigned = errors.New("it is not the file that the archive's index was signed for")

// pullOnce downloads what is not whole in dir. A file is called as its digest should be.
func (st *state) pullOnce(ctx context.Context, dir string, pkgs []wanted) ([]string, error) {
	args := []string{"-c", endTogether, "sh", aptHelper, "-q", "download-file"}
	var files []string
	for _, p := range pkgs {
		file := filepath.Join(dir, p.SHA256+".deb")
		files = append(files, file)
		if sum, err := kernels.FileSHA256(file); err == nil && sum == p.SHA256 {
			continue
		}
		args = append(args, p.uri, file, "SHA256:"+p.SHA256)
	}
	if args[len(args)-1] == "download-file" {
		return files, nil
	}
	cmd := tools.Command(ctx, "sh", args...)
	cmd.Env = append(cmd.Env, "APT_CONFIG="+st.path("apt.conf"))
	_, err := tools.Run(ctx, cmd)
	different, _ := filepath.Glob(filepath.Join(dir, "*.FAILED")) // from what they should be, as apt found
	for _, file := range different {
		err = errors.Join(err, os.Remove(file))
	}
	if err != nil {
		return nil, notDownloaded(err, continues)
	}
	for i, p := range pkgs {
		if sum, err := kernels.FileSHA256(files[i]); err != nil || sum != p.SHA256 {
			return nil, errors.Join(fmt.Errorf("download %s: %w", p.Name, errNotAsSigned), os.Remove(files[i]))
		}
	}
	return files, nil
}

// watch reports the size of what is in dir four times a second until stop is called.
func watch(dir, what string, total int64, report func(kernels.Progress)) (stop func()) {
	end, ended := make(chan bool), make(chan bool)
	go func() {
		defer close(ended)
		tick := time.NewTicker(time.Second / 4)
		defer tick.Stop()
		for last := int64(-1); ; {
			if size := sizeOf(dir); size != last {
				last = size
				report(kernels.Progress{What: what, Done: min(size, total), Total: total, Unit: kernels.Bytes})
			}
			select {
			case <-end:
				return
			case <-tick.C:
			}
		}
	}()
	return func() { close(end); <-ended }
}

// sizeOf is how many bytes of packages are in dir.
func sizeOf(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && filepath.Ext(path) == ".deb" {
			if info, err := d.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil
	})
	return bytes
}

var (
	// notFetched is how apt says that it could not download a file: by which address, and why.
	notFetched = regexp.MustCompile(`(?m)^E: Failed to fetch (\S+)\s+(.*?)\s*(?:\[IP: [^\]]*\])?$`)
	// noVersion is how it says that the index does not name a package in this version (any more).
	noVersion = regexp.MustCompile(`(?m)^E: Version '([^']+)' for '([^']+)' was not found|^E: Unable to locate package (\S+)`)
)

// continues is what helps where what was got is kept.
const continues = "run it again, and it continues from there"

// notDownloaded says in one line why apt could not download a package, and what helps, without an archive's address: which
// one it was is the host's business. again helps where the connection broke.
func notDownloaded(err error, again string) error {
	tool, ok := errors.AsType[*kernels.ToolError](err)
	if !ok {
		return err
	}
	if m := noVersion.FindStringSubmatch(tool.Output); m != nil {
		return fmt.Errorf("the archive no longer has %s: only a store that has it already can serve it; take a newer kernel of the suite, or modmatrix kernels update",
			strings.TrimSpace(m[2]+m[3]+" "+m[1]))
	}
	m := notFetched.FindStringSubmatch(tool.Output)
	if m == nil {
		return err
	}
	file, why := path.Base(m[1]), m[2]
	if strings.HasPrefix(why, "Hash Sum mismatch") || strings.HasPrefix(why, "File has unexpected size") {
		return fmt.Errorf("download %s: %w: the mirror is behind, damaged or not to be trusted; run it again later, or name another (MODMATRIX_DEBIAN_MIRROR)", file, errNotAsSigned)
	}
	if store.IsFull(err) {
		return fmt.Errorf("download %s: %w", file, err)
	}
	if strings.HasPrefix(why, "404") || strings.HasPrefix(why, "File not found") {
		return fmt.Errorf("the archive's index names %s, and the archive has no such file any more: name another kernel of the suite with @VERSION, or another mirror (MODMATRIX_DEBIAN_MIRROR)", file)
	}
	return fmt.Errorf("download %s: %s; %s", file, withoutAddress(why), again)
}
