package web

import (
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
)

// Logger writes a line of JSON for each thing that happened. Ids of the ledger, which errors may name, are put out of sight:
// whoever reads the log learns what failed, by its reference and position, and not whose data it was about. A message's UUID, of
// version 8, is none of them and is seen. Of a value that says nothing of how it is printed, such as a document, only the type is shown.
func Logger(to io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(to, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		switch a.Value.Kind() {
		case slog.KindString:
			a.Value = slog.StringValue(withoutIDs(a.Value.String()))
		case slog.KindAny:
			a.Value = slog.StringValue(withoutIDs(shown(a.Value.Any())))
		}
		return a
	}}))
}

// shown is what a value prints as, if it has a say in that.
func shown(v any) string {
	switch v.(type) {
	case error, fmt.Formatter, fmt.Stringer, []string:
		return fmt.Sprint(v)
	}
	return fmt.Sprintf("[%T]", v)
}

// ids are of any version but 8.
var ids = regexp.MustCompile(`[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-79a-fA-F][0-9a-fA-F]{3}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`)

func withoutIDs(s string) string {
	if strings.Count(s, "-") < 4 { // an id has as many; searching for one would cost more than writing the line
		return s
	}
	return ids.ReplaceAllString(s, "[id]")
}
