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
	{"questioned", past(granted(), lookedUp(), questioned(4)), Noon("2026-02-02")},
	{"erased", erased(), Noon("2026-02-02")},
	{"key-gone", erased(client.KeyDestroyed{}), Noon("2026-02-02")},
	{"swept", erased(client.KeyDestroyed{}, client.Swept{Records: 2}), Noon("2026-02-02")},
}

func lookedUp() client.Event {
	return act(AsProfessional(Noon("2026-01-20")), client.LookedUp{Basis: client.ByGrant, Purpose: client.Effect, Kinds: kinds, Grant: 3})
}

func questioned(version uint64) client.Event {
	return act(AsClient(Noon("2026-01-21")), client.LookUpQuestioned{LookUp: version, By: Professional})
}

// erased is the past of a client who shared, was looked up, and was erased, with what the system recorded about it.
func erased(then ...client.Body) []client.Event {
	events := past(granted(), lookedUp(), act(AsClient(Noon("2026-02-01")), client.Erased{Organisation: Organisation}))
	for _, b := range then {
		events = append(events, act(AsSystem(Noon("2026-02-01")), b))
	}
	return events
}

var kinds = []client.Kind{client.Scores, client.Progress}

// What each command does in each state: a row per command, a column per state. A capital letter stands for an event, a
// small word for a refusal, a dot for nothing; ? question about a look-up, V review, E erased, ! key destroyed, ~ swept.
//
//	R registered and L labelled, G granted, D declined, W withdrawn, Q question asked, Y confirmed, N answered no,
//	X lapsed, C code rotated, S restricted, U restriction lifted, O looked up, K deactivated
const everything = `
                     none    unanswered declined shared   restricted rotated  to-ask   asked    overdue  lapsed   withdrawn ended    idle     deactivated questioned erased   key-gone swept
register             RL      known      known    known    known      known    known    known    known    known    known     known    known    known       known      known    known    known
log in               missing .          .        .        .          code     Q        .        QX       .        .         .        off      off         .          off      off      off
log in, wrong code   missing code       code     code     code       code     code     code     code     code     code      code     off      off         code       off      off      off
grant, first         missing G          decided  .        .          .        Q        .        decided  decided  decided   decided  decided  off         .          off      off      off
grant, settings      missing G          G        .        .          .        Q        .        QXG      G        G         G        G        off         .          off      off      off
grant, nowhere       missing decided    decided  .        .          .        Q        .        decided  decided  decided   decided  decided  off         .          off      off      off
decline              missing D          .        decided  decided    decided  decided  decided  decided  decided  decided   decided  .        off         decided    off      off      off
withdraw             missing .          .        W        W          W        QW       W        QX       .        .         .        .        off         W          off      off      off
answer yes           missing unshared   unshared unasked  unasked    unasked  QY       Y        unshared unshared unshared  unshared unshared off         unasked    off      off      off
answer no            missing unshared   unshared unasked  unasked    unasked  QN       N        unshared unshared unshared  unshared unshared off         unasked    off      off      off
rotate               missing C          C        C        C          code     QC       C        QXC      C        C         C        C        off         C          off      off      off
rotate, wrong code   missing code       code     code     code       code     code     code     code     code     code      code     code     off         code       off      off      off
restrict             missing S          S        S        .          S        QS       S        QXS      S        S         S        S        off         S          off      off      off
lift restriction     missing .          .        .        U          .        Q        .        QX       .        .         .        .        off         .          off      off      off
look up              missing unshared   unshared O        unshared   O        QO       O        unshared unshared unshared  unshared unshared missing     O          missing  missing  missing
look up, other       missing missing    missing  missing  missing    missing  missing  missing  missing  missing  missing   missing  missing  missing     missing    missing  missing  missing
look up, as client   missing missing    missing  missing  missing    missing  missing  missing  missing  missing  missing   missing  missing  missing     missing    missing  missing  missing
look up, no purpose  missing input      input    input    input      input    input    input    input    input    input     input    input    missing     input      missing  missing  missing
look up, no kinds    missing input      input    input    input      input    input    input    input    input    input     input    input    missing     input      missing  missing  missing
look up, odd kind    missing input      input    input    input      input    input    input    input    input    input     input    input    missing     input      missing  missing  missing
read own             missing O          O        O        O          O        QO       O        QXO      O        O         O        O        off         O          off      off      off
read own, no kinds   missing input      input    input    input      input    input    input    input    input    input     input    input    off         input      off      off      off
read own, odd        missing input      input    input    input      input    input    input    input    input    input     input    input    off         input      off      off      off
pass time            missing .          .        .        .          .        Q        .        QX       .        .         .        K        .           .          .        .        .
grant, by another    missing yours      yours    yours    yours      yours    yours    yours    yours    yours    yours     yours    yours    yours       yours      yours    yours    yours
withdraw, by staff   missing yours      yours    yours    yours      yours    yours    yours    yours    yours    yours     yours    yours    yours       yours      yours    yours    yours
read own, by staff   missing yours      yours    yours    yours      yours    yours    yours    yours    yours    yours     yours    yours    yours       yours      yours    yours    yours
log in, by system    missing yours      yours    yours    yours      yours    yours    yours    yours    yours    yours     yours    yours    yours       yours      yours    yours    yours
erase                missing E          E        E        E          E        QE       E        QXE      E        E         E        E        off         E          off      off      off
erase, by another    missing yours      yours    yours    yours      yours    yours    yours    yours    yours    yours     yours    yours    yours       yours      yours    yours    yours
erase, by superuser  missing yours      yours    yours    yours      yours    yours    yours    yours    yours    yours     yours    yours    yours       yours      yours    yours    yours
erase, by system     missing yours      yours    yours    yours      yours    yours    yours    yours    yours    yours     yours    yours    yours       yours      yours    yours    yours
key destroyed        missing unerased   unerased unerased unerased   unerased unerased unerased unerased unerased unerased  unerased unerased unerased    unerased   !        .        .
key, by client       missing yours      yours    yours    yours      yours    yours    yours    yours    yours    yours     yours    yours    yours       yours      yours    yours    yours
swept                missing unerased   unerased unerased unerased   unerased unerased unerased unerased unerased unerased  unerased unerased unerased    unerased   unerased ~        .
swept, by employee   missing yours      yours    yours    yours      yours    yours    yours    yours    yours    yours     yours    yours    yours       yours      yours    yours    yours
question 4           missing unseen     unseen   unseen   ?          ?        Q?       ?        QX?      ?        ?         ?        unseen   off         .          off      off      off
question, by staff   missing yours      yours    yours    yours      yours    yours    yours    yours    yours    yours     yours    yours    yours       yours      yours    yours    yours
question 0           missing unseen     unseen   unseen   unseen     unseen   unseen   unseen   unseen   unseen   unseen    unseen   unseen   off         unseen     off      off      off
question 99          missing unseen     unseen   unseen   unseen     unseen   unseen   unseen   unseen   unseen   unseen    unseen   unseen   off         unseen     off      off      off
question nobody      missing unseen     unseen   unseen   unseen     unseen   unseen   unseen   unseen   unseen   unseen    unseen   unseen   off         unseen     off      off      off
review 4             missing unseen     unseen   unseen   V          V        QV       V        QXV      V        V         V        unseen   V           V          V        V        V
review, by staff     missing yours      yours    yours    yours      yours    yours    yours    yours    yours    yours     yours    yours    yours       yours      yours    yours    yours
review, by client    missing yours      yours    yours    yours      yours    yours    yours    yours    yours    yours     yours    yours    yours       yours      yours    yours    yours
review, elsewhere    missing yours      yours    yours    yours      yours    yours    yours    yours    yours    yours     yours    yours    yours       yours      yours    yours    yours
review, by employee  missing yours      yours    yours    yours      yours    yours    yours    yours    yours    yours     yours    yours    yours       yours      yours    yours    yours
review one's own     missing unseen     unseen   unseen   own        own      own      own      own      own      own       own      unseen   own         own        own      own      own
review 99            missing unseen     unseen   unseen   unseen     unseen   unseen   unseen   unseen   unseen   unseen    unseen   unseen   unseen      unseen     unseen   unseen   unseen
review, no concern   missing unseen     unseen   unseen   input      input    input    input    input    input    input     input    unseen   input       input      input    input    input
review, odd concern  missing unseen     unseen   unseen   input      input    input    input    input    input    input     input    unseen   input       input      input    input    input
review, no outcome   missing unseen     unseen   unseen   input      input    input    input    input    input    input     input    unseen   input       input      input    input    input
again: declined      missing D          .        .        .          .        Q        .        QX       .        .         .        .        .           .          .        .        .
again: withdrawn     missing .          .        W        W          W        W        W        W        .        .         .        .        .           W          .        .        .
again: ended         missing .          .        N        N          N        N        N        N        .        .         .        .        .           N          .        .        .
again: rotated       missing C          C        C        C          .        CQ       C        CQX      C        C         C        C        C           C          .        .        .
again: restricted    missing S          S        S        .          S        SQ       S        SQX      S        S         S        S        S           S          .        .        .
again: erased        missing E          E        E        E          E        E        E        E        E        E         E        E        E           E          .        .        .
again: granted       missing .          .        .        .          .        Q        .        QX       .        .         .        .        .           .          .        .        .
again, by client     yours   yours      yours    yours    yours      yours    yours    yours    yours    yours    yours     yours    yours    yours       yours      yours    yours    yours
again, by superuser  yours   yours      yours    yours    yours      yours    yours    yours    yours    yours    yours     yours    yours    yours       yours      yours    yours    yours
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
		"erase":               {AsClient, client.Erase{}},
		"erase, by another":   {anotherClient, client.Erase{}},
		"erase, by superuser": {AsSuperuser, client.Erase{}},
		"erase, by system":    {AsSystem, client.Erase{}},
		"key destroyed":       {AsSystem, client.RecordKeyDestroyed{}},
		"key, by client":      {AsClient, client.RecordKeyDestroyed{}},
		"swept":               {AsSystem, client.RecordSwept{Records: 2}},
		"swept, by employee":  {AsEmployee, client.RecordSwept{Records: 2}},
		"question 4":          {AsClient, client.QuestionLookUp{LookUp: 4, By: Professional}},
		"question, by staff":  {AsProfessional, client.QuestionLookUp{LookUp: 4, By: Professional}},
		"question 0":          {AsClient, client.QuestionLookUp{By: Professional}},
		"question 99":         {AsClient, client.QuestionLookUp{LookUp: 99, By: Professional}},
		"question nobody":     {AsClient, client.QuestionLookUp{LookUp: 2}},
		"review 4":            {AsSuperuser, review(nil)},
		"review, by staff":    {AsProfessional, review(func(c *client.ReviewLookUp) { c.By = Superuser })},
		"review, by client":   {AsClient, review(nil)},
		"review, elsewhere":   {other(AsSuperuser, func(a *domain.Act) { a.Organisation = ID(2) }), review(nil)},
		"review, by employee": {AsEmployee, review(nil)},
		"review one's own":    {AsSuperuser, review(func(c *client.ReviewLookUp) { c.By = Superuser })},
		"review 99":           {AsSuperuser, review(func(c *client.ReviewLookUp) { c.LookUp = 99 })},
		"review, no concern":  {AsSuperuser, review(func(c *client.ReviewLookUp) { c.Concern = "" })},
		"review, odd concern": {AsSuperuser, review(func(c *client.ReviewLookUp) { c.Concern = "her name" })},
		"review, no outcome":  {AsSuperuser, review(func(c *client.ReviewLookUp) { c.Outcome = "fine" })},
		"again: declined":     {AsSystem, reapply(client.Declined{})},
		"again: withdrawn":    {AsSystem, reapply(client.Withdrawn{Grant: 3})},
		"again: ended":        {AsSystem, reapply(client.FollowUpEnded{Grant: 3})},
		"again: rotated":      {AsSystem, reapply(client.CodeRotated{Old: Code(1), New: Code(7)})},
		"again: restricted":   {AsSystem, reapply(client.Restricted{})},
		"again: erased":       {AsSystem, reapply(client.Erased{Organisation: Organisation})},
		"again: granted":      {AsSystem, reapply(client.Granted{LapseOn: domain.MustDate("2030-01-01")})},
		"again, by client":    {AsClient, reapply(client.Withdrawn{Grant: 3})},
		"again, by superuser": {AsSuperuser, reapply(client.Erased{Organisation: Organisation})},
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

// review is the review of the look-up at version 4, changed.
func review(change func(*client.ReviewLookUp)) client.Command {
	c := client.ReviewLookUp{LookUp: 4, By: Professional, Concern: client.AskedByClient, Outcome: client.InOrder}
	if change != nil {
		change(&c)
	}
	return c
}

// reapply brings back an ending of 2 February: behind every yes here, and before what time brings in some.
func reapply(b client.Body) client.Command {
	return client.Reapply{Ending: act(AsClient(Noon("2026-02-02")), b)}
}

func inShort(events []client.Event, err error) string {
	if err != nil {
		short := map[string]string{
			client.NotRegistered: "missing", client.AlreadyKnown: "known", client.NotYours: "yours", client.NoSuchService: "service",
			client.BadInput: "input", client.WrongCode: "code", client.IsDeactivated: "off", client.AlreadyDecided: "decided",
			client.NothingAsked: "unasked", client.NotShared: "unshared", client.NotErased: "unerased",
			client.NoSuchLookUp: "unseen", client.OwnLookUp: "own",
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
		case client.Erased:
			letters += "E"
		case client.KeyDestroyed:
			letters += "!"
		case client.Swept:
			letters += "~"
		case client.LookUpQuestioned:
			letters += "?"
		case client.LookUpReviewed:
			letters += "V"
		default:
			letters += fmt.Sprintf("(%T)", e.Body)
		}
	}
	if letters == "" {
		return "."
	}
	return letters
}
