package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"

	"samtykke/eventschema"
)

// export writes all events in order as JSON, one a line: closed as the files hold them, or with sealed content opened
// where its key is there. Ciphertexts and keyed hashes are left out. It ends with the position head.
func (s *system) export(ctx context.Context, to io.Writer, head uint64, open bool, progress func(done, all uint64)) error {
	out := bufio.NewWriterSize(to, 1<<16)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	err := s.ledger.Upto(ctx, head, open, func(f *eventschema.Fact) error {
		progress(f.Position, head)
		return lines.Encode(f)
	})
	return errors.Join(err, out.Flush())
}
