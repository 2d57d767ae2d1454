package main

import (
	"strings"
	"testing"

	"samtykke/adapters/keyring"
)

// A quick run prints every line of the tree, the sealing, proofs and verify, and holds each aim.
func TestBenchProof(t *testing.T) {
	held := map[string]int{}
	for _, l := range quickLines(t, "--proof") {
		if l.Figure <= 0 || (l.Yardstick != 0) != (l.Against != "") {
			t.Errorf("%s, %s: %+v", l.Section, l.What, l)
		}
		section, _, _ := strings.Cut(l.Section, ",")
		if held[section] += 0; l.Aim != "" {
			held[section]++
		}
	}
	for section, want := range map[string]int{"look-ups": 8, "proofs": 1, "verify": 1} {
		if got, ok := held[section]; !ok || got != want {
			t.Errorf("%s: %d aims, expected %d", section, got, want)
		}
	}
}

// A quick run erases, sweeps and asks.
func TestBenchErasure(t *testing.T) {
	lines := quickLines(t, "--erasure")
	aims := 0
	for _, l := range lines {
		if l.Figure <= 0 {
			t.Errorf("%s, %s: %+v", l.Section, l.What, l)
		}
		if l.Aim != "" {
			aims++
		}
	}
	if len(lines) != 5 || aims != 4 {
		t.Errorf("%d lines, %d aims", len(lines), aims)
	}
}

// Keys that do not seal give what is as long as what is sealed, and give it back.
func TestPlainKeys(t *testing.T) {
	s, err := plainKeys{}.Sealer(t.Context(), keyring.Owner{})
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := s.Seal([]byte("text"), nil)
	if err != nil || len(sealed) != 4+keyring.Overhead {
		t.Fatalf("%d bytes, %v", len(sealed), err)
	}
	if b, err := s.Open(sealed, nil); err != nil || string(b) != "text" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := s.Open(nil, nil); err == nil {
		t.Error("nothing was opened")
	}
}
