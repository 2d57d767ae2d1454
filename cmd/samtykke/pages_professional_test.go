package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"samtykke/adapters/desk"
	"samtykke/adapters/ledger"
	"samtykke/adapters/signin"
	"samtykke/adapters/web"
	"samtykke/adapters/web/api"
	"samtykke/adapters/web/page"
	"samtykke/adapters/web/text"
	"samtykke/domain"
	"samtykke/domain/organisation"
)

// browsers are those of people on stage: they keep a cookie and send forms.
type browsers struct {
	*overHTTP
	pages   http.Handler
	service *api.API
	cookies map[string]*http.Cookie
	seen    []string // every page that was shown
}

func newBrowsers(t *testing.T, lines ...string) *browsers {
	t.Helper()
	o := newOverHTTP(newStage(t))
	b := &browsers{overHTTP: o, cookies: map[string]*http.Cookie{}}
	b.service = &api.API{Desk: o.sys.desk, Auditor: o.sys.auditor, Sessions: o.sessions, Limits: o.limits, Texts: text.All, Shelf: o.sys.shelf()}
	b.pages = web.Handler(web.Config{Log: web.Logger(o.log), Clock: o.sys.clock, Random: o.random}, site(b.service, nil, nil))
	b.play(lines...)
	return b
}

func (b *browsers) play(lines ...string) {
	b.t.Helper()
	for _, line := range lines {
		if err := b.stage.play(line); err != nil {
			b.t.Fatalf("%s: %v", line, err)
		}
	}
}

// A shown is what came back, and what it made happen.
type shownPage struct {
	*httptest.ResponseRecorder
	html   string
	events []string
}

// comes gives somebody a browser that is signed in.
func (b *browsers) comes(name string, by ledger.Caller) {
	b.t.Helper()
	token, err := b.token(by)
	if err != nil {
		b.t.Fatal(err)
	}
	b.cookies[name] = &http.Cookie{Name: "samtykke", Value: token}
}

func (b *browsers) of(name string) *http.Cookie {
	if b.cookies[name] == nil {
		b.comes(name, b.person(name).caller)
	}
	return b.cookies[name]
}

func (b *browsers) do(name, method, path string, form url.Values) shownPage {
	b.t.Helper()
	if _, err := b.events(); err != nil {
		b.t.Fatal(err)
	}
	r := httptest.NewRequest(method, "http://localhost"+path, strings.NewReader(form.Encode()))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.AddCookie(b.of(name))
	w := httptest.NewRecorder()
	b.pages.ServeHTTP(w, r)
	if err := b.sys.settle(context.Background()); err != nil {
		b.t.Fatal(err)
	}
	events, err := b.events()
	if err != nil {
		b.t.Fatal(err)
	}
	b.seen = append(b.seen, w.Body.String())
	return shownPage{w, w.Body.String(), events}
}

func (b *browsers) opens(name, path string) shownPage {
	b.t.Helper()
	return b.do(name, http.MethodGet, path, nil)
}

// sends sends a form, with names and values in turn.
func (b *browsers) sends(name, path string, fields ...string) shownPage {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return b.do(name, http.MethodPost, path, form)
}

// is checks the status, the events and what the page says.
func (s shownPage) is(t *testing.T, status int, events []string, says ...string) {
	t.Helper()
	if s.Code != status {
		t.Errorf("status %d, not %d: %s", s.Code, status, s.Header().Get("Location"))
	}
	if !slices.Equal(s.events, events) {
		t.Errorf("recorded %v, not %v", s.events, events)
	}
	for _, words := range says {
		if !strings.Contains(s.html, words) {
			t.Errorf("the page does not say %q", words)
		}
	}
}

func (s shownPage) saysNot(t *testing.T, words ...string) {
	t.Helper()
	for _, w := range words {
		if strings.Contains(s.html, w) {
			t.Errorf("the page says %q", w)
		}
	}
}

func (s shownPage) leadsTo(t *testing.T, path string, events ...string) {
	t.Helper()
	if to := s.Header().Get("Location"); s.Code != http.StatusSeeOther || to != path {
		t.Errorf("%d to %q, not to %s", s.Code, to, path)
	}
	if !slices.Equal(s.events, events) {
		t.Errorf("recorded %v, not %v", s.events, events)
	}
}

var keyField = regexp.MustCompile(`name="key" value="([^"]*)"`)

func (s shownPage) key(t *testing.T) string {
	t.Helper()
	m := keyField.FindStringSubmatch(s.html)
	if m == nil {
		t.Fatal("the page has no form with a key")
	}
	return m[1]
}

const onRecord = "Dette oppslaget er ført i loggen."

// three clients, of whom two share.
var threeClients = []string{
	"organisation Fjord with superuser Siri", "Siri adds Per", "organisation Vik with superuser Vera",
	"Siri registers Ada", "Ada logs in", "Ada answers yes to the first question", "Ada fills in phq-9 2 2 2 2 2 2 2 2 1",
	"Ada opens sleep", "Ada finishes sleep", "Ada answers \"Jeg sov bedre.\" to part-1/thoughts", "Ada rates sleep 4",
	"Siri registers Bo", "Bo logs in", "Bo answers yes to the first question", "Bo fills in gad-7 1 1 1 1 1 1 1",
	"Siri registers Eli", "Eli logs in", "Eli answers no to the first question", "Eli fills in phq-9 3 3 3 3 3 3 3 3 3",
	"Vera registers Odd", "Odd logs in", "Odd answers yes to the first question",
}

