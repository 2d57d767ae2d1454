package client

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"samtykke/adapters/web/api"
	"samtykke/adapters/web/content"
	"samtykke/adapters/web/page"
	"samtykke/domain"
	"samtykke/domain/rules"
)

type settingsView struct {
	State state
	Asked bool
	Open  bool // the first question is open
}

var settingsPage = page.Must[settingsView](files, "settings")

func settings(r *api.Request) (api.Reply, error) {
	s, st, err := standing(r)
	if err != nil {
		return api.Reply{}, err
	}
	v := settingsView{State: st, Asked: s.Question == followUpQuestion, Open: s.Question == firstQuestionIs}
	return page.Show(settingsPage, page.NewFrame(r, "client.settings.title"), v)
}

func setLanguage(r *api.Request) (api.Reply, error) {
	r.SetLanguage()
	return api.GoTo("/settings?done=language")
}

type lookUpsView struct {
	Rows    []lookUpLine // of others, newest first
	Total   int          // of others
	Own     int          // how often the client has read its own data
	OwnLast time.Time
	Newer   int // the page with newer ones; 0: none
	Older   int // the page with older ones; 0: none
}

// A lookUpLine is one line of the access log.
type lookUpLine struct {
	At      time.Time
	Who     string // name; "" where none is known
	As      string
	Where   string
	Why     string
	Kinds   string
	Allowed bool
	Number  uint64    // by which one can ask about it; 0: one cannot
	Asked   time.Time // zero: not asked about
	Outcome string    // of the review, in words; "": none yet
}

var lookUpsPage = page.Must[lookUpsView](files, "look-ups")

// perPage is how many rows of a long list a page shows.
const perPage = 30

func lookUps(r *api.Request) (api.Reply, error) {
	all, err := r.ReadOwnLookUps(api.None{})
	if err != nil {
		return api.Reply{}, err
	}
	v, at := lookUpsView{}, 1
	if n, err := strconv.Atoi(r.Query().Get("page")); err == nil && n > 0 && n <= len(all.LookUps)/perPage+1 {
		at = n
	}
	for _, l := range slices.Backward(all.LookUps) {
		if l.Role == domain.RoleClient {
			if v.Own++; v.Own == 1 {
				v.OwnLast = l.At
			}
			continue
		}
		if v.Total++; v.Total > (at-1)*perPage && v.Total <= at*perPage {
			v.Rows = append(v.Rows, lookUpLineOf(r.Lang(), l))
		}
	}
	v.Newer = at - 1
	if v.Total > at*perPage {
		v.Older = at + 1
	}
	return page.Show(lookUpsPage, page.NewFrame(r, "client.look-ups.title"), v)
}

func lookUpLineOf(lang string, l api.OwnLookUp) lookUpLine {
	out := lookUpLine{At: l.At, Who: l.Name, As: by(lang, l.Role), Where: l.Organisation, Why: purpose(lang, l.Purpose), Allowed: l.Allowed}
	if l.Query != "" {
		out.Why = page.Say(lang, "client.look-ups.query")
	}
	out.Kinds = kinds(lang, l.Kinds)
	if l.Asked != nil {
		out.Asked = *l.Asked
	}
	if l.Outcome != "" {
		out.Outcome = page.Say(lang, page.Key("client.look-ups.outcome."+string(l.Outcome)))
	}
	out.Number = l.Number
	return out
}

type dataView struct {
	Personal    string // whether this counts as personal data by now, and why
	Forms       []formEntry
	Use         api.Used
	Minutes     int // spent
	Content     []contentEntry
	Sent        []sentEntry
	Answers     []answerEntry
	Corrections []asked
	Ratings     []ratingEntry
	Notes       []api.Note
	History     []historyLine
	LookUps     int
	About       api.Text // the wording about the processing
}

// A formEntry is a completed form with every answer.
type formEntry struct {
	Title   string
	By      string
	Answers string // one number for each item
	scored
}

type answerEntry struct {
	api.GivenAnswer
	Name, By string
}

type contentEntry struct {
	api.OpenedContent
	Name string
}

type sentEntry struct {
	api.SentContent
	Name string
}

type ratingEntry struct {
	api.GivenRating
	Name string
}

// A historyLine is one event of the client's own stream.
type historyLine struct {
	At   time.Time
	What string
	By   string
	Text string // the wording that was shown, by version and language
}

var dataPage = page.Must[dataView](files, "data")

