package main

import (
	"net/http"
	"testing"

	"samtykke/adapters/ledger/ledgertest"
	"samtykke/adapters/web/api"
	"samtykke/domain/journal"
)

// A session that has ended with its password does nothing more, though whoever had it is still on the list: neither by the request that
// finds this out, nor by the next.
func TestEndedSessionWritesNothing(t *testing.T) {
	c := newClinic(t, 41, onDisk)
	before := *c.boss
	i, err := c.sys.desk.Invite(t.Context(), employee, c.rig.boss.Actor)
	c.must(err)
	c.boss = c.accept(api.Invitation{Invitation: i.Code.Slip(), Confirmation: i.Confirmation}, "Sara", c.first)
	note := func(v *visitor, text string) int {
		a, err := v.call("POST", api.Prefix+"/clients/"+c.handle.String()+"/notes", c.key(), api.WriteNote{Text: text})
		c.must(err)
		return a.status
	}
	for range 2 {
		if status := note(&before, "behind its end"); status != http.StatusUnauthorized {
			t.Errorf("a session whose password was set anew is answered %d", status)
		}
	}
	if status := note(c.boss, "in its time"); status != http.StatusOK {
		t.Errorf("the new session is answered %d", status)
	}
	var notes []string
	for _, r := range ledgertest.All(t, c.sys.store) {
		f, err := c.sys.ledger.Decode(t.Context(), &r)
		c.must(err)
		if n, ok := f.Body.(journal.NoteWritten); ok {
			notes = append(notes, n.Text)
		}
	}
	if len(notes) != 1 || notes[0] != "in its time" {
		t.Errorf("what stands is %q", notes)
	}
}