// The overview shows labels and sharing without a look-up, and what is registered with one look-up for each client on the page who
// shares, and for no other.
func TestOverviewPage(t *testing.T) {
	b := newBrowsers(t, threeClients...)
	ada, bo, eli := b.person("Ada"), b.person("Bo"), b.person("Eli")
	s := b.opens("Per", "/overview")
	s.is(t, 200, nil, ada.label, bo.label, eli.label, "Deler til", "Deler ikke", "/clients/"+ada.handle.String(), "ikke noe felt for navn")
	s.saysNot(t, onRecord, "PHQ", "GAD", "Spørsmål 9", b.person("Odd").label)

	s = b.sends("Per", "/overview", "show", "yes")
	s.is(t, 200, []string{"lookup.made", "lookup.made"}, onRecord, "Det er ført 2 oppslag", "Spørsmål 9", "PHQ‑9: 17", "ganske store plager", "Ikke slått opp")
	s.saysNot(t, "27") // what Eli registered

	s = b.sends("Per", "/overview", "search", strings.ToLower(ada.label[:3]+"-"+ada.label[3:]))
	s.is(t, 200, nil, ada.label, "Klient 1–1 av 1")
	s.saysNot(t, eli.handle.String(), onRecord)
	b.sends("Per", "/overview", "search", ada.label, "show", "yes").is(t, 200, []string{"lookup.made"}, "Det er ført ett oppslag")
	s = b.sends("Per", "/overview", "filter", "not-sharing", "show", "yes")
	s.is(t, 200, nil, eli.label, "Ikke slått opp")
	s.saysNot(t, ada.label)
	b.sends("Per", "/overview", "search", "ZZZZZZ").is(t, 200, nil, "Ingen av klientene passer")
	b.sends("Per", "/overview", "filter", "asked").is(t, 200, nil, "Ingen av klientene passer")
	b.sends("Per", "/overview", "after", domain.ID{1}.String()).is(t, 422, nil, "Listen har endret seg")

	// the end of sharing comes near, the client is asked, and has not filled in anything for long
	b.play("at 2026-06-15 09:00", "time passes")
	b.comes("Per", b.person("Per").caller)
	b.sends("Per", "/overview", "filter", "ends-soon", "order", "end").is(t, 200, nil, ada.label, bo.label, "Tar slutt innen fire uker", "Er spurt om oppfølging")
	b.sends("Per", "/overview", "show", "yes").is(t, 200, []string{"lookup.made", "lookup.made"}, "Over tiden")

	// another organisation sees none of them
	b.opens("Vera", "/overview").saysNot(t, ada.label, bo.label, eli.label)
	b.addressesNothing()
}