func data(r *api.Request) (api.Reply, error) {
	_, st, err := standing(r)
	if err != nil {
		return api.Reply{}, err
	}
	own, err := r.ReadOwn(api.None{})
	if err != nil {
		return api.Reply{}, err
	}
	lang, g := r.Lang(), own.Registrations
	v := dataView{Personal: personal(lang, st, own.History), Corrections: askedFor(r, g.Corrections), Notes: g.Notes, LookUps: len(own.LookUps), About: own.About}
	if g.Use != nil {
		v.Use, v.Minutes = *g.Use, (g.Use.Seconds+30)/60
	}
	if g.Progress != nil {
		for _, c := range g.Progress.Content {
			v.Content = append(v.Content, contentEntry{c, content.Name(lang, c.Content)})
		}
		for _, x := range g.Progress.Sent {
			v.Sent = append(v.Sent, sentEntry{x, content.Name(lang, x.Content)})
		}
	}
	for _, x := range g.Ratings {
		v.Ratings = append(v.Ratings, ratingEntry{x, content.Name(lang, x.Content)})
	}
	for _, f := range slices.Backward(g.Scores) {
		v.Forms = append(v.Forms, formEntry{title(lang, f.Instrument), entered(lang, f.Entered), numbers(f), scoredOf(lang, f)})
	}
	for _, a := range slices.Backward(g.Answers) {
		v.Answers = append(v.Answers, answerEntry{a, task(lang, a.Task), entered(lang, a.Entered)})
	}
	for _, e := range slices.Backward(own.History) {
		line := historyLine{At: e.At, What: event(lang, e.Event), By: by(lang, e.By)}
		if t := e.Text; t != nil && t.Version != "" {
			shown := page.Say(lang, page.Key("client.language."+t.Language))
			line.Text = page.Say(lang, "client.data.text", "Day", page.Date(lang, day(t.Version)), "Language", shown)
		}
		v.History = append(v.History, line)
	}
	return page.Show(dataPage, page.NewFrame(r, "client.data.title"), v)
}

// personal says whether what is registered counts as personal data towards the organisation, by the reading of the privacy statement
// (A07). It informs; nothing hangs on it.
func personal(lang string, s state, history []api.Entry) string {
	key := page.Key("client.data.personal-label")
	switch {
	case s.Shared:
		key = "client.data.personal-shared"
	case slices.ContainsFunc(history, func(e api.Entry) bool { return e.Event == "code.rotated" }):
		key = "client.data.personal-anonymous"
	}
	return page.Say(lang, key, "Organisation", s.Organisation)
}

// numbers are the answers of a form in a row.
func numbers(f api.Form) string {
	var b strings.Builder
	for _, n := range f.Items {
		b.WriteString(strconv.Itoa(n) + " ")
	}
	if f.Difficulty != nil {
		b.WriteString("(" + strconv.Itoa(*f.Difficulty) + ")")
	}
	return strings.TrimSpace(b.String())
}

var exportPage = page.Must[nothing](files, "export")

func exportFront(r *api.Request) (api.Reply, error) {
	return page.Show(exportPage, page.NewFrame(r, "client.export.title"), nothing{})
}

// export hands out everything as a file.
func export(r *api.Request) (api.Reply, error) {
	own, err := r.ExportOwn(api.None{})
	if err != nil {
		return api.Reply{}, err
	}
	return page.File("samtykke-"+now(r).String()+".json", own)
}

type correctionView struct {
	Days  int         // within which a correction is normally made
	Due   domain.Date // the last of them, for one that is asked for today
	Text  string      // typed, of a form that is shown again
	Wrong bool
	Asked []asked // before, newest first
}

// asked is a correction that was asked for.
type asked struct {
	api.Correction
	Late bool // its time has passed, and it has not been made
}

// askedFor lists corrections, the newest first.
func askedFor(r *api.Request, all []api.Correction) (out []asked) {
	for _, c := range slices.Backward(all) {
		out = append(out, asked{c, c.Made == nil && c.Due < now(r)})
	}
	return out
}

var correctionPage = page.Must[correctionView](files, "correction")

func correctionOf(r *api.Request) (correctionView, error) {
	own, err := r.ReadOwn(api.None{})
	return correctionView{
		Days: rules.CorrectionDays, Due: now(r).AddWorkingDays(rules.CorrectionDays), Asked: askedFor(r, own.Registrations.Corrections),
	}, err
}

func correction(r *api.Request) (api.Reply, error) {
	v, err := correctionOf(r)
	if err != nil {
		return api.Reply{}, err
	}
	return page.Show(correctionPage, page.NewFrame(r, "client.correction.title"), v)
}

func askCorrection(r *api.Request) (api.Reply, error) {
	const title = "client.correction.title"
	typed := r.Form("text")
	var refused error
	if strings.TrimSpace(typed) != "" {
		if _, refused = r.AskCorrection(api.AskCorrection{Text: typed}); refused == nil {
			return api.GoTo("/settings/correction?done=correction-asked")
		}
	}
	v, err := correctionOf(r)
	if err != nil {
		return api.Reply{}, err
	}
	if v.Text, v.Wrong = typed, true; refused != nil {
		return page.Again(r, correctionPage, title, v, refused)
	}
	return incomplete(r, correctionPage, title, v)
}
