package wire

import "testing"

func TestJoinParams(t *testing.T) {
	for _, c := range []struct {
		params []string
		want   string
		bad    bool
	}{
		{nil, "", false},
		{[]string{"capacity=16", "overwrite"}, "capacity=16 overwrite", false},
		{[]string{"name=two words", "n=1"}, `name="two words" n=1`, false},
		{[]string{"two words"}, "", true},
		{[]string{"debug=1", "name=fifo0"}, "debug=1 name=fifo0", false},
		{[]string{"flag", "empty="}, "flag empty=", false},
		{[]string{"label=two words", "n=1"}, `label="two words" n=1`, false},
		{[]string{`label="already quoted"`}, `label="already quoted"`, false},
		{[]string{"list=1,2,3", "map=a=b"}, "list=1,2,3 map=a=b", false},
		{[]string{"tab=a\tb", "line=a\nb"}, "tab=\"a\tb\" line=\"a\nb\"", false},
		{[]string{"place=Düsseldorf", "where=à la carte", "a=à"}, "place=Düsseldorf where=\"à la carte\" a=\"à\"", false},
		{[]string{"my-param.x=1"}, "my-param.x=1", false},
		{[]string{`q=a"b`}, "", true},
		{[]string{`q="a"b"`}, "", true},
		{[]string{`q="`}, "", true},
		{[]string{"=1"}, "", true},
		{[]string{""}, "", true},
		{[]string{"--"}, "", true},
		{[]string{"a b=1"}, "", true},
		{[]string{"nul=\x00"}, "", true},
	} {
		got, err := JoinParams(c.params)
		if got != c.want || (err != nil) != c.bad {
			t.Errorf("%q: %q, %v", c.params, got, err)
		}
		if err == nil && !equal(parseArgs(got), c.params) {
			t.Errorf("the kernel would read %q as %q", got, parseArgs(got))
		}
	}
}

func FuzzJoinParams(f *testing.F) {
	f.Add("name", "two words")
	f.Add("x", `"a b"`)
	f.Fuzz(func(t *testing.T, name, value string) {
		params := []string{name + "=" + value, "last=1"}
		args, err := JoinParams(params)
		if err == nil && !equal(parseArgs(args), params) {
			t.Errorf("%q: the kernel would read %q", params, parseArgs(args))
		}
	})
}

// equal compares parameters, where quotation marks around a value mean nothing.
func equal(got, want []string) bool {
	if len(got) != len(want) {
		return false
	}
	for i := range got {
		if got[i] != want[i] && got[i] != unquoted(want[i]) {
			return false
		}
	}
	return true
}

func unquoted(p string) string {
	for i := range len(p) {
		if p[i] == '=' {
			if v := p[i+1:]; len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
				return p[:i+1] + v[1:len(v)-1]
			}
			break
		}
	}
	return p
}

// parseArgs takes parameters apart by the rules of the kernel's next_arg: spaces outside of quotation marks separate,
// and quotation marks around a value or a whole parameter go.
func parseArgs(args string) (params []string) {
	space := func(c byte) bool { return c == ' ' || c >= 9 && c <= 13 || c == 0xa0 }
	for i := 0; i < len(args); {
		for i < len(args) && space(args[i]) {
			i++
		}
		if i == len(args) {
			break
		}
		start, quoted, equals := i, false, -1
		for ; i < len(args) && (quoted || !space(args[i])); i++ {
			if args[i] == '=' && equals < 0 {
				equals = i
			}
			if args[i] == '"' {
				quoted = !quoted
			}
		}
		p := args[start:i]
		if equals >= 0 {
			name, value := args[start:equals], args[equals+1:i]
			if len(value) > 0 && value[0] == '"' {
				value = value[1:]
				if len(value) > 0 && value[len(value)-1] == '"' {
					value = value[:len(value)-1]
				}
			}
			p = name + "=" + value
		}
		params = append(params, p)
	}
	return params
}
