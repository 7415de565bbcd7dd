package results

import (
	"path"
	"slices"
	"strings"
)

// Path is where a file of that run lies in a folder of merged results.
func (o Origin) Path(file string) string { return path.Join("runs", plainName(o.Run), file) }

// plainName keeps an id that somebody else wrote from being a path.
func plainName(id string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '_'
	}, "r"+id)[1:]
}

// MergedFiles says where the files of r lie in its folder, and where in one of merged results.
func (r *Results) MergedFiles() map[string]string {
	files := map[string]string{}
	for _, rec := range r.Records {
		for _, one := range append([]Record{rec}, rec.Others...) {
			for _, file := range one.Files() {
				if files[file] = file; one.Origin == nil {
					files[file] = r.origins()[0].Path(file)
				}
			}
		}
	}
	return files
}

// MoveFiles gives the artifacts of rec new places, and of those with an empty one rec has none any more.
func (rec *Record) MoveFiles(place func(string) string) {
	move := func(a *Artifacts) {
		for _, file := range []*string{&a.BuildLog, &a.Console, &a.SuiteLog, &a.Specs} {
			if *file != "" {
				*file = place(*file)
			}
		}
	}
	move(&rec.Artifacts)
	rec.Tries = slices.Clone(rec.Tries)
	for i := range rec.Tries {
		move(&rec.Tries[i].Artifacts)
	}
	if rec.InTreeRun != nil {
		run := *rec.InTreeRun
		run.Record.MoveFiles(place)
		rec.InTreeRun = &run
	}
}
