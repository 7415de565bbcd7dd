package report

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/chromedp/cdproto/network"
	cdp "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"golang.org/x/net/html"

	"github.com/modmatrix/modmatrix/results"
)

// many is a matrix of kernels × suites that pass, with specs of usual names and number.
func many(kernels, suites int) *results.Results {
	r := &results.Results{Module: results.Module{Name: "mydriver", Version: "2.2"}, Run: results.Run{Started: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}}
	for k := range kernels {
		for s := range suites {
			rec := cell(fmt.Sprintf("6.%d.%d-amd64", k/50, k%50), fmt.Sprintf("suite%d", s))
			for i := range 14 {
				rec.Specs = append(rec.Specs, results.Spec{Name: fmt.Sprintf("lifecycle leaves nothing behind, number %d", i), Status: results.Pass, DurationMS: int64(i)})
			}
			r.Records = append(r.Records, rec)
		}
	}
	r.Finish()
	return r
}

func TestHTMLIsSmall(t *testing.T) {
	one, all := len(write(t, "html", many(1, 1))), len(write(t, "html", many(100, 5)))
	if each := (all - one) / 499; each > 1536 {
		t.Errorf("%d bytes for each cell that passes", each)
	}
}

// Of a cell that failed, the page has the console around the fault, and of one that passed, nothing; a long file is cut.
func TestHTMLHasTheFaultOfTheConsole(t *testing.T) {
	bad, good := decided(cell("6.1.0-amd64", "s"), results.Fail, results.StageTest, results.CodeOops, "it fell"), cell("6.2.0-amd64", "s")
	bad.Splats = []results.Splat{{Title: "BUG", Stage: results.StageTest, Line: 500}}
	bad.Artifacts.Console, good.Artifacts.Console = "cells/bad", "cells/good"
	var log strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&log, "line <%d>\n", i+1)
	}
	files := fstest.MapFS{"cells/bad": {Data: []byte(log.String())}, "cells/good": {Data: []byte("all is well")}}
	r := &results.Results{Records: []results.Record{bad, good}}
	r.Finish()
	var out bytes.Buffer
	if err := HTML(&out, r, files); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, want := range []string{`<mark id="x86_64.6.1.0-amd64.s:500">`, "line &lt;480&gt;", "line &lt;560&gt;"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	for _, not := range []string{"line &lt;479&gt;", "line &lt;561&gt;", "all is well"} {
		if strings.Contains(text, not) {
			t.Errorf("the page has %s", not)
		}
	}
}

// ownHTML are the elements and attributes of the page; a stranger's text adds none.
var ownHTML = strings.Fields("html head meta title style body header h1 h2 h3 p strong dl div dt dd form label input fieldset legend small output main table caption thead tbody tr th td a ul li br code " +
	"details summary b pre mark ol i script span title lang charset name content http-equiv class id hidden role type placeholder checked value tabindex aria-label scope colspan href")

// foreignHTML lists what a page has that is not its own, as a parser of HTML sees it.
func foreignHTML(text string) (found []string) {
	z := html.NewTokenizer(strings.NewReader(text))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return found
		case html.CommentToken:
			found = append(found, "a comment")
		case html.StartTagToken, html.SelfClosingTagToken:
			token := z.Token()
			if !slices.Contains(ownHTML, token.Data) {
				found = append(found, "<"+token.Data+">")
			}
			for _, a := range token.Attr {
				if !slices.Contains(ownHTML, a.Key) && a.Key != "style" || a.Key == "href" && !strings.HasPrefix(a.Val, "#") {
					found = append(found, a.Key+"="+a.Val)
				}
			}
		}
	}
}

// browser opens a page in Chromium, and lists what it wanted of anybody else, its errors, and its dialogs.
func browser(t *testing.T, doc []byte) (ctx context.Context, address string, trouble func() []string) {
	t.Helper()
	program := os.Getenv("MODMATRIX_TEST_BROWSER")
	if program == "" {
		t.Skip("MODMATRIX_TEST_BROWSER names no Chromium: make readers")
	}
	path := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(path, doc, 0o644); err != nil {
		t.Fatal(err)
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(program), chromedp.NoSandbox)
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	address = (&url.URL{Scheme: "file", Path: path}).String()
	var all []string
	chromedp.ListenTarget(ctx, func(event any) {
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			if !strings.HasPrefix(e.DocumentURL, address) || !strings.HasPrefix(e.Request.URL, address) {
				all = append(all, "asks for "+e.Request.URL)
			}
		case *runtime.EventExceptionThrown:
			all = append(all, e.ExceptionDetails.Error())
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.APITypeError {
				all = append(all, "an error on the console")
			}
		case *cdp.EventJavascriptDialogOpening:
			all = append(all, "a dialog: "+e.Message)
		}
	})
	act(t, ctx, network.Enable(), chromedp.Navigate(address))
	return ctx, address, func() []string { return all }
}

