package results

import "testing"

// The messages are what Gomega 1.44 writes.
func TestHeadline(t *testing.T) {
	for message, want := range map[string]string{
		"":                  "",
		"no answer\nat all": "no answer",
		"Expected\n    <int>: 1\nto equal\n    <int>: 2":                                                          "Expected 1 to equal 2",
		"Expected\n    <[]string | len:1, cap:1>: [\n        \"char 241 zoo\",\n    ]\nto be empty":               `Expected ["char 241 zoo"] to be empty`,
		"left behind\nExpected\n    <[]string | len:1, cap:1>: [\n        \"zoo\",\n    ]\nto be empty":           `left behind: Expected ["zoo"] to be empty`,
		"Expected\n    <map[string]int | len:1>: {\"a\": 1}\nto have key\n    <string>: b":                        `Expected {"a": 1} to have key b`,
		"Expected\n    <string>: line one\n    line <two> {\n    three\nto contain substring\n    <string>: four": "Expected line one line <two> { three to contain substring four",
		"Timed out after 0.005s.\nExpected\n    <int>: 1\nto equal\n    <int>: 2":                                 "Timed out after 0.005s. Expected 1 to equal 2",
		"bring x back\nExpected success, but got an error:\n    <*fmt.wrapError | 0x2332f2030bc0>: \n    load module x: file exists\n    {\n" +
			"        msg: \"load module x: file exists\",\n        err: <syscall.Errno>0x11,\n    }\nand then failed: bring x back\nExpected": "bring x back: Expected success, but got an error: load module x: file exists",
		"Unexpected error:\n    <*errors.errorString | 0x2332f2030bc0>: \n    boom\n    {s: \"boom\"}\noccurred": `Unexpected error: boom {s: "boom"} occurred`,
	} {
		if got := Headline(message); got != want {
			t.Errorf("%q:\n got %q\nwant %q", message, got, want)
		}
	}
}