// An organisation without clients is told what to do, and a list is cut into pages of fifty.
func TestOverviewInPages(t *testing.T) {
	b := newBrowsers(t, "organisation Fjord with superuser Siri")
	b.opens("Siri", "/overview").is(t, 200, nil, "Ingen klienter ennå", "/clients/new")
	for range 120 {
		if _, err := b.sys.desk.RegisterClient(context.Background(), b.person("Siri").caller); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.sys.settle(context.Background()); err != nil {
		t.Fatal(err)
	}
	after := regexp.MustCompile(`name="after" value="([^"]*)"><button class="other">([^<]*)<`)
	s := b.opens("Siri", "/overview")
	for page, words := range []string{"Klient 1–50 av 120", "Klient 51–100 av 120", "Klient 101–120 av 120"} {
		s.is(t, 200, nil, words, "Ingen av klientene på denne siden deler nå")
		all := after.FindAllStringSubmatch(s.html, -1)
		if len(all) == 0 {
			t.Fatal("no way on")
		}
		if page > 0 {
			back := b.sends("Siri", "/overview", "after", all[0][1])
			back.is(t, 200, nil, fmt.Sprintf("Klient %d–%d av 120", page*50-49, page*50))
		}
		s = b.sends("Siri", "/overview", "after", all[len(all)-1][1])
	}
}

// The page about a client shows nothing registered until a purpose is given, and then what fits it.
func TestClientPage(t *testing.T) {
	b := newBrowsers(t, threeClients...)
	ada := b.person("Ada")
	path := "/clients/" + ada.handle.String()
	s := b.opens("Per", path)
	s.is(t, 200, nil, ada.label, "Deler til", "Før en time", "Mellom timer", "Nytte over tid", "ikke noe felt for navn")
	s.saysNot(t, onRecord, "Åpnet", "Jeg sov bedre")
	if strings.Contains(s.html[:strings.Index(s.html, "</head>")], ada.label) {
		t.Error("the title holds the label")
	}
	s.leadsNowhereWith(t, ada.label)

	made := []string{"lookup.made"}
	s = b.sends("Per", path, "purpose", "before-appointment", "since", "2026-01-01")
	s.is(t, 200, made, onRecord, "Svar på spørsmål 9", "Jeg sov bedre.", "17 av 27", "Åpnet 5. januar 2026", "Fullført 5. januar 2026", "«Søvn» sist", "2, 2, 2, 2, 2, 2, 2, 2, 1", "Nytt")
	s = b.sends("Per", path, "purpose", "workload")
	s.is(t, 200, made, onRecord, "Åpnet 5. januar 2026", "Det er ikke sendt noe ennå", "Det er ingen notater ennå")
	s.saysNot(t, "Jeg sov bedre.")
	b.play("at 2026-01-20 09:00", "Ada fills in phq-9 1 1 1 1 1 1 1 1 0")
	b.comes("Per", b.person("Per").caller)
	s = b.sends("Per", path, "purpose", "effect")
	s.is(t, 200, made, onRecord, "Fra 17 poeng", "til 8 poeng", "9 poeng lavere", "Pålitelig bedring", "Jacobson og Truax", "4 av 5", "<svg class=\"chart\"", "I den siste er svaret 0")
	s.saysNot(t, "Jeg sov bedre.")
	b.sends("Per", path, "purpose", "effect", "all", "yes").is(t, 200, made, onRecord, "Jeg sov bedre.", "Pålitelig bedring", "Innlogginger")
	b.sends("Per", path).is(t, 422, []string{"lookup.refused"}, ada.label, "Noe av det som er fylt ut")

	// somebody else's, and nobody's, look alike; both attempts are on record
	var words []string
	for _, handle := range []domain.ID{b.person("Odd").handle, b.id()} {
		other := "/clients/" + handle.String()
		for _, s := range []shownPage{
			b.opens("Per", other), b.sends("Per", other, "purpose", "effect"), b.sends("Per", other+"/notes", "text", "Ring"),
			b.opens("Per", other+"/register/phq-9"), b.sends("Per", other+"/register/phq-9"),
		} {
			s.is(t, 404, []string{"lookup.refused"}, "Det finnes ikke noe her")
			words = append(words, keyField.ReplaceAllString(strings.ReplaceAll(s.html, handle.String(), "HANDLE"), ""))
		}
	}
	for i := range 5 {
		if words[i] != words[i+5] {
			t.Error("a client of another organisation and one that never was are answered differently")
		}
	}
	// who is no professional is put on record too
	auditor, err := b.sys.desk.Employ(context.Background(), employee, desk.EmployInput{Role: domain.RoleAuditor, Name: "Randi", Email: "randi@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	b.open(employee, auditor)
	b.comes("Randi", ledger.Caller{Actor: auditor, Role: domain.RoleAuditor, Session: b.id()})
	b.opens("Randi", path).is(t, 403, []string{"lookup.refused"})
	b.sends("Randi", path, "purpose", "effect").is(t, 403, []string{"lookup.refused"})
	b.addressesNothing()
}

// leadsNowhereWith checks that no address on the page holds a word.
func (s shownPage) leadsNowhereWith(t *testing.T, word string) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?:href|action)="([^"]*)"`).FindAllStringSubmatch(s.html, -1) {
		if strings.Contains(m[1], word) {
			t.Errorf("the address %s holds %s", m[1], word)
		}
	}
}

// Content, notes, corrections, and what is registered for a client: each once however often the form is sent, and back to a page
// without anything registered.
func TestFormsAboutAClient(t *testing.T) {
	b := newBrowsers(t, threeClients...)
	path := "/clients/" + b.person("Ada").handle.String()
	page := b.opens("Per", path)
	key := page.key(t)
	b.sends("Per", path+"/content", "key", key, "content", "sleep", "task", "Les til neste gang").leadsTo(t, path+"?done=content-sent", "journal.content-sent")
	b.sends("Per", path+"/content", "key", key, "content", "sleep", "task", "Les til neste gang").leadsTo(t, path+"?done=content-sent")
	s := b.opens("Per", path+"?done=content-sent")
	s.is(t, 200, nil, "Det er sendt til klienten.", "Søvndagbok")
	s.saysNot(t, "Les til neste gang")
	b.sends("Per", path+"/content", "key", key, "content", "worry").leadsTo(t, path+"?done=content-sent", "journal.content-sent") // gone back, and written anew
	b.sends("Per", path+"/content", "key", key, "content", "").is(t, 422, nil, "Noe mangler")
	b.sends("Per", path+"/content", "key", key, "content", "no-such-part", "task", "Les").is(t, 422, nil, "Noe mangler", ">Les</textarea>")
	b.sends("Per", path+"/content", "key", key, "content", "worry", "task", "Skriv til ola@example.no").
		is(t, 422, nil, "forteller hvem noen er", "Skriv til ola@example.no", `value="worry" selected`)

	b.sends("Per", path+"/notes", "key", key, "text", "Ring 91 23 45 67").is(t, 422, nil, "forteller hvem noen er", "Ring 91 23 45 67", "Klienten kan lese notatet når hen tar ut egne data")
	b.sends("Per", path+"/notes", "key", key, "text", "Ta opp søvn", "draft", "yes").leadsTo(t, path+"?done=draft-kept", "journal.note-written")
	s = b.sends("Per", path, "purpose", "workload")
	s.is(t, 200, []string{"lookup.made"}, "Ta opp søvn", "Utkast", "Les til neste gang")
	note := regexp.MustCompile(`name="note" value="([^"]+)"`).FindStringSubmatch(s.html)
	if note == nil {
		t.Fatal("the draft cannot be gone on with")
	}
	b.sends("Per", path+"/notes", "key", s.key(t), "note", note[1], "text", "Tok opp søvn").leadsTo(t, path+"?done=note-written", "journal.note-written")
	s = b.sends("Per", path, "purpose", "workload")
	s.is(t, 200, []string{"lookup.made"}, "Tok opp søvn", "2 versjoner er tatt vare på")
	s.saysNot(t, "Ta opp søvn")

	b.sends("Per", path+"/corrections", "key", key, "text", "Skåren 5. januar er feil").leadsTo(t, path+"?done=correction-passed-on", "journal.correction-asked")

	form := path + "/register/gad-7"
	s = b.opens("Per", form)
	s.is(t, 200, nil, "Du registrerer for en klient", "Spørsmål 7")
	s.saysNot(t, "Spørsmål 8", onRecord)
	key = s.key(t)
	fields := []string{"key", key, "entered", "together"}
	for n := range 6 {
		fields = append(fields, fmt.Sprintf("item%d", n+1), "2")
	}
	b.sends("Per", form, fields...).is(t, 422, nil, "Noe mangler", "Velg et tall", "checked")
	fields = append(fields, "item7", "3", "difficulty", "1")
	b.sends("Per", form, fields...).leadsTo(t, path+"?done=entered-for", "lookup.made", "journal.assessed")
	b.sends("Per", form, fields...).leadsTo(t, path+"?done=entered-for", "lookup.made") // no second entry; the door is come to again
	b.sends("Per", path+"/register/answer", "key", key, "entered", "on-behalf", "task", "worry-time", "text", "Vi snakket om det.").
		leadsTo(t, path+"?done=entered-for", "lookup.made", "journal.answered")
	s = b.sends("Per", path, "purpose", "before-appointment")
	s.is(t, 200, []string{"lookup.made"}, "Fylt ut sammen med en fagperson", "Fylt ut på vegne av klienten", "15 av 21", "Vi snakket om det.", "Tid til bekymring")
	b.sends("Per", path+"/register/answer", "key", key, "entered", "together", "task", "no-such-part", "text", "Vi snakket.").is(t, 422, nil, "Noe mangler", ">Vi snakket.</textarea>")
	b.sends("Per", path+"/register/answer", "key", key, "entered", "together", "task", "worry", "text", "Ring 91 23 45 67").
		is(t, 422, nil, "forteller hvem noen er", ">Ring 91 23 45 67</textarea>")
	b.opens("Per", path+"/register/nothing").is(t, 404, nil)
	b.opens("Per", "/clients/"+b.person("Eli").handle.String()+"/register/phq-9").is(t, 200, nil, "Da kan du ikke registrere")
	b.addressesNothing()
}

