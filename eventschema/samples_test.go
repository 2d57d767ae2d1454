package eventschema

import (
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/rules"
	"samtykke/domain/staff"
	"samtykke/domain/statistics"
)

// canary stands in every text of a sample that somebody could have typed: where it turns up, content has leaked.
const canary = "canary"

func id(n byte) domain.ID {
	return domain.ID{n, 0x1e, 0x28, 0xba, 0x2f, 0xa1, 0x41, 0xd2, 0x88, 0x3f, 0, 0x16, 0xd3, 0xcc, 0xa4, n}
}

var (
	ask, lapse = domain.MustDate("2026-08-03"), domain.MustDate("2026-09-01")
	someKinds  = []client.Kind{client.Scores, client.Progress}
)

// samples are the bodies that new vectors are made of, one for each row in use. They are read only while a vector is
// missing: afterwards the vector is what counts.
var samples = []any{
	client.Registered{
		Client: id(0xc1), Organisation: id(0x01), Handle: id(0x8a), Service: rules.AssistertSelvhjelp,
		Code: client.CodeHash{0xde, 0xad, 31: 0xef},
	},
	client.Labelled{Label: "canary-K7M2"},
	client.Granted{Occasion: client.FirstQuestion, AskOn: ask, LapseOn: lapse},
	client.Declined{},
	client.Withdrawn{Grant: 3},
	client.FollowUpAsked{Grant: 3},
	client.FollowUpConfirmed{Grant: 3, AskOn: ask, LapseOn: lapse},
	client.FollowUpEnded{Grant: 3},
	client.Lapsed{Grant: 3},
	client.TermsChanged{Grant: 3, LapseOn: lapse},
	client.CodeRotated{Old: client.CodeHash{0xde, 0xad, 31: 0xef}, New: client.CodeHash{0xbe, 0xef, 31: 0x01}},
	client.Restricted{},
	client.RestrictionLifted{},
	client.Deactivated{},
	client.LookedUp{Basis: client.ByGrant, Purpose: client.Appointment, Kinds: someKinds, Journal: 300, Grant: 3},
	client.LookUpQuestioned{LookUp: 7, By: id(0xf1)},
	client.LookUpReviewed{LookUp: 7, By: id(0xf1), Concern: client.AskedByClient, Outcome: client.InOrder},
	client.Erased{Organisation: id(0x01)},
	client.KeyDestroyed{},
	client.Swept{Records: 41},

	journal.LoggedIn{Channel: journal.Web, Browser: "canary-Firefox", System: "canary-Android"},
	journal.TimeSpent{Content: "canary-søvn-1", Seconds: 754, Clicks: 31},
	journal.ContentOpened{Content: "canary-søvn-1"},
	journal.ContentFinished{Content: "canary-søvn-1"},
	journal.Answered{Task: "canary-task", Text: "canary: jeg sover dårlig", Entered: journal.Together},
	journal.Assessed{
		Instrument: journal.PHQ9, Items: []int{1, 2, 3, 0, 1, 2, 3, 0, 1}, Difficulty: -1, Score: 13,
		Severity: journal.Moderate, Safety: true, Entered: journal.ByClient,
	},
	journal.Rated{Content: "canary-søvn-1", Stars: 4, Comment: "canary: nyttig"},
	journal.CorrectionAsked{
		Request: id(0x71), Sender: id(0x72), About: 17, Text: "canary: feil dato", Due: domain.MustDate("2026-03-11"), Through: journal.ByClient,
	},
	journal.CorrectionMade{Request: id(0x71), Text: "canary: rettet"},
	journal.ContentSent{Content: "canary-søvn-2", Task: "canary-task"},
	journal.NoteWritten{Note: id(0x75), Draft: true, Text: "canary: kladd"},
	journal.Feedback{Form: "canary-form", Text: "canary: mer om søvn", Stars: 5},

	organisation.Registered{Organisation: id(0x01), Service: rules.Trigga},
	organisation.ContactRecorded{Source: "canary-register", Contact: organisation.Contact{
		Name: "canary Rehab AS", Number: "974760673", Person: "canary Nordmann", Email: "canary@havglimt.example", Phone: "+47 22 00 00 00",
	}},
	organisation.ProfessionalAdded{Professional: id(0xf1), Superuser: true},
	organisation.ProfessionalNamed{Professional: id(0xf1), Details: organisation.Professional{
		FirstName: "canary", LastName: "canary-Ås", Workplace: "canary-Bergen", Position: "canary-psykolog",
		Phone: "22 00 00 00", Email: "canary@havglimt.example",
	}},
	organisation.ProfessionalIdentified{Professional: id(0xf1), Identity: organisation.IdentityHash{0x1d, 31: 0xe7}},
	organisation.RoleChanged{Professional: id(0xf1), Superuser: false},
	organisation.ProfessionalDeactivated{Professional: id(0xf1)},
	organisation.ProfessionalReactivated{Professional: id(0xf1)},
	organisation.ProfessionalErased{Professional: id(0xf1)},
	organisation.ProfessionalKeyDestroyed{Professional: id(0xf1)},
	organisation.RetentionAgreed{Months: 24, Reason: "canary: instruction of the controller"},
	organisation.NamesHidden{Hidden: true},
	organisation.AccessReviewed{},
	organisation.HelsenorgeSet{By: true},

	oversight.LookUpRefused{
		Client: id(0xc1), Handle: id(0x8a), Purpose: client.Effect, Kinds: someKinds, Reason: client.NotShared,
	},
	oversight.Queried{Query: "export", About: "canary-period", Basis: oversight.Audit, Reason: "canary: yearly audit", Opened: true},
	oversight.SignInRefused{As: oversight.AsStaff, Account: id(0xf1), Reason: staff.StepUsed},
	oversight.AttemptReviewed{By: id(0xf1), Concern: client.WasRefused, Outcome: client.Deviation},

	oversight.AccessOpened{Door: oversight.Production, Reason: "canary: no answers are shown since 09:12", Minutes: 90},
	oversight.AccessUsed{What: "export", About: "canary-period"},
	oversight.AccessClosed{},
	oversight.AccessReviewed{Outcome: client.InOrder, Note: "canary: the error was found and mended"},

	statistics.Released{
		Specification: "quarterly", Version: 1, Period: "2026Q3", Position: 7,
		Tables: statistics.Hash{0xde, 0xad, 31: 0xef}, Package: statistics.Hash{0xbe, 0xef, 31: 0x01},
	},

	staff.Employed{Account: id(0xf2), Role: domain.RoleAuditor},
	staff.Named{Name: "canary Revisor", Email: "canary@revisjon.example"},
	staff.Invited{
		Account: id(0xf2), Organisation: id(0x01), Login: staff.Hash{0x10, 31: 0x1e}, Code: staff.Hash{0xc0, 31: 0xde},
		Confirmation: staff.Hash{0xcf, 31: 0xcd}, Until: domain.MustDate("2026-03-10"),
	},
	staff.Accepted{
		Code: staff.Hash{0xc0, 31: 0xde}, Password: staff.Password("$argon2id$v=19$m=19456,t=2,p=1$canarycanarycanary$canary"), Step: 59082511,
	},
	staff.Rehashed{Password: staff.Password("$argon2id$v=19$m=65536,t=2,p=1$canarycanarycanary$canary")},
	staff.SignedIn{Method: staff.PasswordOTP, Step: 59082512},
	staff.SteppedUp{Method: staff.PasswordOTP, Step: 59082513},
	staff.SignedOut{},
	staff.DeclarationSigned{},
	staff.Ended{},
}
