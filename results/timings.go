package results

// Timings are wall-clock milliseconds per stage; zero means the stage did not run or came from a cache.
type Timings struct {
	Fetch   int64 `json:"fetch"`
	Build   int64 `json:"build"`
	Boot    int64 `json:"boot"`
	Restore int64 `json:"restore"`
	Load    int64 `json:"load"`
	Test    int64 `json:"test"`
	Unload  int64 `json:"unload"`
	Total   int64 `json:"total"`
}

// Objects are the files that a build had to have compiled, by what the compilers' cache noted of it.
type Objects struct {
	Compiled int `json:"compiled"`
	Reused   int `json:"reused"` // taken from earlier builds of the same module for the same kernel
}