// Whoever has the page open while the client withdraws is told that the client does not share, and no more; each attempt is on record.
func TestWithdrawnWhileThePageIsOpen(t *testing.T) {
	b := newBrowsers(t, threeClients...)
	path := "/clients/" + b.person("Ada").handle.String()
	b.opens("Per", path).is(t, 200, nil, "Deler til")
	b.play("Ada stops sharing")
	s := b.sends("Per", path, "purpose", "effect")
	s.is(t, 403, []string{"lookup.refused"}, "Klienten deler ikke", "Deler ikke")
	s.saysNot(t, onRecord, "17 av 27", "trukket")
	fields := []string{"key", b.id().String(), "entered", "together"}
	for n := range 7 {
		fields = append(fields, fmt.Sprintf("item%d", n+1), "2")
	}
	b.sends("Per", path+"/register/gad-7", fields...).is(t, 403, []string{"lookup.refused"}, "Klienten deler ikke")
	b.sends("Per", "/overview", "show", "yes").is(t, 200, []string{"lookup.made"}, "Det er ført ett oppslag")
	b.sends("Per", path+"/notes", "key", b.id().String(), "text", "Ta det opp").leadsTo(t, path+"?done=note-written", "journal.note-written")
}

// A professional whose access has ended is shown nothing, wherever in the pages it happens.
func TestDeactivatedBeforeThePages(t *testing.T) {
	b := newBrowsers(t, threeClients...)
	path := "/clients/" + b.person("Ada").handle.String()
	b.opens("Per", path).is(t, 200, nil)
	b.of("Siri")
	b.play("Siri deactivates Per")
	cookie := *b.cookies["Per"]
	for _, s := range []shownPage{
		b.sends("Per", path, "purpose", "effect"), b.opens("Per", "/overview"), b.sends("Per", "/clients/new", "key", b.id().String()),
	} {
		s.saysNot(t, b.person("Ada").label, onRecord, "PHQ")
		if s.Code != http.StatusUnauthorized && s.Code != http.StatusForbidden || slices.Contains(s.events, "lookup.made") || slices.Contains(s.events, "client.registered") {
			t.Errorf("%d, %v", s.Code, s.events)
		}
	}
	// on another instance, where the session has not been ended
	b.known[b.person("Per").caller.Session].Standing = 1
	token, err := b.sessions.New(t.Context(), b.now, b.known[b.person("Per").caller.Session])
	if err != nil {
		t.Fatal(err)
	}
	cookie.Value = token.Cookie()
	b.cookies["Per"] = &cookie
	s := b.sends("Per", path, "purpose", "effect")
	s.is(t, 403, []string{"lookup.refused"}, "Du har ikke lenger tilgang")
}

