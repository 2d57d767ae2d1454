package relay_test

import (
	"log/slog"
	"testing"

	"samtykke/adapters/relay"
	"samtykke/adapters/relay/relaytest"
)

func TestInProcess(t *testing.T) {
	relaytest.TestTransport(t, relaytest.Features{}, func(t *testing.T) func() relay.Transport {
		return func() relay.Transport {
			tr := relay.InProcess(slog.New(slog.DiscardHandler))
			t.Cleanup(func() {
				if err := tr.Close(); err != nil {
					t.Error(err)
				}
			})
			return tr
		}
	})
}
