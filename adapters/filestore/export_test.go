package filestore

import "samtykke/eventschema"

// A Draft is one append of a log made by hand.
type Draft struct {
	Stream  string
	Records []eventschema.Record
}

// Forge makes a log of one segment, as the writer would have if it had taken each batch at once. It also gives the
// offset in the file of each frame, and at last of the end.
func Forge(id uint64, batches ...[]Draft) (b []byte, offsets []int) {
	x := newIndex(id)
	b = (&segment{number: 1, first: 1, prior: id}).header(id)
	for _, batch := range batches {
		begin := len(b)
		for _, d := range batch {
			offsets = append(offsets, len(b))
			h := x.head(d.Stream)
			raw := newFrame(nil, d.Stream, h.version+1, d.Records)
			place(raw, id, x.sum, len(b)-begin, x.position+1, h.offset)
			f, what := parseFrame(raw, id)
			if what == "" {
				what = x.continues(&f)
			}
			if what != "" {
				panic(what)
			}
			x.add(&f)
			b = append(b, raw...)
		}
	}
	return b, append(offsets, len(b))
}
