package results

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"testing"

	generator "github.com/invopop/jsonschema"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

var updateSchema = flag.Bool("update-schema", false, "write the schemas anew")

// published are the documents that outsiders read, each with its schema in this folder.
var published = map[string]any{"results.schema.json": &Results{}, "events.schema.json": &Event{}, "collection.schema.json": &Collection{}}

// words are the closed lists.
var words = map[reflect.Type][]any{
	reflect.TypeFor[Trust]():     anys(trusts),
	reflect.TypeFor[Use]():       anys(Uses),
	reflect.TypeFor[Status]():    anys(Statuses),
	reflect.TypeFor[Stage]():     anys(Stages),
	reflect.TypeFor[Relation]():  {Newer, Older, Same, Other},
	reflect.TypeFor[Owner]():     {"", OwnerModule, OwnerCore, OwnerOther},
	reflect.TypeFor[Code]():      anys(Codes),
	reflect.TypeFor[EventKind](): {EventPlan, EventNotice, EventStage, EventSpec, EventRecord, EventEvidence, EventFinished, EventRound},
	reflect.TypeFor[State]():     {StateStart, StateProgress, StateDone, StateCached, StateFailed},
}

func anys[T any](list []T) (all []any) {
	for _, x := range list {
		all = append(all, x)
	}
	return all
}

// The schemas are made of the types and their comments, so that there is no second list of fields to keep.
func TestSchemasArePublished(t *testing.T) {
	for name, doc := range published {
		r := &generator.Reflector{AllowAdditionalProperties: true, ExpandedStruct: true, Mapper: func(of reflect.Type) *generator.Schema {
			if list, ok := words[of]; ok {
				return &generator.Schema{Type: "string", Enum: list}
			}
			return nil
		}}
		if err := r.AddGoComments("github.com/modmatrix/modmatrix/results", "."); err != nil {
			t.Fatal(err)
		}
		schema := r.Reflect(doc)
		schema.ID, schema.Title = "", Schema
		switch name {
		case "events.schema.json":
			schema.Title = "a line of modmatrix --json"
		case "collection.schema.json":
			schema.Title = CollectionSchema
		}
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetIndent("", " ")
		enc.SetEscapeHTML(false)
		if err := enc.Encode(schema); err != nil {
			t.Fatal(err)
		}
		if *updateSchema {
			if err := os.WriteFile(name, want.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if have, err := os.ReadFile(name); err != nil || !bytes.Equal(have, want.Bytes()) {
			t.Errorf("%s is not what the types say (go test ./results -update-schema writes it anew): %v", name, err)
		}
	}
}

// valid checks a document against the published schema.
func valid(t *testing.T, name string, doc []byte) error {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(v)
}

// What is written is as the schema says, and what is not, the schema refuses.
func TestDocumentsFitTheirSchema(t *testing.T) {
	var doc bytes.Buffer
	r := everything()
	if err := r.JSON(&doc); err != nil {
		t.Fatal(err)
	}
	if err := valid(t, "results.schema.json", doc.Bytes()); err != nil {
		t.Error(err)
	}
	bad := bytes.Replace(doc.Bytes(), []byte(`"status": "PASS"`), []byte(`"status": "FINE"`), 1)
	if err := valid(t, "results.schema.json", bad); err == nil {
		t.Error("a status that nobody knows is valid")
	}
	for _, e := range []Event{{Schema: EventSchema, Kind: EventRecord, Record: &r.Records[0]}, {Schema: EventSchema, Kind: EventStage, State: StateDone, Stage: StageBoot}, {Schema: EventSchema, Kind: EventFinished, Results: r}} {
		var line bytes.Buffer
		if err := e.JSON(&line); err != nil {
			t.Fatal(err)
		}
		if err := valid(t, "events.schema.json", line.Bytes()); err != nil {
			t.Errorf("%s: %v", e.Kind, err)
		}
	}
}
