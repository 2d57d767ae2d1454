package relay

import (
	"samtykke/domain/client"
)

// An Audience is whom a row's event is told.
type Audience string

const (
	Nobody       Audience = ""
	Organisation Audience = "organisation" // the client's organisation, where its overview changes
	Client       Audience = "client"       // the client, as a notice
)

// A Row says of one event whom it is told, and why, or why it is not.
type Row struct {
	Event string // its name in the catalogue, every version
	To    Audience
	Kind  Kind // of a notice; what an organisation is told follows from what its overview shows
	Why   string
}

// Reasons that hold for several events.
const (
	overview   = "the overview may show another answer from now on; which act it was is not told (law 6)"
	nothingNew = "the overview goes on showing the same answer"
	ownAct     = "the organisation did it itself, and knows the label: a message would tie the pseudonym to it"
	health     = "what a client does in the programme is for whoever looks it up under a yes (A02)"
	reader     = "a look-up shows in the client's access log, and concerns nobody else"
	internal   = "the service's own work"
	staffOnly  = "it is about somebody on an organisation's list or of the staff, by an internal id"
	review     = "oversight is on record for auditors and reviewers, and concerns nobody outside"
)

// Table is what is told to whom. Each event of the catalogue has its row.
var Table = []Row{
	{"client.registered", Nobody, "", ownAct},
	{"client.labelled", Nobody, "", "the label is sealed, and goes nowhere"},
	{"sharing.granted", Organisation, "", overview},
	{"sharing.declined", Organisation, "", overview},
	{"sharing.withdrawn", Organisation, "", overview},
	{"follow-up.asked", Client, QuestionWaits, "access lapses unless the client answers (A04)"},
	{"follow-up.confirmed", Organisation, "", overview},
	{"follow-up.ended", Organisation, "", overview},
	{"sharing.lapsed", Organisation, "", overview},
	{"sharing.terms-changed", Nobody, "", nothingNew},
	{"code.rotated", Nobody, "", "the organisation goes on seeing the old label, and never learns that there is another code (A06, law 5)"},
	{"client.restricted", Organisation, "", overview},
	{"client.restriction-lifted", Organisation, "", overview},
	{"client.deactivated", Organisation, "", overview},
	{"lookup.made", Nobody, "", reader},
	{"lookup.questioned", Nobody, "", review},
	{"lookup.reviewed", Nobody, "", review},
	{"client.erased", Organisation, "", overview},
	{"client.key-destroyed", Nobody, "", internal},
	{"client.swept", Nobody, "", internal},

	{"journal.logged-in", Nobody, "", health},
	{"journal.time-spent", Nobody, "", health},
	{"journal.content-opened", Nobody, "", health},
	{"journal.content-finished", Nobody, "", health},
	{"journal.answered", Nobody, "", health},
	{"journal.assessed", Nobody, "", health},
	{"journal.rated", Nobody, "", health},
	{"journal.correction-asked", Nobody, "", "whoever handles corrections finds them in their list"},
	{"journal.correction-made", Nobody, "", "no reply can be sent (A13)"},
	{"journal.content-sent", Client, NewContent, "a professional sent it to be found (C09)"},
	{"journal.note-written", Nobody, "", "the organisation's own notes stay with it (A15)"},
	{"feedback.given", Nobody, "", "it is linked to nobody (A14)"},

	{"organisation.registered", Nobody, "", internal},
	{"organisation.contact-recorded", Nobody, "", internal},
	{"professional.added", Nobody, "", staffOnly},
	{"professional.named", Nobody, "", staffOnly},
	{"professional.identified", Nobody, "", staffOnly},
	{"professional.role-changed", Nobody, "", staffOnly},
	{"professional.deactivated", Nobody, "", staffOnly},
	{"professional.reactivated", Nobody, "", staffOnly},
	{"professional.erased", Nobody, "", staffOnly},
	{"professional.key-destroyed", Nobody, "", internal},
	{"organisation.retention-agreed", Nobody, "", internal},
	{"organisation.names-hidden", Nobody, "", internal},
	{"organisation.access-reviewed", Nobody, "", review},
	{"organisation.helsenorge-set", Nobody, "", internal},

	{"lookup.refused", Nobody, "", review},
	{"oversight.queried", Nobody, "", review},
	{"signin.refused", Nobody, "", review},
	{"refused.reviewed", Nobody, "", review},
	{"access.opened", Nobody, "", review},
	{"access.used", Nobody, "", review},
	{"access.closed", Nobody, "", review},
	{"access.reviewed", Nobody, "", review},

	{"statistics.released", Nobody, "", "a release is handed over with its manifest"},

	{"staff.employed", Nobody, "", staffOnly},
	{"staff.named", Nobody, "", staffOnly},
	{"staff.invited", Nobody, "", staffOnly},
	{"staff.invitation-accepted", Nobody, "", staffOnly},
	{"staff.password-rehashed", Nobody, "", staffOnly},
	{"staff.signed-in", Nobody, "", staffOnly},
	{"staff.stepped-up", Nobody, "", staffOnly},
	{"staff.signed-out", Nobody, "", staffOnly},
	{"staff.declaration-signed", Nobody, "", staffOnly},
	{"staff.ended", Nobody, "", staffOnly},
}

var byEvent = func() map[string]Row {
	all := map[string]Row{}
	for _, r := range Table {
		all[r.Event] = r
	}
	return all
}()

// Shows is what the organisation's overview shows of a client: shared, or not shared and never why.
func Shows(s client.State) bool { return s.Status == client.Shared && !s.Restricted && !s.Deactivated }

// waits tells whether a notice of that kind has a point for a client in that state.
func waits(k Kind, s client.State) bool {
	if !s.Registered() || s.Deactivated || s.Restricted {
		return false
	}
	return k != QuestionWaits || s.Asked
}