// The slip shows the whole code, once: sent twice, the form makes one client and gives one slip, and nothing else shows the code.
func TestNewClientPage(t *testing.T) {
	b := newBrowsers(t, "organisation Fjord with superuser Siri", "Siri adds Per")
	s := b.opens("Per", "/clients/new")
	s.is(t, 200, nil, "Registrer og vis koden", "ingen kan gi klienten en ny kode")
	key := s.key(t)
	b.sends("Per", "/clients/new").is(t, 200, nil, "Registrer og vis koden")
	slip := b.sends("Per", "/clients/new", "key", key)
	slip.is(t, 200, []string{"client.registered", "client.labelled"}, "Koden vises bare nå", `lang="nn"`, `lang="en"`, "sign in with the whole code", "<strong>http://localhost</strong>")
	again := b.sends("Per", "/clients/new", "key", key)
	again.is(t, 200, nil)
	if again.html != slip.html {
		t.Error("the form sent twice shows another slip")
	}
	m := regexp.MustCompile(`<p class="code"><strong>([A-Z0-9]+)</strong>([A-Z0-9-]+)</p>`).FindStringSubmatch(slip.html)
	if m == nil {
		t.Fatal("no code on the slip")
	}
	code, err := signin.ParseCode(m[1] + m[2])
	if err != nil || code.Label() != m[1] {
		t.Errorf("the slip's code: %v", err)
	}
	b.log.secret(m[2])
	s = b.opens("Per", "/overview")
	s.is(t, 200, nil, m[1], "Klient 1–1 av 1")
	s.saysNot(t, m[2])
	slip.leadsNowhereWith(t, m[1])
	b.service.PublicURL = "https://selvhjelp.example.no"
	b.sends("Per", "/clients/new", "key", b.id().String()).is(t, 200, []string{"client.registered", "client.labelled"}, "<strong>https://selvhjelp.example.no</strong>")
	b.service.PublicURL, b.service.Secure = "", true
	b.cookies["Per"].Name = "__Host-samtykke"
	b.sends("Per", "/clients/new", "key", b.id().String()).is(t, 200, []string{"client.registered", "client.labelled"}, "<strong>https://localhost</strong>")
	b.addressesNothing()
}

// What people are told to type is an address of the service, and nothing more.
func TestPublicURL(t *testing.T) {
	for given, want := range map[string]string{
		"": "", "https://a.example": "https://a.example", "https://a.example/": "https://a.example", "http://127.0.0.1:8080": "http://127.0.0.1:8080",
		"a.example": "refused", "https://": "refused", "ftp://a.example": "refused", "https://a.example/x": "refused", "https://a.example?x": "refused",
		"https://ola@a.example": "refused", "https://a.example/#x": "refused", "https://a b": "refused",
	} {
		got, err := publicURL(given)
		if err != nil {
			got = "refused"
		}
		if got != want {
			t.Errorf("%q: %q, expected %q", given, got, want)
		}
	}
}

var invited = regexp.MustCompile(`(?s)<p class="code">([A-Z0-9-]+)</p>.*<p class="code">([A-Z0-9]+)</p>`)

// personal are a form's fields about a person.
func personal(first, email string) []string {
	return []string{"first", first, "last", "Nordmann", "workplace", "Fjordbyen", "position", "psykolog", "phone", "900 00 000", "email", email}
}

