package web_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"samtykke/adapters/web"
)

func TestLoggerPutsIDsOutOfSight(t *testing.T) {
	const id = "1b4e28ba-2fa1-41d2-883f-0016d3cca427"
	var b bytes.Buffer
	web.Logger(&b).Error("client-"+id+" failed", slog.String("error", "reading client-"+id+": no"), slog.Any("cause", errors.New(id)),
		slog.Group("g", slog.String("s", strings.ToUpper(id))), slog.Int("position", 7))
	if out := b.String(); strings.Contains(strings.ToLower(out), id) || strings.Count(out, "[id]") != 4 ||
		!strings.Contains(out, "reading client-[id]: no") || !strings.Contains(out, `"position":7`) {
		t.Error(out)
	}
}

// Of all versions that an id can have, a message's UUID alone is seen.
func TestLoggerShowsMessages(t *testing.T) {
	for _, version := range "0123456789abcdef" {
		id := "1b4e28ba-2fa1-" + string(version) + "1d2-883f-0016d3cca427"
		var b bytes.Buffer
		web.Logger(&b).Info("m", "about", id, "and", "client-"+strings.ToUpper(id))
		if hidden := strings.Count(b.String(), "[id]"); hidden != 2 && version != '8' || hidden != 0 && version == '8' {
			t.Errorf("of version %c: %s", version, &b)
		}
	}
}

func TestLoggerShowsNoDocument(t *testing.T) {
	type document struct{ Text string }
	var b bytes.Buffer
	for _, v := range []any{document{"jeg sover"}, &document{"jeg sover"}, []document{{"jeg sover"}}, map[string]string{"a": "jeg sover"}} {
		web.Logger(&b).Info("m", "v", v)
	}
	if out := b.String(); strings.Contains(out, "sover") || strings.Count(out, "document]") != 3 {
		t.Error(out)
	}
}
