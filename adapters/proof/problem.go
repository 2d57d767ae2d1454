package proof

import (
	"fmt"
	"strings"
)

// A Problem is a place where the ledger, the tiles and the checkpoints do not agree. What does not apply is zero.
type Problem struct {
	In       string // a file of the package comment; "ledger"; "outside" for a checkpoint that was given to Verify
	Number   uint64 // of the checkpoint in checkpoints, or among those given, from 1
	Size     uint64 // of the checkpoint's tree
	Position uint64 // of the event
	What     string
	Err      error // what the disk answered
}

func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.In)
	for _, part := range []struct {
		name string
		n    uint64
	}{{"number", p.Number}, {"size", p.Size}, {"position", p.Position}} {
		if part.n > 0 {
			fmt.Fprintf(&b, ", %s %d", part.name, part.n)
		}
	}
	b.WriteString(": " + p.What)
	if p.Err != nil {
		b.WriteString(": " + p.Err.Error())
	}
	return b.String()
}

// Unwrap gives what the disk answered, if that is the problem.
func (p *Problem) Unwrap() error { return p.Err }
