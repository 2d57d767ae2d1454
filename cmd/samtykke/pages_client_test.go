package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"samtykke/adapters/web/api"
)

// arrives lets somebody in by the code at the front page, as a client comes.
func (b *browsers) arrives(name, code string) *httptest.ResponseRecorder {
	b.t.Helper()
	r := sentForm("/", url.Values{"code": {code}, "lang": {"nb"}})
	w := httptest.NewRecorder()
	b.pages.ServeHTTP(w, r)
	if cookies := w.Result().Cookies(); len(cookies) == 1 {
		b.cookies[name] = cookies[0]
	}
	if _, err := b.events(); err != nil {
		b.t.Fatal(err)
	}
	return w
}

// hiddenField finds the fields of a page's form that a person does not see.
var hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

// fills in the form on a page that was shown and sends it, with names and values in turn.
func (b *browsers) fills(name string, s shownPage, path string, fields ...string) shownPage {
	b.t.Helper()
	_, form, ok := strings.Cut(s.html, `action="`+path+`"`)
	if !ok {
		b.t.Fatalf("the page has no form for %s", path)
	}
	form, _, _ = strings.Cut(form, "</form>")
	for _, m := range hiddenField.FindAllStringSubmatch(form, -1) {
		fields = append(fields, m[1], m[2])
	}
	return b.sends(name, path, fields...)
}

// answers gives each item of a form the same answer but those named, with names and values in turn.
func answers(items int, answer string, but ...string) (fields []string) {
	for i := range items {
		fields = append(fields, "item-"+strconv.Itoa(i+1), answer)
	}
	for i := 0; i < len(but); i += 2 {
		for j := 0; j < len(fields); j += 2 {
			if fields[j] == but[i] {
				fields[j+1] = but[i+1]
			}
		}
	}
	return fields
}

// helpLines are on the page where somebody is told whom one can talk to, beyond what stands at the foot of every page.
var helpLines = []string{"Du trenger ikke være alene med dette", "hvis det er fare for liv", "legevakten, når du trenger hjelp i dag", "Mental Helses hjelpetelefon"}

