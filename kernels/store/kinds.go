package store

// kind is what the store must know of the entries of one kind: the rest of it does not care what they hold.
type kind struct {
	// costly: they come over the network, while others are made from them on this machine. They are evicted later.
	costly bool
	// shared: they are the same whoever asks for them, and are looked for in a shared store too. What was judged, and what
	// was made of a module, everybody makes for himself.
	shared bool
	// room is what one takes on the disk at most, in bytes, by those of Debian's kernels; 0 is usualRoom.
	room uint64
	// spare: they are no entries but folders that a source keeps for itself and fills anew at need.
	spare *spare
}

type spare struct {
	title string // of one, before its name
	lock  string // that is held by who works with one; "" is KIND.NAME
}

const usualRoom = 16 << 20

// kinds has a row for each kind about which there is something to say.
var kinds = map[string]kind{
	"apt":       {costly: true, spare: &spare{title: "index of "}},
	"bases":     {shared: true},
	"ccache":    {spare: &spare{title: "compiled files of ", lock: "source.compile"}},
	"debs":      {shared: true},
	"images":    {shared: true},
	"roots":     {costly: true, shared: true, room: 450 << 20},
	"suites":    {shared: true},
	"templates": {room: 200 << 20},
	"trees":     {costly: true, shared: true, room: 500 << 20},
}