func act(t *testing.T, ctx context.Context, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// ask evaluates an expression of JavaScript in the page.
func ask[T any](t *testing.T, ctx context.Context, expression string) (value T) {
	t.Helper()
	act(t, ctx, chromedp.Evaluate(expression, &value))
	return value
}

// A reader opens the page, filters it, opens a cell that failed, and follows its link.
func TestHTMLIsRead(t *testing.T) {
	r := everything(t)
	ctx, address, trouble := browser(t, write(t, "html", r))
	const visible = `[...document.querySelectorAll("details")].filter(d => !d.hidden).length`
	if n := ask[int](t, ctx, visible); n != len(r.Matrix().Records()) {
		t.Errorf("%d cells of %d", n, len(r.Matrix().Records()))
	}
	act(t, ctx, chromedp.SendKeys("#text", "7.2.12"))
	if n := ask[int](t, ctx, visible); n != 2 {
		t.Errorf("%d cells of one kernel, want 2", n)
	}
	if n := ask[int](t, ctx, `[...document.querySelectorAll("tbody tr:not(.series)")].filter(r => !r.hidden && r.offsetParent).length`); n != 1 {
		t.Errorf("%d rows of one kernel", n)
	}
	act(t, ctx, chromedp.Evaluate(`document.getElementById("text").value = ""`, nil), chromedp.Click(`input[value=FAIL]`))
	if n := ask[int](t, ctx, `document.querySelectorAll("details.FAIL:not([hidden])").length`); n != 0 {
		t.Errorf("%d cells are shown that failed", n)
	}
	act(t, ctx, chromedp.Click(`input[value=FAIL]`), chromedp.Click(`td.FAIL a`))
	at := ask[string](t, ctx, `location.hash`)
	if !ask[bool](t, ctx, `document.getElementById(decodeURIComponent(location.hash.slice(1))).open`) {
		t.Errorf("%s is not open", at)
	}
	act(t, ctx, chromedp.Navigate("about:blank"), chromedp.Navigate(address+at))
	if !ask[bool](t, ctx, `document.querySelector("details:target").open`) {
		t.Errorf("the link to %s opens nothing", at)
	}
	if all := slices.DeleteFunc(trouble(), func(s string) bool { return s == "asks for about:blank" }); len(all) > 0 {
		t.Errorf("%v", all)
	}
}

// What strangers wrote runs nothing and asks for nothing.
func TestHTMLIsReadUnharmed(t *testing.T) {
	ctx, address, trouble := browser(t, []byte("<title>first</title>"))
	for _, s := range nasty {
		if err := os.WriteFile(strings.TrimPrefix(address, "file://"), write(t, "html", spoken(s)), 0o644); err != nil {
			t.Fatal(err)
		}
		act(t, ctx, chromedp.Navigate(address))
		if cells := ask[int](t, ctx, `document.querySelectorAll("details").length`); ask[bool](t, ctx, `"pwned" in window`) || cells == 0 || len(trouble()) > 0 {
			t.Errorf("%.100q: %d cells, %v", s, cells, trouble())
		}
	}
}

// nasty are texts that would act in a page, if they were anything but text.
var nasty = []string{
	`<script>pwned=1</script><img src=x onerror=pwned=1><svg onload=pwned=1>`, `"><script>pwned=1</script>`, `'onmouseover=pwned=1 x='`, `javascript:pwned=1`,
	`</style><script>pwned=1</script>`, `</script><script>pwned=1</script>`, `<!--<script>`, `<link rel=stylesheet href=http://e.example/x>`, `<meta http-equiv=refresh content="0;url=http://e.example">`,
	`{{.Title}}`, "\x00<\xff>", `<base href=http://e.example/>`, `<iframe src=http://e.example>`, `]]><x>`,
}

// axe-core (npm), at AXE, finds nothing serious.
func TestHTMLIsReadByEverybody(t *testing.T) {
	if os.Getenv("AXE") == "" {
		t.Skip("AXE names no axe.min.js: make readers")
	}
	script, err := os.ReadFile(os.Getenv("AXE"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, _, _ := browser(t, write(t, "html", everything(t)))
	act(t, ctx, cdp.SetBypassCSP(true), chromedp.Reload(), chromedp.Evaluate(`document.querySelectorAll("details").forEach(d => d.open = true)`, nil), chromedp.Evaluate(string(script), nil))
	var found []string
	act(t, ctx, chromedp.Evaluate(`axe.run().then(r => r.violations.filter(v => ["serious", "critical"].includes(v.impact)).map(v => v.id + ": " + v.help + ": " + v.nodes.slice(0, 3).map(n => n.html).join(" ")))`, &found,
		func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	for _, v := range found {
		t.Error(v)
	}
}

// Five thousand cells are no burden; how long they take is logged.
func TestHTMLIsReadAtOnce(t *testing.T) {
	doc := write(t, "html", many(1000, 5))
	ctx, address, _ := browser(t, []byte("<title>warm</title>"))
	path := strings.TrimPrefix(address, "file://")
	if err := os.WriteFile(path, doc, 0o644); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	act(t, ctx, chromedp.Navigate(address))
	t.Logf("%d bytes open in %v", len(doc), time.Since(start))
	if n := ask[int](t, ctx, `document.querySelectorAll("details").length`); n != 5000 {
		t.Errorf("%d cells", n)
	}
}