// From the first login to a yes, forms, a withdrawal and a new yes.
func TestClientFromFirstLoginToANewYes(t *testing.T) {
	b := newBrowsers(t, "organisation Fjord with superuser Siri", "Siri adds Per", "Siri registers Ada")
	if w := b.arrives("Ada", strings.ToLower(b.person("Ada").code.Slip())); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/home" {
		t.Fatal(w.Code, w.Body)
	}
	b.opens("Ada", "/home").leadsTo(t, "/first-question")

	first := b.opens("Ada", "/first-question")
	first.is(t, 200, []string{"lookup.made"}, "Vil du dele med dem som følger deg opp?", "Hva Fjord ser", "<strong>utfylte skjemaer</strong>", "Nå: 0 utfylte skjemaer", "Dette ser de aldri", "Nå: 1 innlogging", "Gjelder til og med 6. juli 2026")
	s := b.fills("Ada", first, "/first-question")
	s.is(t, 422, []string{"lookup.made"}, "Velg ja eller nei", `aria-describedby="answer-error"`)
	s = b.fills("Ada", s, "/first-question", "answer", "yes")
	s.leadsTo(t, "/home?done=shared", "sharing.granted")
	b.fills("Ada", first, "/first-question", "answer", "yes").leadsTo(t, "/home?done=shared") // once more, from the page before: nothing changes
	b.opens("Ada", "/home?done=shared").is(t, 200, []string{"lookup.made"}, "Du deler nå.", "Du deler med Fjord til og med 6. juli 2026")
	b.opens("Ada", "/first-question").leadsTo(t, "/home", "lookup.made")

	// a questionnaire that there are no official words for in bokmål is offered in English
	b.opens("Ada", "/forms/phq-9").is(t, 200, nil, "Skjemaet finnes ikke på bokmål her ennå", "/forms/phq-9?wording=en")
	form := b.opens("Ada", "/forms/phq-9?wording=en")
	form.is(t, 200, nil, `<legend lang="en">1. Little interest or pleasure in doing things</legend>`)
	s = b.fills("Ada", form, "/forms/phq-9", "item-1", "2", "item-9", "7")
	s.is(t, 422, nil, "8 spørsmål er ikke besvart", `href="#item-9-0"`, `aria-describedby="item-9-error"`, `id="item-1-2" name="item-1" value="2" checked`)
	sent := answers(9, "1", "item-9", "2")
	b.fills("Ada", form, "/forms/phq-9", sent...).leadsTo(t, "/forms/phq-9/result?done=form-sent", "journal.assessed")
	b.fills("Ada", form, "/forms/phq-9", sent...).leadsTo(t, "/forms/phq-9/result?done=form-sent") // sent twice, done once
	s = b.opens("Ada", "/forms/phq-9/result")
	s.is(t, 200, []string{"lookup.made"}, append(helpLines, "Poengsummen din er 10 av 27", "moderate plager")...)
	s = b.opens("Ada", "/home")
	s.is(t, 200, []string{"lookup.made"}, append(helpLines, "10 av 27", `<svg class="chart"`)...)

	// the notice goes when the questionnaire is answered otherwise
	b.fills("Ada", b.opens("Ada", "/forms/phq-9?wording=en"), "/forms/phq-9", answers(9, "0")...).leadsTo(t, "/forms/phq-9/result?done=form-sent", "journal.assessed")
	b.opens("Ada", "/home").saysNot(t, helpLines...)
	b.opens("Ada", "/forms/phq-9/result").saysNot(t, helpLines...)
	b.fills("Ada", b.opens("Ada", "/forms/check-in"), "/forms/check-in", answers(4, "10")...).leadsTo(t, "/forms/check-in/result?done=form-sent", "journal.assessed")
	b.opens("Ada", "/forms/check-in/result").is(t, 200, []string{"lookup.made"}, "40 av 40", "Høyere er bedre")

	// a withdrawal is in force when it is answered, and shows the way back
	handle := b.person("Ada").handle.String()
	b.sends("Per", "/overview", "show", "yes").is(t, 200, []string{"lookup.made"}, handle)
	stop := b.opens("Ada", "/settings/sharing")
	stop.is(t, 200, []string{"lookup.made"}, "Slutt å dele nå")
	b.fills("Ada", stop, "/settings/sharing").leadsTo(t, "/settings?done=withdrawn", "sharing.withdrawn")
	b.sends("Per", "/overview", "show", "yes").is(t, 200, nil, "Deler ikke")
	b.opens("Ada", "/settings?done=withdrawn").is(t, 200, nil, "Delingen er stoppet.", "Del igjen")
	again := b.opens("Ada", "/settings/sharing")
	again.is(t, 200, []string{"lookup.made"}, "Vil du dele med dem som følger deg opp?", "Ja, jeg vil dele")
	b.fills("Ada", again, "/settings/sharing").leadsTo(t, "/settings?done=shared", "sharing.granted")
	b.fills("Ada", stop, "/settings/sharing").leadsTo(t, "/settings?done=withdrawn") // an old page sent again does nothing
	b.opens("Ada", "/settings").is(t, 200, nil, "Du deler med Fjord")

	log := b.opens("Ada", "/settings/look-ups")
	log.is(t, 200, []string{"lookup.made"}, "1 oppslag", "Fjord", "Oversikten over klientene", "utfylte skjemaer, framgang i programmet", "fikk se", "Selv har du lest opplysningene dine")
}

// The question about follow-up says what each answer leads to and when.
func TestClientIsAskedAboutFollowUp(t *testing.T) {
	b := newBrowsers(t, "organisation Fjord with superuser Siri", "Siri registers Ada", "Ada logs in", "Ada answers yes to the first question")
	b.opens("Ada", "/follow-up").leadsTo(t, "/home", "lookup.made")
	b.play("at 2026-06-15 09:00", "time passes")
	b.comes("Ada", b.person("Ada").caller)
	b.opens("Ada", "/home").is(t, 200, []string{"lookup.made"}, "Får du fortsatt oppfølging?", `href="/follow-up"`, "6. juli 2026")
	s := b.opens("Ada", "/follow-up")
	s.is(t, 200, []string{"lookup.made"}, "deler du til og med 14. desember 2026", "Vi spør igjen fra 16. november 2026", "deler du til og med 6. juli 2026")
	b.fills("Ada", s, "/follow-up").is(t, 422, []string{"lookup.made"}, "Velg ja eller nei")
	b.fills("Ada", s, "/follow-up", "answer", "yes").leadsTo(t, "/home?done=goes-on", "follow-up.confirmed")
	b.fills("Ada", s, "/follow-up", "answer", "no").is(t, 409, nil, "Det er ikke noe spørsmål å svare på nå") // from the page before
}

