package client_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"samtykke/domain"
	"samtykke/domain/client"
	. "samtykke/domain/domaintest"
	"samtykke/domain/rules"
)

var (
	decider = client.Decider(rules.All)
	start   = Noon("2026-01-05")
	yesDay  = Noon("2026-01-12")
	asked   = domain.MustDate("2026-06-15").Start() // 22 weeks
	lapses  = domain.MustDate("2026-07-14").Start() // 26 weeks and a day
	idle    = domain.MustDate("2027-01-13").Start() // 12 months and a day after the yes
)

const rule = "assistert-selvhjelp/2"

func act(a domain.Act, b client.Body) client.Event {
	return client.Event{Act: a, Effective: a.At, Rule: rule, Body: b}
}

// due is an event that time brought at the instant, written down at another.
func due(effective, recorded time.Time, b client.Body) client.Event {
	return client.Event{Act: AsSystem(recorded), Effective: effective, Rule: rule, Body: b}
}

func registered() []client.Event {
	return []client.Event{
		act(AsProfessional(start), client.Registered{
			Client: ClientID, Organisation: Organisation, Handle: Handle, Service: rules.AssistertSelvhjelp, Code: Code(1),
		}),
		act(AsProfessional(start), client.Labelled{Label: "LABEL-1"}),
	}
}

func granted() client.Event {
	return act(AsClient(yesDay), client.Granted{
		Occasion: client.FirstQuestion, AskOn: domain.MustDate("2026-06-15"), LapseOn: domain.MustDate("2026-07-14"),
	})
}

func past(events ...client.Event) []client.Event { return append(registered(), events...) }

// The states that a client can be in, and the instant at which it is asked what each command does there.
var states = []struct {
	name   string
	events []client.Event
	now    time.Time
}{
	{"none", nil, Noon("2026-02-02")},
	{"unanswered", past(), Noon("2026-02-02")},
	{"declined", past(act(AsClient(yesDay), client.Declined{})), Noon("2026-02-02")},
	{"shared", past(granted()), Noon("2026-02-02")},
	{"restricted", past(granted(), act(AsClient(yesDay), client.Restricted{})), Noon("2026-02-02")},
	{"rotated", past(granted(), act(AsClient(yesDay), client.CodeRotated{Old: Code(1), New: Code(2)})), Noon("2026-02-02")},
	{"to-ask", past(granted()), asked},
	{"asked", past(granted(), due(asked, asked, client.FollowUpAsked{Grant: 3})), Noon("2026-06-20")},
	{"overdue", past(granted()), lapses},
	{"lapsed", past(granted(), due(asked, asked, client.FollowUpAsked{Grant: 3}), due(lapses, lapses, client.Lapsed{Grant: 3})), Noon("2026-08-01")},
	{"withdrawn", past(granted(), act(AsClient(Noon("2026-02-01")), client.Withdrawn{Grant: 3})), Noon("2026-02-02")},
	{"ended", past(granted(), due(asked, asked, client.FollowUpAsked{Grant: 3}), act(AsClient(Noon("2026-06-20")), client.FollowUpEnded{Grant: 3})), Noon("2026-06-21")},
	{"idle", past(act(AsClient(yesDay), client.Declined{})), idle},
	{"deactivated", past(act(AsClient(yesDay), client.Declined{}), act(AsSystem(idle), client.Deactivated{})), Noon("2027-02-01")},
}

var kinds = []client.Kind{client.Scores, client.Progress}

