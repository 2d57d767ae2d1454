package main

import (
	"encoding/json"
	"strings"
	"testing"

	"samtykke/adapters/web/api"
	"samtykke/domain"
	"samtykke/domain/organisation"
)

// Whoever is added twice is noticed by the identity number, which is shown to nobody, in no answer and no refusal.
//
// shows C04
func TestIdentityNumber(t *testing.T) {
	o, people := everyRole(t)
	super := people[domain.RoleSuperuser]
	add := func(email, number string) (added api.Added, err error) {
		in := api.AddProfessional{IdentityNumber: number, Details: api.Details{
			FirstName: "Kari", LastName: "Lie", Workplace: "Fjord", Position: "psykolog", Phone: "22 00 00 00", Email: email,
		}}
		return added, o.call(super, "POST", "/professionals", in, &added)
	}
	refusedAs := func(what string, err error, want string) {
		t.Helper()
		if domain.Refused(err) != want || err != nil && strings.Contains(err.Error(), theirNumber[:6]) {
			t.Errorf("%s: %v", what, err)
		}
	}
	kari, err := add("kari@example.org", theirNumber)
	refusedAs("the first time", err, "")
	_, err = add("kari.lie@example.org", theirNumber[:6]+" "+theirNumber[6:])
	refusedAs("the same number", err, organisation.AlreadyKnown)
	_, err = add("kari.lie@example.org", theirNumber[:10]+"5")
	refusedAs("no identity number", err, organisation.BadInput)
	other, err := add("per.lie@example.org", "")
	refusedAs("no number", err, "")
	correct := func(number string) error {
		in := api.CorrectProfessional{IdentityNumber: number, Details: api.Details{
			FirstName: "Per", LastName: "Lie", Workplace: "Fjord", Position: "lege", Phone: "22 00 00 00", Email: "per.lie@example.org",
		}}
		return o.call(super, "PUT", "/professionals/"+other.Professional.String()+"/details", in, nil)
	}
	refusedAs("a correction to the number of somebody else", correct(theirNumber), organisation.AlreadyKnown)
	refusedAs("a correction", correct(otherNumber), "")
	_, err = add("pia@example.org", otherNumber)
	refusedAs("the corrected number", err, organisation.AlreadyKnown)
	refusedAs("leaving", o.call(super, "POST", "/professionals/"+kari.Professional.String()+"/deactivation", nil, nil), "")
	_, err = add("kari.lie@example.org", theirNumber)
	refusedAs("added anew after leaving", err, "")

	var list json.RawMessage
	refusedAs("the list", o.call(super, "GET", "/professionals", nil, &list), "")
	if strings.Contains(string(list), "dentity") || strings.Contains(string(list), theirNumber[:6]) || strings.Contains(string(list), "hash") {
		t.Errorf("the list shows it: %s", list)
	}
	o.log.secret(theirNumber, otherNumber)
}
