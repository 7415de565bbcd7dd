package evidence

import (
	"errors"
	"strings"

	"github.com/modmatrix/modmatrix/results"
)

// Testify is what results.Collect takes of the file called name: what Open said of it.
func Testify(name string, e *Evidence, err error) results.Testimony {
	if wrong, ok := errors.AsType[*Error](err); ok {
		err = errors.New(wrong.Problem) // without the path, which is the name
	}
	if err != nil {
		return results.Testimony{File: name, Refused: err}
	}
	return results.Testimony{File: name, Digest: e.Digest, Trust: results.Trust(e.State), Key: e.Key, Principal: e.person(), TestedBy: e.Tester.String(), Results: e.Results}
}

// person is whose key signed it, as the list of signers calls that one; empty where it calls nobody so: a pattern may fit several.
func (e *Evidence) person() string {
	if strings.ContainsAny(e.listed, "*?!") {
		return ""
	}
	return e.listed
}