// A new code replaces the old one when it is typed back, and not before.
func TestClientTakesANewCode(t *testing.T) {
	b := newBrowsers(t, "organisation Fjord with superuser Siri", "Siri registers Ada", "Ada logs in", "Ada answers yes to the first question")
	ada := b.person("Ada")
	old := ada.code.Slip()
	b.arrives("Ada", old)
	b.arrives("Ada elsewhere", old)
	front := b.opens("Ada", "/settings/code")
	once := b.fills("Ada", front, "/settings/code")
	s := b.fills("Ada", front, "/settings/code") // pressed twice
	if once.html != s.html {
		t.Error("the page that is left standing shows another code than the first")
	}
	s.is(t, 200, nil, "Her er den nye koden", "Den gamle koden virker fortsatt", "<noscript>")
	if csp := s.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "script-src 'self'") || !strings.HasPrefix(csp, "default-src 'none'") {
		t.Error(csp)
	}
	code := regexp.MustCompile(`id="new-code" class="code">([^<]*)<`).FindStringSubmatch(s.html)[1]
	b.log.secret(code, old)

	b.opens("Ada elsewhere", "/settings").is(t, 200, nil)
	confirm := b.opens("Ada", "/settings/code/confirmation")
	confirm.saysNot(t, code)
	wrong := b.fills("Ada", confirm, "/settings/code/confirmation", "code", old)
	wrong.is(t, 422, nil, "Det var ikke den nye koden", `aria-invalid="true"`)
	wrong.saysNot(t, old)
	b.fills("Ada", wrong, "/settings/code/confirmation", "code", strings.ToLower(code)).leadsTo(t, "/settings?done=code-changed", "code.rotated")
	b.opens("Ada", "/settings?done=code-changed").is(t, 200, nil, "Den nye koden gjelder nå", "Du deler med Fjord")
	if s := b.opens("Ada elsewhere", "/settings"); s.Code != http.StatusUnauthorized {
		t.Error("the other session goes on:", s.Code)
	}
	if w := b.arrives("Ada elsewhere", old); w.Code != http.StatusUnauthorized {
		t.Error("the old code lets in:", w.Code)
	}
	if w := b.arrives("Ada elsewhere", code); w.Code != http.StatusSeeOther {
		t.Error("the new code does not let in:", w.Code)
	}
	b.opens("Siri", "/overview").is(t, 200, nil, ada.label)

	// the reading of A07: shared, changed and not shared
	b.opens("Ada", "/settings").is(t, 200, nil, "Når er dette personopplysninger?", "regnes opplysningene som anonyme for virksomheten")
	b.opens("Ada", "/settings/data").is(t, 200, []string{"lookup.made"}, "For Fjord er dette personopplysninger nå, fordi du deler.")
	b.fills("Ada", b.opens("Ada", "/settings/sharing"), "/settings/sharing").leadsTo(t, "/settings?done=withdrawn", "sharing.withdrawn")
	b.opens("Ada", "/settings/data").is(t, 200, []string{"lookup.made"}, "For Fjord regnes dette som anonymt nå")
}

// Text that tells who somebody is comes back to be mended, and nothing is kept.
func TestClientTextThatTellsWho(t *testing.T) {
	b := newBrowsers(t, "organisation Fjord with superuser Siri", "Siri registers Ada", "Ada logs in", "Ada answers no to the first question")
	const typed = "Ring meg på 912 34 567."
	b.log.secret(typed)
	form := b.opens("Ada", "/settings/correction")
	form.is(t, 200, []string{"lookup.made"}, "innen 7 virkedager. Sender du i dag, er det innen 14. januar 2026.")
	s := b.fills("Ada", form, "/settings/correction", "text", typed)
	s.is(t, 422, []string{"lookup.made"}, "Slikt lagrer vi ikke", typed, `aria-describedby="text-hint text-error" aria-invalid="true"`)
	b.fills("Ada", s, "/settings/correction", "text", " ").is(t, 422, []string{"lookup.made"}, "Skriv hva som er feil.")
	b.fills("Ada", s, "/settings/correction", "text", "Datoen er feil.").leadsTo(t, "/settings/correction?done=correction-asked", "journal.correction-asked")
	b.opens("Ada", "/settings/correction?done=correction-asked").is(t, 200, []string{"lookup.made"}, "Datoen er feil.", "Gjøres vanligvis innen 14. januar 2026.")
	b.play("at 2026-01-15 09:00")
	b.comes("Ada", b.person("Ada").caller)
	b.opens("Ada", "/settings/correction").is(t, 200, []string{"lookup.made"}, "Skulle vanligvis vært gjort innen 14. januar 2026")

	s = b.fills("Ada", b.opens("Ada", "/feedback"), "/feedback", "text", typed, "form", "evaluation", "stars", "4")
	s.is(t, 422, nil, "Slikt lagrer vi ikke", typed, `<option value="4" selected>`)
	b.fills("Ada", s, "/feedback", "text", "Mørkere farger, takk.", "form", "suggest-changes").leadsTo(t, "/feedback?done=feedback&lang=nb", "feedback.given")
}