// What each command does in each state: a row per command, a column per state. A capital letter stands for an event, a
// small word for a refusal, a dot for nothing.
//
//	R registered and L labelled, G granted, D declined, W withdrawn, Q question asked, Y confirmed, N answered no,
//	X lapsed, C code rotated, S restricted, U restriction lifted, O looked up, K deactivated
const everything = `
                     none    unanswered declined shared   restricted rotated  to-ask   asked    overdue  lapsed   withdrawn ended    idle     deactivated
register             RL      known      known    known    known      known    known    known    known    known    known     known    known    known
log in               missing .          .        .        .          code     Q        .        QX       .        .         .        off      off
log in, wrong code   missing code       code     code     code       code     code     code     code     code     code      code     off      off
grant, first         missing G          decided  .        .          .        Q        .        decided  decided  decided   decided  decided  off
grant, settings      missing G          G        .        .          .        Q        .        QXG      G        G         G        G        off
grant, nowhere       missing decided    decided  .        .          .        Q        .        decided  decided  decided   decided  decided  off
decline              missing D          .        decided  decided    decided  decided  decided  decided  decided  decided   decided  .        off
withdraw             missing .          .        W        W          W        QW       W        QX       .        .         .        .        off
answer yes           missing unshared   unshared unasked  unasked    unasked  QY       Y        unshared unshared unshared  unshared unshared off
answer no            missing unshared   unshared unasked  unasked    unasked  QN       N        unshared unshared unshared  unshared unshared off
rotate               missing C          C        C        C          code     QC       C        QXC      C        C         C        C        off
rotate, wrong code   missing code       code     code     code       code     code     code     code     code     code      code     code     off
restrict             missing S          S        S        .          S        QS       S        QXS      S        S         S        S        off
lift restriction     missing .          .        .        U          .        Q        .        QX       .        .         .        .        off
look up              missing unshared   unshared O        unshared   O        QO       O        unshared unshared unshared  unshared unshared missing
look up, other       missing missing    missing  missing  missing    missing  missing  missing  missing  missing  missing   missing  missing  missing
look up, as client   missing missing    missing  missing  missing    missing  missing  missing  missing  missing  missing   missing  missing  missing
look up, no purpose  missing input      input    input    input      input    input    input    input    input    input     input    input    missing
look up, no kinds    missing input      input    input    input      input    input    input    input    input    input     input    input    missing
look up, odd kind    missing input      input    input    input      input    input    input    input    input    input     input    input    missing
read own             missing O          O        O        O          O        QO       O        QXO      O        O         O        O        off
read own, no kinds   missing input      input    input    input      input    input    input    input    input    input     input    input    off
read own, odd        missing input      input    input    input      input    input    input    input    input    input     input    input    off
pass time            missing .          .        .        .          .        Q        .        QX       .        .         .        K        .
grant, by another    missing yours      yours    yours    yours      yours    yours    yours    yours    yours    yours     yours    yours    yours
withdraw, by staff   missing yours      yours    yours    yours      yours    yours    yours    yours    yours    yours     yours    yours    yours
read own, by staff   missing yours      yours    yours    yours      yours    yours    yours    yours    yours    yours     yours    yours    yours
log in, by system    missing yours      yours    yours    yours      yours    yours    yours    yours    yours    yours     yours    yours    yours
`

