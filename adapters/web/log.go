package web

import (
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
)

// Logger writes a line of JSON for each thing that happened. Ids of the ledger, which errors may name, are put out of sight:
// whoever reads the log learns what failed, by its reference and position, and not whose data it was about.
func Logger(to io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(to, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		switch a.Value.Kind() {
		case slog.KindString:
			a.Value = slog.StringValue(withoutIDs(a.Value.String()))
		case slog.KindAny:
			a.Value = slog.StringValue(withoutIDs(fmt.Sprint(a.Value.Any())))
		}
		return a
	}}))
}

var ids = regexp.MustCompile(`[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`)

func withoutIDs(s string) string {
	if strings.Count(s, "-") < 4 { // an id has as many; searching for one would cost more than writing the line
		return s
	}
	return ids.ReplaceAllString(s, "[id]")
}