// A superuser lets people in and out, changes roles and details, and cannot be the last to go.
func TestPeoplePages(t *testing.T) {
	b := newBrowsers(t, "organisation Fjord with superuser Siri", "Siri adds Per", "organisation Vik with superuser Vera")
	siri, per := b.person("Siri").caller.Actor.String(), b.person("Per").caller.Actor.String()
	b.opens("Siri", "/professionals").is(t, 200, nil, "Siri", "Per", "Superbruker", "Har tilgang", "2 på listen")
	b.opens("Per", "/professionals").is(t, 403, nil)
	b.opens("Siri", "/professionals/"+b.person("Vera").caller.Actor.String()).is(t, 404, nil)
	b.opens("Siri", "/professionals/"+per).is(t, 200, nil, "Avslutt tilgangen", "Gjør til superbruker")

	key := b.opens("Siri", "/professionals/new").key(t)
	with := func(key string, fields ...string) []string { return append([]string{"key", key}, fields...) }
	b.sends("Siri", "/professionals/new", with(key, personal("Kari", "ikke en adresse")...)...).is(t, 422, nil, "E‑postadressen er ikke gyldig", "ikke en adresse", "Kari")
	b.sends("Siri", "/professionals/new", with(key, personal("Kari", "per@example.org")...)...).is(t, 409, nil, "En annen konto bruker allerede")
	s := b.sends("Siri", "/professionals/new", with(key, personal("Kari", "kari@example.org")...)...)
	added := []string{"professional.added", "professional.named"}
	s.is(t, 200, added, "Kari Nordmann", "De to kodene vises bare nå", "kari@example.org")
	m := invited.FindStringSubmatch(s.html)
	if m == nil {
		t.Fatal("the invitation has no two parts")
	}
	if again := b.sends("Siri", "/professionals/new", with(key, personal("Kari", "kari@example.org")...)...); again.html != s.html || again.events != nil {
		t.Error("the form sent twice is answered differently")
	}
	b.sends("Siri", "/invitation", "invitation", m[1], "confirmation", m[2]).is(t, 200, nil)
	s = b.opens("Siri", "/professionals")
	s.is(t, 200, nil, "3 på listen")
	s.saysNot(t, m[1], m[2])

	person := "/professionals/" + per
	b.sends("Siri", person, with(b.id().String(), personal("Petter", "petter@example.org")...)...).leadsTo(t, person+"?done=details-corrected", "professional.named")
	b.opens("Siri", person+"?done=details-corrected").is(t, 200, nil, "Petter", "Opplysningene er lagret.")
	again := b.sends("Siri", person+"/invitation", "key", b.id().String())
	again.is(t, 200, nil, "petter@example.org")
	if m := invited.FindStringSubmatch(again.html); m == nil {
		t.Error("the new invitation has no two parts")
	}

	// the last superuser stays, and is told so beforehand
	s = b.opens("Siri", "/professionals/"+siri)
	s.is(t, 200, nil, "den eneste superbrukeren", "kan ikke miste tilgangen")
	s.saysNot(t, siri+"/deactivation", siri+"/role")
	b.opens("Siri", "/professionals/"+siri+"/deactivation").saysNot(t, "Ja, avslutt tilgangen")
	for _, s := range []shownPage{
		b.sends("Siri", "/professionals/"+siri+"/role", "key", b.id().String(), "superuser", "no"),
		b.sends("Siri", "/professionals/"+siri+"/deactivation", "key", b.id().String()),
	} {
		s.is(t, 409, nil, "Virksomheten må alltid ha minst én superbruker")
	}
	b.sends("Siri", person+"/role", "key", b.id().String(), "superuser", "yes").leadsTo(t, person+"?done=role-changed", "professional.role-changed")
	b.opens("Siri", "/professionals/"+siri).is(t, 200, nil, siri+"/deactivation", siri+"/role")
	b.sends("Siri", person+"/role", "key", b.id().String(), "superuser", "no").leadsTo(t, person+"?done=role-changed", "professional.role-changed")

	// out and in
	b.opens("Siri", person+"/deactivation").is(t, 200, nil, "Tilgangen slutter med en gang", "Petter")
	key = b.id().String()
	b.sends("Siri", person+"/deactivation", "key", key).leadsTo(t, "/professionals?done=access-ended", "professional.deactivated")
	b.sends("Siri", person+"/deactivation", "key", key).leadsTo(t, "/professionals?done=access-ended")
	b.opens("Siri", person).is(t, 200, nil, "Har ikke tilgang", "Gi tilgang igjen")
	b.sends("Siri", person+"/invitation", "key", b.id().String()).is(t, 404, nil)
	b.sends("Siri", person+"/reactivation", "key", b.id().String()).leadsTo(t, person+"?done=access-again", "professional.reactivated")

	// the organisation itself
	b.opens("Siri", "/organisation").is(t, 200, nil, "Kontaktopplysninger", "Fra et offentlig register")
	contact := func(number string) []string {
		return []string{"key", b.id().String(), "org-name", "Fjord", "org-number", number, "org-person", "Kari Kontakt", "org-email", "post@example.org", "org-phone", "55 00 00 00", "source", "register"}
	}
	b.sends("Siri", "/organisation", contact("123456789")...).is(t, 422, nil, "Organisasjonsnummeret er ikke gyldig", "123456789")
	b.sends("Siri", "/organisation", contact("974 760 673")...).leadsTo(t, "/organisation?done=contact-corrected", "organisation.contact-recorded")
	b.comes("Per", b.person("Per").caller)
	delete(b.known, b.person("Per").caller.Session)
	b.comes("Per", b.person("Per").caller)
	b.opens("Per", "/organisation").is(t, 200, nil, "Kari Kontakt", "kan en superbruker")
	b.sends("Per", "/organisation", contact("974760673")...).is(t, 403, nil)
	b.addressesNothing()
}

// An employee registers an organisation with its first superuser, and gives accounts.
func TestServicePages(t *testing.T) {
	b := newBrowsers(t, "organisation Fjord with superuser Siri")
	b.comes("Drift", b.employee)
	key := b.opens("Drift", "/organisations/new").key(t)
	fields := func(number, email string) []string {
		return append([]string{"key", key, "service", "trigga", "org-name", "Vik kommune", "org-number", number, "org-person", "Kari", "org-email", "post@example.org", "org-phone", "55 00 00 00"}, personal("Vera", email)...)
	}
	b.sends("Drift", "/organisations/new", fields("123", "vera@example.org")...).is(t, 422, nil, "Organisasjonsnummeret er ikke gyldig", "Vik kommune", "vera@example.org")
	b.sends("Drift", "/organisations/new", fields("974760673", "siri@example.org")...).is(t, 409, nil, "En annen konto bruker allerede")
	s := b.sends("Drift", "/organisations/new", fields("974760673", "vera@example.org")...)
	s.is(t, 200, []string{"organisation.registered", "organisation.contact-recorded", "professional.added", "professional.named"}, "Vera Nordmann")
	if m := invited.FindStringSubmatch(s.html); m == nil {
		t.Error("the invitation has no two parts")
	}
	if again := b.sends("Drift", "/organisations/new", fields("974760673", "vera@example.org")...); again.html != s.html || again.events != nil {
		t.Error("the form sent twice is answered differently")
	}
	key = b.opens("Drift", "/accounts/new").key(t)
	b.sends("Drift", "/accounts/new", "key", key, "name", "Randi Revisor", "email", "randi@example.org").is(t, 422, nil, "Noe mangler", "Randi Revisor")
	s = b.sends("Drift", "/accounts/new", "key", key, "role", "auditor", "name", "Randi Revisor", "email", "randi@example.org")
	s.is(t, 200, []string{"staff.employed", "staff.named"}, "Randi Revisor", "randi@example.org")
	b.opens("Drift", "/overview").is(t, 403, []string{"lookup.refused"})
	for _, path := range []string{"/organisations", "/organisations/new", "/accounts", "/accounts/new"} {
		b.opens("Siri", path).is(t, 403, nil)
	}
	b.addressesNothing()
}

