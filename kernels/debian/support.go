package debian

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/modmatrix/modmatrix/kernels"
)

// support says from when until when a release is maintained, by the archive's own package of such dates.
type support struct {
	Release string    `json:"release"`           // the codename
	Begin   time.Time `json:"begin,omitzero"`    // zero where that day is not fixed yet
	End     time.Time `json:"end,omitzero"`      // the last day, long-term support included; zero where it is not known
	From    string    `json:"from,omitempty"`    // the package and its version
	Unknown string    `json:"unknown,omitempty"` // why nothing of this is known, where there was trouble
}

// phase is where in its life a release is.
type phase int

const (
	supported phase = iota // or nobody says otherwise
	coming                 // in development: testing, unstable and their like
	ended
)

// phase is coming for a release that has no date yet; those that never get one are of that kind as well.
func (s support) phase(now time.Time) phase {
	switch {
	case s.From == "":
		return supported
	case !s.End.IsZero() && !now.Before(s.End.AddDate(0, 0, 1)):
		return ended
	case s.Begin.IsZero() || now.Before(s.Begin):
		return coming
	}
	return supported
}

// inDevelopment are the bases that are known to be so where the archive does not say it.
var inDevelopment = []string{"forky", "sid"}

func (st *state) phase() phase {
	mark := st.stamp()
	if mark.Support.From == "" && slices.Contains(inDevelopment, st.suite.base) {
		return coming
	}
	return mark.Support.phase(st.src.now())
}

func (st *state) notices() []string {
	mark := st.stamp()
	lines := slices.Clone(mark.Notices)
	switch s := mark.Support; {
	case s.Unknown != "":
		lines = append(lines, fmt.Sprintf("how long %s is supported is not known: %s", s.Release, s.Unknown))
	case s.phase(st.src.now()) == ended:
		lines = append(lines, fmt.Sprintf("%s is no longer supported since %s (%s): no newer kernels are to be expected", s.Release, s.End.Format(time.DateOnly), s.From))
	}
	return lines
}

// supportPackage holds the dates of all releases in supportFile. Every suite has it, and gets new ones as long as it lives.
const (
	supportPackage = "distro-info-data"
	supportFile    = "usr/share/distro-info/debian.csv"
)

// support reads what the suite's own archive says of it, with the lock held. An archive without that package says nothing.
func (st *state) support(ctx context.Context, lists []list) (support, error) {
	s := support{Release: codenameOf(lists, st.suite.base)}
	ix, err := readIndex(lists, func(name string) bool { return name == supportPackage })
	if err != nil || len(ix[supportPackage]) == 0 {
		return s, err
	}
	dir := st.path("support")
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return s, err
	}
	defer os.RemoveAll(dir)
	p := ix[supportPackage][0].Package
	err = st.supportIn(ctx, dir, p, &s)
	if ctx.Err() != nil {
		return s, ctx.Err()
	}
	if err != nil { // it is worth a word, and no more: the kernels are there
		s = support{Release: s.Release, Unknown: err.Error()}
	}
	return s, nil
}

func (st *state) supportIn(ctx context.Context, dir string, p kernels.Package, s *support) error {
	files, err := st.pull(ctx, dir, []kernels.Package{p})
	if err != nil {
		return err
	}
	if _, err := tools.Run(ctx, tools.Command(ctx, "dpkg-deb", "-x", files[0], dir)); err != nil {
		return err
	}
	f, err := os.Open(filepath.Join(dir, supportFile))
	if err != nil {
		return err
	}
	defer f.Close()
	if s.Begin, s.End, err = supportOf(f, s.Release); err != nil {
		return fmt.Errorf("read %s: %w", filepath.Base(supportFile), err)
	}
	s.From = p.Name + " " + p.Version
	return nil
}

// supportOf finds a release in the table of dates. A line ends where no more is known.
func supportOf(r io.Reader, release string) (begin, end time.Time, err error) {
	table := csv.NewReader(r)
	table.FieldsPerRecord = -1
	rows, err := table.ReadAll()
	for _, row := range rows {
		column := map[string]string{}
		for i, value := range row[:min(len(row), len(rows[0]))] {
			column[rows[0][i]] = value
		}
		if column["series"] != release {
			continue
		}
		begin, errBegin := date(column["release"])
		end, errEnd := date(column["eol"])
		lts, errLTS := date(column["eol-lts"])
		if lts.After(end) {
			end = lts
		}
		return begin, end, errors.Join(errBegin, errEnd, errLTS)
	}
	return begin, end, cmp.Or(err, fmt.Errorf("it has no %s", release))
}

func date(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.DateOnly, text)
}
