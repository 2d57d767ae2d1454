// Package statistics is where anonymised statistics are shown: to everybody over all organisations (clauses D17, G01), to professionals
// those of their own organisation beside all, and to a tool manager those of the organisations whose clients come by Helsenorge, each
// and together (C10).
//
// # What is shown
//
// What was released, and nothing else: these pages count nobody. A number that a release hides is a word here, in tables and in charts
// alike; its bar has one length whatever it is, and no share is made of it, nor of a total that is hidden. Shares are made of released
// numbers alone.
//
// A release whose files are missing or changed is not shown at all.
//
// # Who sees what
//
// The interface decides it (package api), and its routes give the same. A tool manager chooses an organisation by a form, so that no
// organisation stands in an address.
package statistics

import (
	"embed"
	"maps"
	"net/http"
	"path"
	"slices"

	"samtykke/adapters/web"
	"samtykke/adapters/web/api"
	"samtykke/adapters/web/page"
	"samtykke/domain"
	"samtykke/domain/statistics"
)

//go:embed templates
var files embed.FS

var groupReaders = []domain.Role{domain.RoleProfessional, domain.RoleSuperuser, domain.RoleToolManager}

// Screens are the pages of this package.
var Screens = []api.Screen{
	{Method: "GET", Path: "/statistics", Serve: list},
	{Method: "GET", Path: "/statistics/{quarter}", Serve: release},
	{Method: "GET", Path: "/statistics/{quarter}/{chapter}", Serve: release},
	{Method: "GET", Path: "/statistics/{quarter}/files/{file}", Serve: file},
	{Method: "GET", Path: "/group-data", Roles: groupReaders, Serve: groupList},
	{Method: "GET", Path: "/group-data/{quarter}", Roles: groupReaders, Serve: group},
	{Method: "POST", Path: "/group-data/{quarter}", Roles: groupReaders, Serve: group},
}

// A publication is one release in a list.
type publication struct {
	api.Publication
	Of string // the quarter in words
}

type listBody struct{ Releases []publication } // the newest first

type groupListBody struct {
	Releases []publication
	Manager  bool // a tool manager reads
}

type releaseBody struct {
	publication
	Chapters []page.Link
	Tables   []table
	First    bool     // it is the first chapter, which has the files as well
	Files    []string // none: they cannot be fetched
}

type groupBody struct {
	publication
	Tables  []table
	Manager bool
	Offices []office // that a tool manager can choose from
	Missing bool     // the release has nothing of the group
}

// An office is an organisation to choose.
type office struct {
	Number, Name string
	Chosen       bool
}

var (
	listPage      = page.Must[listBody](files, "list")
	releasePage   = page.Must[releaseBody](files, "release")
	groupListPage = page.Must[groupListBody](files, "group-list")
	groupPage     = page.Must[groupBody](files, "group")
)

// say is a message in the reader's language.
func say(r *api.Request, key page.Key, with ...any) string { return page.Say(r.Lang(), key, with...) }

// inWords puts the quarter in words.
func inWords(lang string, p api.Publication) publication {
	q, err := statistics.ParseQuarter(p.Quarter)
	if err != nil {
		return publication{p, p.Quarter}
	}
	from, to := page.Date(lang, q.Start()), page.Date(lang, q.End().AddDays(-1))
	return publication{p, page.Say(lang, "statistics.quarter", "Number", p.Quarter[5:], "Year", p.Quarter[:4], "From", from, "To", to)}
}

func all(r *api.Request) ([]publication, error) {
	found, err := r.ReadReleases(api.None{})
	var out []publication
	for _, p := range slices.Backward(found.Releases) {
		out = append(out, inWords(r.Lang(), p))
	}
	return out, err
}

func list(r *api.Request) (api.Reply, error) {
	found, err := all(r)
	if err != nil {
		return api.Reply{}, err
	}
	return page.Show(listPage, page.NewFrame(r, "statistics.title"), listBody{found})
}

// A chapter is a page's part of a release: some of its tables.
type chapter struct {
	path   string
	title  page.Key
	tables []string
}

// chapters are those of a release. What is in none of them is in the first.
var chapters = []chapter{
	{"", "statistics.chapter-access", nil},
	{"use", "statistics.chapter-use", []string{"finished", "finished-sharing", "parts"}},
	{"phq-9", "statistics.chapter-phq-9", []string{"phq-9", "phq-9-change", "phq-9-change-by-severity", "phq-9-last"}},
	{"gad-7", "statistics.chapter-gad-7", []string{"gad-7", "gad-7-change", "gad-7-change-by-severity", "gad-7-last"}},
}