// Feedback is open to whoever comes.
func TestFeedbackByAnybody(t *testing.T) {
	b := newBrowsers(t)
	b.cookies["Nobody"] = &http.Cookie{Name: "other", Value: "1"}
	s := b.opens("Nobody", "/feedback?lang=nn")
	s.is(t, 200, nil, "Tilbakemelding", "Kor nøgd er du?", "ikkje noko om kven du er")
	fields := []string{"text", "Fin teneste.", "form", "evaluation", "stars", "5"}
	b.fills("Nobody", s, "/feedback", fields...).leadsTo(t, "/feedback?done=feedback&lang=nn", "feedback.given")
	b.fills("Nobody", s, "/feedback", fields...).leadsTo(t, "/feedback?done=feedback&lang=nn") // sent twice, done once
	b.opens("Nobody", "/feedback?done=feedback&lang=nn").is(t, 200, nil, "Takk for tilbakemeldinga.")
	b.opens("Nobody", "/home").is(t, 401, nil)
}

// What is stored is shown, and taken out as a file.
func TestClientSeesEverythingStored(t *testing.T) {
	b := newBrowsers(t, threeClients...)
	b.play("Siri sends Ada sleep", "at 2026-01-06 09:00")
	b.comes("Ada", b.person("Ada").caller)
	s := b.opens("Ada", "/settings/data")
	s.is(t, 200, []string{"lookup.made"}, "2 2 2 2 2 2 2 2 1", "Jeg sov bedre.", "part-1/thoughts", "Søvn", "4 av 5", "For Fjord er dette personopplysninger nå, fordi du deler.", "Ja til å dele", "av 7. september 2025, bokmål")
	s.saysNot(t, "client.", "sharing.granted")

	file := b.fills("Ada", b.opens("Ada", "/settings/export"), "/settings/export")
	file.is(t, 200, []string{"lookup.made"})
	if got := file.Header().Get("Content-Disposition"); got != `attachment; filename="samtykke-2026-01-06.json"` {
		t.Error(got)
	}
	var own api.OwnExport
	if err := json.Unmarshal([]byte(file.html), &own); err != nil || len(own.Entries) == 0 || len(own.History) == 0 || len(own.LookUps) == 0 {
		t.Errorf("%v, %d entries, %d of history, %d look-ups", err, len(own.Entries), len(own.History), len(own.LookUps))
	}

	home := b.opens("Ada", "/home")
	home.is(t, 200, []string{"lookup.made"}, "Søvn", "Sendt til deg 5. januar 2026")
	b.fills("Ada", home, "/content/opened").leadsTo(t, "/programme?done=content-opened#sleep", "journal.content-opened")
	b.fills("Ada", b.opens("Ada", "/home"), "/content/finished").leadsTo(t, "/home?done=content-finished", "journal.content-finished")
	b.opens("Ada", "/home").saysNot(t, "Sendt til deg")
}

// The programme is read part by part; it is written about, rated and finished where it stands, and the first page goes on from there.
func TestClientGoesThroughTheProgramme(t *testing.T) {
	b := newBrowsers(t, "organisation Fjord with superuser Siri", "Siri registers Ada", "Ada logs in", "Ada answers no to the first question")
	home := b.opens("Ada", "/home")
	home.is(t, 200, []string{"lookup.made"}, "Neste del av programmet", "Kom i gang", `href="/programme"`)
	s := b.opens("Ada", "/programme")
	s.is(t, 200, []string{"lookup.made"}, "0 av 8 deler er ferdige.", "Søvndagbok")
	s.saysNot(t, "Tenk gjennom hva du gjerne vil ha mer av", "/programme/answers")
	b.fills("Ada", home, "/content/opened").leadsTo(t, "/programme?done=content-opened#start", "journal.content-opened")
	b.opens("Ada", "/home").is(t, 200, []string{"lookup.made"}, "Her slapp du sist", `href="/programme#start"`)
	s = b.opens("Ada", "/programme")
	s.is(t, 200, []string{"lookup.made"}, "Tenk gjennom hva du gjerne vil ha mer av", "<details open>", "påbegynt", "Deler du, kan fagpersonene lese det.")

	const typed = "Ring meg på 912 34 567."
	b.log.secret(typed)
	s = b.fills("Ada", s, "/programme/answers", "text", typed)
	s.is(t, 422, []string{"lookup.made"}, "Slikt lagrer vi ikke", typed, `aria-describedby="start-hint start-error" aria-invalid="true"`)
	b.fills("Ada", s, "/programme/answers", "text", " ").is(t, 422, []string{"lookup.made"}, "Skriv noe før du lagrer.")
	b.fills("Ada", s, "/programme/answers", "text", "Mer ro om kvelden.").leadsTo(t, "/programme?done=answer-saved#start", "journal.answered")
	b.fills("Ada", s, "/programme/ratings", "stars", "4").leadsTo(t, "/programme?done=rated#start", "journal.rated")
	b.fills("Ada", s, "/programme/ratings").leadsTo(t, "/programme")
	b.sends("Ada", "/programme/answers", "content", "part-1", "text", "x").leadsTo(t, "/programme")
	b.opens("Ada", "/programme").is(t, 200, []string{"lookup.made"}, "Mer ro om kvelden.", "Du ga 4 av 5.")
	b.fills("Ada", s, "/content/finished").leadsTo(t, "/home?done=content-finished", "journal.content-finished")
	b.opens("Ada", "/home").is(t, 200, []string{"lookup.made"}, "Neste del av programmet", "Se sammenhengen")
	b.opens("Ada", "/programme").is(t, 200, []string{"lookup.made"}, "1 av 8 deler er ferdige.")
}