// An employee finds whom to invite anew: superusers and the service's own staff, and nobody else. That a list was opened is on record
// with who opened it, before it is shown.
func TestServiceLists(t *testing.T) {
	b := newBrowsers(t, "organisation Fjord with superuser Siri", "Siri adds Per", "organisation Vik with superuser Vera")
	b.comes("Drift", b.employee)
	asked := []string{"oversight.queried"}
	s := b.opens("Drift", "/organisations")
	s.is(t, 200, asked, "2 på listen", "Fjord", "Vik", "siri@example.org", "vera@example.org", "er ført i loggen", "Drift Driftesen, ansatt i tjenesten")
	s.saysNot(t, "per@example.org")
	if strings.Index(s.html, "Fjord") > strings.Index(s.html, "Vik") {
		t.Error("the organisations are not in order of their names")
	}
	key := s.key(t)
	s = b.sends("Drift", "/organisations/invitation", "key", key, "email", "siri@example.org")
	s.is(t, 200, nil, "siri@example.org")
	m := invited.FindStringSubmatch(s.html)
	if m == nil {
		t.Fatal("the invitation has no two parts")
	}
	if again := b.sends("Drift", "/organisations/invitation", "key", key, "email", "siri@example.org"); again.html != s.html {
		t.Error("the form sent twice gives another invitation")
	}
	if other := b.sends("Drift", "/organisations/invitation", "key", key, "email", "VERA@example.org"); other.Code != 200 || other.html == s.html {
		t.Error("the same page does not invite the next one")
	}
	b.sends("Siri", "/invitation", "invitation", m[1], "confirmation", m[2]).is(t, 200, nil)
	for _, email := range []string{"per@example.org", "nobody@example.org", ""} { // one who is no superuser, and two who are not there
		b.sends("Drift", "/organisations/invitation", "key", key, "email", email).is(t, 404, nil)
	}

	auditor, err := b.sys.desk.Employ(context.Background(), employee, desk.EmployInput{Role: domain.RoleAuditor, Name: "Arne Revisor", Email: "arne@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.sys.desk.Invite(context.Background(), b.employee, auditor); err != nil {
		t.Fatal(err)
	}
	if err := b.sys.settle(context.Background()); err != nil {
		t.Fatal(err)
	}
	s = b.opens("Drift", "/accounts")
	s.is(t, 200, asked, "2 på listen", "Arne Revisor", "arne@example.org", "Er invitert", "Drift Driftesen", "Har tilgang", "er ført i loggen")
	s.saysNot(t, "Siri", "Vera")
	b.sends("Drift", "/accounts/invitation", "key", s.key(t), "email", "arne@example.org").is(t, 200, nil, "arne@example.org")
	if err := b.sys.desk.EndAccount(context.Background(), b.employee, auditor); err != nil {
		t.Fatal(err)
	}
	s = b.opens("Drift", "/accounts")
	s.is(t, 200, asked, "Har ikke tilgang")
	b.sends("Drift", "/accounts/invitation", "key", s.key(t), "email", "arne@example.org").is(t, 404, nil)

	// two with one address cannot be told apart by it, and neither is invited
	b.play("Vera adds Siw")
	siw := b.person("Siw").caller.Actor
	if _, err := b.sys.desk.Organisations.Do(context.Background(), b.orgs["Vik"].id, b.person("Vera").caller, organisation.ChangeRole{Professional: siw, Superuser: true}); err != nil {
		t.Fatal(err)
	}
	same := organisation.CorrectProfessional{Professional: siw, Details: organisation.Professional{
		FirstName: "Siw", LastName: "N", Workplace: "V", Position: "p", Phone: "55 00 00 00", Email: "siri@example.org"}}
	if _, err := b.sys.desk.Organisations.Do(context.Background(), b.orgs["Vik"].id, b.person("Vera").caller, same); err != nil {
		t.Fatal(err)
	}
	b.sends("Drift", "/organisations/invitation", "key", key, "email", "Siri@example.org").is(t, 409, nil, "En annen konto bruker allerede")

	for _, path := range []string{"/organisations/invitation", "/accounts/invitation"} {
		b.sends("Siri", path, "key", b.id().String(), "email", "vera@example.org").is(t, 403, nil)
	}
	b.addressesNothing()
}

// sentBy are the pages that a professional's forms lead to, for what they show: look-ups, refusals with what was filled in, slips.
func (h *house) sentBy(g viewer, lang string) (all []visit) {
	send := func(path string, fields ...string) {
		form := url.Values{"lang": {lang}}
		for i := 0; i+1 < len(fields); i += 2 {
			form.Set(fields[i], fields[i+1])
		}
		all = append(all, h.open(g, path, form))
	}
	send("/overview", "show", "yes")
	send("/overview", "search", "ZZZZZZ")
	send("/overview", "filter", "ends-soon", "order", "end", "show", "yes")
	for _, handle := range g.shared {
		path := "/clients/" + handle
		for _, purpose := range []string{"before-appointment", "workload", "effect"} {
			send(path, "purpose", purpose, "since", "2025-03-03")
		}
		send(path, "purpose", "effect", "all", "yes")
		send(path+"/content", "content", "", "task", "Les")
		send(path+"/notes", "text", "Ring 91 23 45 67")
		send(path+"/corrections", "text", "ola@example.no")
		send(path+"/register/gad-7", "item1", "2")
		send(path+"/register/answer", "text", "Vi snakket om det.")
	}
	send("/clients/new", "key", "0123456789abcdef"+lang)
	return all
}

// The pages that forms lead to are built like those that are opened.
func TestSentPagesOfProfessionals(t *testing.T) {
	h := newHouse(t)
	ids := h.ids()
	for _, role := range []domain.Role{domain.RoleProfessional, domain.RoleSuperuser} {
		for _, lang := range page.Languages {
			for _, v := range h.sentBy(h.as(role), lang) {
				if v.status >= 500 || v.status == http.StatusUnauthorized {
					t.Errorf("%v: %d", v, v.status)
				}
				checkPage(t, v, lang)
				h.checkIDs(v, ids)
			}
		}
	}
}

// After a change of code, no page that a professional sees holds the later label; and no page holds an id of the ledger's own but the
// handles, and the ids of the organisation's own people.
func TestPagesJoinNothing(t *testing.T) {
	b := newBrowsers(t, threeClients...)
	ada := b.person("Ada")
	before := ada.label
	b.play("Ada changes the code", "Ada fills in gad-7 1 1 1 1 1 1 1", "Ada asks for a correction: Det skulle stått 2")
	later := ada.code.Label()
	if later == before {
		t.Fatal("the code has not changed")
	}
	path := "/clients/" + ada.handle.String()
	b.opens("Per", "/overview").is(t, 200, nil, before)
	b.sends("Per", "/overview", "show", "yes")
	b.sends("Per", "/overview", "search", later).is(t, 200, nil, "Ingen av klientene passer")
	b.seen = b.seen[:len(b.seen)-1] // which repeats what was typed
	b.opens("Per", path)
	for _, purpose := range []string{"before-appointment", "workload", "effect"} {
		b.sends("Per", path, "purpose", purpose)
		b.sends("Per", path, "purpose", purpose, "all", "yes")
	}
	for _, form := range []string{"phq-9", "gad-7", "check-in", "answer"} {
		b.opens("Per", path+"/register/"+form)
	}
	b.opens("Siri", "/professionals")
	for i, page := range b.seen {
		if strings.Contains(page, later) {
			t.Errorf("page %d holds the later label", i)
		}
	}
	b.addressesNothing()
}

// addressesNothing checks every page shown for ids: there are handles, the organisation's own people, keys of forms and of notes.
func (b *browsers) addressesNothing() {
	b.t.Helper()
	secret := map[string]string{}
	for _, p := range b.people {
		if p.caller.Role == domain.RoleClient {
			secret[p.caller.Actor.String()] = p.name
		}
		secret[p.request.String()] = "a correction"
	}
	delete(secret, "")
	for _, o := range b.orgs {
		secret[o.id.String()] = "an organisation"
	}
	for _, page := range b.seen {
		for id, whose := range secret {
			if strings.Contains(page, id) {
				b.t.Errorf("a page holds the id of %s", whose)
			}
		}
	}
}

// Every message of these pages is used, and each stands in every language and in no other file.
func TestProfessionalMessages(t *testing.T) {
	const folder = "../../adapters/web/page/messages/"
	read := func(name string) map[string]any {
		b, err := os.ReadFile(folder + name)
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]any{}
		if err := json.Unmarshal(b, &all); err != nil {
			t.Fatal(name, err)
		}
		return all
	}
	var source strings.Builder
	for _, pattern := range []string{"../../adapters/web/professional/*.go", "../../adapters/web/professional/templates/*.html"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			source.Write(b)
		}
	}
	nb, nn, en := read("professional.nb.json"), read("professional.nn.json"), read("professional.en.json")
	for key := range nb {
		if nn[key] == nil || en[key] == nil {
			t.Errorf("%s is not there in every language", key)
		}
		used := `"` + key + `"`
		if code, ok := strings.CutPrefix(key, "done."); ok {
			used = "?done=" + code + `"`
		} else if code, ok := strings.CutPrefix(key, "problem."); ok {
			used = `"` + code + `"`
		}
		if !strings.Contains(source.String(), used) {
			t.Errorf("%s is not used", key)
		}
	}
	if len(nn) != len(nb) || len(en) != len(nb) {
		t.Error("the languages have different messages")
	}
	for _, m := range regexp.MustCompile(`"(professional\.[a-z0-9-]+)"`).FindAllStringSubmatch(source.String(), -1) {
		if nb[m[1]] == nil {
			t.Errorf("%s is used and not there", m[1])
		}
	}
	others, err := filepath.Glob(folder + "*.nb.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range others {
		if name := filepath.Base(f); name != "professional.nb.json" {
			for key := range read(name) {
				if nb[key] != nil {
					t.Errorf("%s stands in %s too", key, name)
				}
			}
		}
	}
}
