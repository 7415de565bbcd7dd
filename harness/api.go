package harness

// (being written) The API that cmd/modmatrix calls:
//
//	func New(opt Options) (*Harness, error)            // Options{Store dir, Events func(Event), ToolVersion string}
//	func (h *Harness) Plan(ctx, Spec) (*Plan, error)   // resolves selectors, compiles nothing; Plan.Cells, Plan.Targets, Plan.Notices
//	func (h *Harness) Run(ctx, *Plan) (*results.Results, error) // writes everything below Spec.Out; on ctx cancel returns what there is and ctx's error
//	func (h *Harness) Shell(ctx, *Plan, io.ReadWriter) error