// Whoever comes for the first time is told what this is, who sees what, how to come in, and whom to call.
func TestFrontPageTellsWhatThisIs(t *testing.T) {
	b := newBrowsers(t)
	b.cookies["Nobody"] = &http.Cookie{Name: "other", Value: "1"}
	for lang, says := range map[string][]string{
		"nb": {"Selvhjelp på nett, med oppfølging", "Logg inn med kode", "Uten ja fra deg ser ingen fagperson noe", "Har du ikke fått noen kode?"},
		"nn": {"Sjølvhjelp på nett, med oppfølging", "Utan ja frå deg ser ingen fagperson noko"},
		"en": {"Self-help online, with follow-up", "Without a yes from you, no professional sees anything"},
	} {
		b.opens("Nobody", "/?lang="+lang).is(t, 200, nil, append(says, "tel:113", "tel:116117", "tel:116123", `href="/feedback?lang=`+lang+`"`)...)
	}
}

// Restriction and language are changed under Settings.
func TestClientSettings(t *testing.T) {
	b := newBrowsers(t, "organisation Fjord with superuser Siri", "Siri registers Ada", "Ada logs in", "Ada answers yes to the first question")
	s := b.opens("Ada", "/settings")
	b.fills("Ada", s, "/settings/restriction").leadsTo(t, "/settings?done=restricted", "client.restricted")
	s = b.opens("Ada", "/settings?done=restricted")
	s.is(t, 200, nil, "Opphev stansen", "Du har stanset all bruk", "gjelder igjen når du opphever stansen")
	b.opens("Ada", "/home").is(t, 200, []string{"lookup.made"}, "Du har stanset all bruk", "Delingen med Fjord står til og med 6. juli 2026")
	b.fills("Ada", s, "/settings/restriction").leadsTo(t, "/settings?done=restriction-lifted", "client.restriction-lifted")
	b.fills("Ada", s, "/settings/language", "lang", "en").leadsTo(t, "/settings?done=language")
	b.opens("Ada", "/settings?done=language").is(t, 200, nil, `<html lang="en">`, "The language has been changed.")
	b.opens("Ada", "/forms/phq-9").is(t, 200, nil, "Little interest or pleasure in doing things")
}

// Only the pages with notes may load a script, and none has a form that could send one.
func TestNotesStayOnTheDevice(t *testing.T) {
	b := newBrowsers(t, "organisation Fjord with superuser Siri", "Siri registers Ada", "Ada logs in", "Ada answers no to the first question")
	s := b.opens("Ada", "/notes")
	s.is(t, 200, nil, "krever JavaScript", `<script src="/assets/notes.`)
	const notes = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; script-src 'self'"
	if got := s.Header().Get("Content-Security-Policy"); got != notes {
		t.Error(got)
	}
	_, main, _ := strings.Cut(s.html, "<main")
	main, _, _ = strings.Cut(main, "</main>")
	if strings.Contains(main, "<form") || strings.Contains(main, ` name="`) {
		t.Error("the page has a form, or a field with a name, that could be sent")
	}
	for _, path := range []string{"/home", "/settings", "/forms", "/settings/code", "/settings/code/confirmation", "/feedback"} {
		if s := b.opens("Ada", path); strings.Contains(s.html, "<script") || strings.Contains(s.Header().Get("Content-Security-Policy"), "script-src") {
			t.Errorf("%s may load a script", path)
		}
	}
}
