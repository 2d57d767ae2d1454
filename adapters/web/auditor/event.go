package auditor

import (
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"samtykke/adapters/audit"
	"samtykke/adapters/web/api"
	"samtykke/adapters/web/page"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/organisation"
	"samtykke/domain/oversight"
	"samtykke/domain/rules"
)

// readings are the words for why data are personal, or are not.
var readings = map[client.Reading]string{
	client.IdentifiableByLabel: "label", client.IdentifiableBySharing: "sharing", client.Anonymous: "anonymous",
	client.NothingLeft: "erased",
}

// event is the page that explains one event.
type event struct {
	Q        question
	Position string
	Answer   *explanation
}

var eventForm = form[event]{page.Must[event](files, "event"), "auditor.event", func(r *api.Request, q question) event {
	return event{Q: q, Position: r.Part("position")}
}}

// An explanation is an event, with what led to it.
type explanation struct {
	Said    happening
	Because string
	Causes  []happening
	Law     *rules.Row
	JSON    string
}

// A happening is an event in words.
type happening struct {
	Position            uint64
	What                string
	Name                string // in the ledger
	Recorded, Effective time.Time
	Role, Actor, Of     string
	Rule, Text          string
}

func happened(lang string, f audit.Event) happening {
	return happening{
		Position: f.Position, What: word(lang, "auditor.event.", f.Name), Name: f.Name, Recorded: f.Act.At, Effective: f.Effective,
		Role: word(lang, "auditor.role.", string(f.Act.Role)), Actor: f.Act.Actor.String(), Of: f.Act.Organisation.String(), Rule: f.Rule,
		Text: strings.TrimSpace(f.Act.Text.Name + " " + f.Act.Text.Version + " " + f.Act.Text.Language),
	}
}

func askWhy(r *api.Request) (api.Reply, error) {
	q, _, err := readQuestion(r)
	if err != nil {
		return eventForm.again(r, q, err)
	}
	position, _ := strconv.ParseUint(r.Part("position"), 10, 64) // what is no number is a place that the ledger does not reach
	x, err := r.Why(api.Why{Reason: q.Reason, Position: position})
	if err != nil {
		return eventForm.again(r, q, err)
	}
	lang := r.Lang()
	e := &explanation{Said: happened(lang, x.Event), Because: because(lang, x), Law: x.Rule}
	for _, c := range x.Causes {
		e.Causes = append(e.Causes, happened(lang, c))
	}
	b, err := json.Marshal(x.Event, jsontext.WithIndent("  "))
	if err != nil {
		return api.Reply{}, err
	}
	e.JSON = string(b)
	return eventForm.show(r, event{Q: q, Position: r.Part("position"), Answer: e})
}

// because says what an event came of.
func because(lang string, x audit.Explanation) string {
	say := func(key page.Key, with ...any) string { return page.Say(lang, key, with...) }
	switch b := x.Event.Body.(type) {
	case client.LookedUp:
		if b.Basis == client.OwnData {
			return say("auditor.because.own-data")
		}
		return say("auditor.because.grant")
	case client.Lapsed:
		return say("auditor.because.lapse")
	case client.FollowUpAsked:
		return say("auditor.because.question")
	case client.Deactivated:
		return say("auditor.because.idle")
	case client.TermsChanged:
		return say("auditor.because.new-rule")
	case oversight.LookUpRefused:
		return say("auditor.because.refusal", "Why", word(lang, "auditor.code.", b.Reason))
	case oversight.SignInRefused:
		return say("auditor.because.refusal", "Why", word(lang, "auditor.code.", b.Reason))
	case client.KeyDestroyed, client.Swept, organisation.ProfessionalKeyDestroyed:
		return say("auditor.because.erasure")
	case client.LookUpQuestioned:
		return say("auditor.because.questioned")
	case client.LookUpReviewed, oversight.AttemptReviewed, oversight.AccessReviewed:
		return say("auditor.because.review")
	case oversight.AccessUsed:
		return say("auditor.because.access")
	case nil:
		return say("auditor.because.sealed")
	}
	if audit.Reapplied(&x.Event) {
		return say("auditor.because.reapplied")
	}
	if x.Event.Act.Role == domain.RoleSystem {
		return say("auditor.because.time")
	}
	return say("auditor.because.act", "Role", word(lang, "auditor.role.", string(x.Event.Act.Role)))
}