// chapterOf is the number of the chapter that a table is in.
func chapterOf(table string) int {
	return max(slices.IndexFunc(chapters, func(c chapter) bool { return slices.Contains(c.tables, table) }), 0)
}

// release shows one chapter of a release over all organisations.
func release(r *api.Request) (api.Reply, error) {
	at := slices.IndexFunc(chapters, func(c chapter) bool { return c.path == r.Part("chapter") })
	if at < 0 {
		return api.Reply{}, web.NewProblem(http.StatusNotFound, "not-found", "There is no such part of a release.")
	}
	data, err := r.ReadRelease(api.None{})
	if err != nil {
		return api.Reply{}, err
	}
	b := releaseBody{publication: inWords(r.Lang(), data.Release), First: at == 0}
	columns := []column{{say(r, "statistics.persons"), data.Groups[0].Tables}}
	b.Tables = tables(r.Lang(), data.Release, columns, func(table string) bool { return chapterOf(table) == at })
	for i, c := range chapters {
		href := path.Join("/statistics", data.Release.Quarter, c.path)
		b.Chapters = append(b.Chapters, page.Link{Href: href + "?lang=" + r.Lang(), Text: say(r, c.title), Here: i == at})
	}
	if at > 0 {
		f := page.NewFrame(r, "statistics.chapter-title", "Chapter", say(r, chapters[at].title), "Of", b.Of)
		return page.Show(releasePage, f, b)
	}
	if out, err := r.ReleaseFiles(); err == nil { // else the page says so; the numbers were read from another file, which is as it was
		b.Files = slices.Sorted(maps.Keys(out))
	}
	return page.Show(releasePage, page.NewFrame(r, "statistics.release-title", "Of", b.Of), b)
}

// file hands out a file of the release as it went out.
func file(r *api.Request) (api.Reply, error) {
	name := r.Part("file")
	content, err := r.ReleaseFile(name)
	if err != nil {
		return api.Reply{}, err
	}
	kind := "application/json"
	if path.Ext(name) == ".csv" {
		kind = "text/csv; charset=utf-8"
	}
	return api.Reply{Kind: kind, Name: r.Part("quarter") + "-" + name, Body: content}, nil
}

func groupList(r *api.Request) (api.Reply, error) {
	found, err := all(r)
	if err != nil {
		return api.Reply{}, err
	}
	role, _ := r.SignedIn()
	return page.Show(groupListPage, page.NewFrame(r, "statistics.group-title"), groupListBody{found, role == domain.RoleToolManager})
}

// group shows the reader's own groups of a quarter. A tool manager who has chosen an organisation sees it beside all of them.
func group(r *api.Request) (api.Reply, error) {
	data, err := r.ReadGroupData(api.None{})
	if err != nil {
		return api.Reply{}, err
	}
	b := groupBody{publication: inWords(r.Lang(), data.Release)}
	role, _ := r.SignedIn()
	b.Manager = role == domain.RoleToolManager
	var columns []column
	if b.Manager {
		columns, b.Offices = chosen(r, data.Groups)
	} else {
		own, everybody := data.Groups[0], data.Groups[1]
		columns = []column{{say(r, "statistics.own"), own.Tables}, {say(r, "statistics.everybody"), everybody.Tables}}
	}
	if b.Missing = len(columns[0].tables) == 0; !b.Missing {
		b.Tables = tables(r.Lang(), data.Release, columns, func(string) bool { return true })
	}
	f := page.NewFrame(r, "statistics.group-release-title", "Of", b.Of)
	return page.Show(groupPage, f, b)
}

// chosen gives what a tool manager sees: the organisation that was chosen beside all by Helsenorge, or these alone.
func chosen(r *api.Request, groups []api.Group) (columns []column, offices []office) {
	number := r.Form("organisation")
	columns = []column{{say(r, "statistics.by-helsenorge"), groups[0].Tables}}
	for _, g := range groups[1:] {
		if g.Number == "" {
			continue // its data were erased
		}
		o := office{g.Number, g.Name, g.Number == number}
		if o.Chosen {
			columns = append([]column{{g.Name, g.Tables}}, columns[0])
		}
		offices = append(offices, o)
	}
	return columns, offices
}