func TestEveryCommandInEveryState(t *testing.T) {
	type asker func(time.Time) domain.Act
	other := func(a asker, change func(*domain.Act)) asker {
		return func(at time.Time) domain.Act {
			act := a(at)
			change(&act)
			return act
		}
	}
	elsewhere := other(AsProfessional, func(a *domain.Act) { a.Organisation = ID(2) })
	anotherClient := other(AsClient, func(a *domain.Act) { a.Actor = ID(0xc2) })
	settings := client.Grant{Occasion: client.Settings}
	commands := map[string]struct {
		by asker
		c  client.Command
	}{
		"register":            {AsProfessional, Registration(rules.AssistertSelvhjelp)},
		"log in":              {AsClient, client.LogIn{Code: Code(1)}},
		"log in, wrong code":  {AsClient, client.LogIn{Code: Code(9)}},
		"grant, first":        {AsClient, client.Grant{Occasion: client.FirstQuestion}},
		"grant, settings":     {AsClient, settings},
		"grant, nowhere":      {AsClient, client.Grant{}},
		"decline":             {AsClient, client.Decline{}},
		"withdraw":            {AsClient, client.Withdraw{}},
		"answer yes":          {AsClient, client.AnswerFollowUp{Yes: true}},
		"answer no":           {AsClient, client.AnswerFollowUp{}},
		"rotate":              {AsClient, client.RotateCode{Old: Code(1), New: Code(3)}},
		"rotate, wrong code":  {AsClient, client.RotateCode{Old: Code(9), New: Code(3)}},
		"restrict":            {AsClient, client.Restrict{}},
		"lift restriction":    {AsClient, client.LiftRestriction{}},
		"look up":             {AsProfessional, client.LookUp{Purpose: client.Overview, Kinds: kinds}},
		"look up, other":      {elsewhere, client.LookUp{Purpose: client.Overview, Kinds: kinds}},
		"look up, as client":  {AsClient, client.LookUp{Purpose: client.Overview, Kinds: kinds}},
		"look up, no purpose": {AsProfessional, client.LookUp{Kinds: kinds}},
		"look up, no kinds":   {AsProfessional, client.LookUp{Purpose: client.Overview}},
		"look up, odd kind":   {AsProfessional, client.LookUp{Purpose: client.Overview, Kinds: []client.Kind{client.Use, "everything"}}},
		"read own":            {AsClient, client.ReadOwn{Purpose: client.Export, Kinds: kinds}},
		"read own, no kinds":  {AsClient, client.ReadOwn{Purpose: client.Export}},
		"read own, odd":       {AsClient, client.ReadOwn{Purpose: client.Overview, Kinds: kinds}},
		"pass time":           {AsSystem, client.PassTime{}},
		"grant, by another":   {anotherClient, settings},
		"withdraw, by staff":  {AsProfessional, client.Withdraw{}},
		"read own, by staff":  {AsProfessional, client.ReadOwn{Purpose: client.Export, Kinds: kinds}},
		"log in, by system":   {AsSystem, client.LogIn{Code: Code(1)}},
	}
	lines := strings.Split(strings.Trim(everything, "\n"), "\n")
	head := strings.Fields(lines[0])
	seen := map[string]bool{}
	for _, line := range lines[1:] {
		name := strings.TrimSpace(line[:21])
		c, ok := commands[name]
		if !ok {
			t.Errorf("%s: no such command", name)
			continue
		}
		seen[name] = true
		want := strings.Fields(line[21:])
		for i, s := range states {
			if head[i] != s.name {
				t.Fatalf("column %d is %s, not %s", i, s.name, head[i])
			}
			events, err := Of(t, decider).Given(s.events...).When(c.by(s.now), c.c).Result()
			if got := inShort(events, err); got != want[i] {
				t.Errorf("%s, when %s: %s, expected %s", name, s.name, got, want[i])
			}
		}
	}
	for name := range commands {
		if !seen[name] {
			t.Errorf("%s: no row in the table", name)
		}
	}
}

func inShort(events []client.Event, err error) string {
	if err != nil {
		short := map[string]string{
			client.NotRegistered: "missing", client.AlreadyKnown: "known", client.NotYours: "yours", client.NoSuchService: "service",
			client.BadInput: "input", client.WrongCode: "code", client.IsDeactivated: "off", client.AlreadyDecided: "decided",
			client.NothingAsked: "unasked", client.NotShared: "unshared",
		}
		return short[domain.Refused(err)]
	}
	letters := ""
	for _, e := range events {
		switch e.Body.(type) {
		case client.Registered:
			letters += "R"
		case client.Labelled:
			letters += "L"
		case client.Granted:
			letters += "G"
		case client.Declined:
			letters += "D"
		case client.Withdrawn:
			letters += "W"
		case client.FollowUpAsked:
			letters += "Q"
		case client.FollowUpConfirmed:
			letters += "Y"
		case client.FollowUpEnded:
			letters += "N"
		case client.Lapsed:
			letters += "X"
		case client.CodeRotated:
			letters += "C"
		case client.Restricted:
			letters += "S"
		case client.RestrictionLifted:
			letters += "U"
		case client.LookedUp:
			letters += "O"
		case client.Deactivated:
			letters += "K"
		default:
			letters += fmt.Sprintf("(%T)", e.Body)
		}
	}
	if letters == "" {
		return "."
	}
	return letters
}
