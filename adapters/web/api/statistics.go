package api

import (
	"errors"
	"io/fs"
	"net/http"
	"slices"
	"time"

	"samtykke/adapters/releases"
	"samtykke/adapters/web"
	"samtykke/domain"
	"samtykke/domain/statistics"
)

var groupReaders = []domain.Role{domain.RoleProfessional, domain.RoleSuperuser, domain.RoleToolManager}

var statisticsRoutes = []Route{
	route("GET", "/statistics", "readReleases", "The releases of anonymised statistics, of each quarter one. Open to everybody.", anybody, (*Request).ReadReleases),
	route("GET", "/statistics/{quarter}", "readRelease", "The anonymised statistics of a quarter, over all organisations. Open to everybody.", anybody, (*Request).ReadRelease),
	route("GET", "/group-data/{quarter}", "readGroupData", "Anonymised statistics of a quarter: of the caller's own organisation beside all; or, for a tool manager, of those whose clients come by Helsenorge, each and together.", groupReaders, (*Request).ReadGroupData),
}

// Releases are all that was released of statistics, in the order of the quarters.
type Releases struct {
	Releases []Publication `json:"releases"`
}

// A Publication says what was released of a quarter, and when.
type Publication struct {
	Quarter       string    `json:"quarter" jsonschema_description:"Year and quarter, as in 2026Q3."`
	At            time.Time `json:"at" jsonschema_description:"When it was released."`
	Specification string    `json:"specification"`
	Version       uint64    `json:"version" jsonschema_description:"Of the specification."`
	Rule          string    `json:"rule,omitempty" jsonschema_description:"The version of the rules of protection."`
	Threshold     int       `json:"threshold,omitempty" jsonschema_description:"No number from 1 to below it is shown."`
	FewestForMean int       `json:"fewestForMean,omitempty" jsonschema_description:"How many persons there are at least behind a mean."`
	Position      uint64    `json:"position" jsonschema_description:"Of the last event of the ledger that it rests on."`
	Tables        string    `json:"tables" jsonschema_description:"SHA-256 of the whole release, which stands in the ledger."`
	Package       string    `json:"package" jsonschema_description:"SHA-256 of the list of the files that go out, which stands in the ledger."`
}

// GroupData are the statistics of a quarter, of one group or several.
type GroupData struct {
	Release Publication `json:"release"`
	Groups  []Group     `json:"groups"`
}

// The kinds of groups.
const (
	GroupAll          = "all"
	GroupOwn          = "own"
	GroupHelsenorge   = "helsenorge"
	GroupOrganisation = "organisation"
)

// A Group is whose clients were counted.
type Group struct {
	Kind   string       `json:"kind" jsonschema:"enum=all,enum=own,enum=helsenorge,enum=organisation"`
	Name   string       `json:"name,omitempty" jsonschema_description:"The organisation's. Not there: it is no organisation, or its data were erased."`
	Number string       `json:"number,omitempty" jsonschema_description:"Organisation number."`
	Tables []GroupTable `json:"tables"`
}

// A GroupTable is one table of the specification. Its codes are explained in the codebook of the release.
type GroupTable struct {
	Table string      `json:"table"`
	Rows  []GroupRow  `json:"rows"`
	Means []GroupMean `json:"means,omitempty"`
}

// A GroupRow is one number. A field that is not there stands for all.
type GroupRow struct {
	Class    string `json:"class,omitempty"`
	Variable string `json:"variable,omitempty"`
	Category string `json:"category,omitempty"`
	Persons  *int   `json:"persons,omitzero" jsonschema_description:"With a little noise. Not there: hidden, so that nobody can be recognised."`
}

// A GroupMean is the mean of a table's measure in one class.
type GroupMean struct {
	Class  string `json:"class,omitempty"`
	Tenths *int   `json:"tenths,omitzero" jsonschema_description:"With a little noise. Not there: hidden, so that nobody can be recognised."`
}

// specifications are those that releases were made by.
var specifications = []statistics.Specification{statistics.Quarterly}

// SpecificationOf gives the specification that a release was made by; the zero one where it is not known here.
func SpecificationOf(name string, version uint64) statistics.Specification {
	for _, s := range specifications {
		if s.Name == name && uint64(s.Version) == version {
			return s
		}
	}
	return statistics.Specification{}
}

func publication(p statistics.Publication) Publication {
	spec := SpecificationOf(p.Specification, p.Version)
	return Publication{
		Quarter: p.Period, At: p.At.UTC(), Specification: p.Specification, Version: p.Version, Rule: spec.Rule,
		Threshold: spec.Rules.Threshold, FewestForMean: spec.FewestForMean, Position: p.Position,
		Tables: p.Tables.String(), Package: p.Package.String(),
	}
}

// ReadReleases serves readReleases.
func (r *Request) ReadReleases(_ None) (Releases, error) {
	all, err := r.Desk.Releases(r.ctx)
	return Releases{mapped(all, publication)}, err
}

// ReleaseChanged is the code of the problem that the files of a release are not there, or not as they were released: nothing of them is
// shown.
const ReleaseChanged = "release-changed"

func changed(err error) error {
	return web.NewProblem(http.StatusServiceUnavailable, ReleaseChanged,
		"The files of this release are missing, or are not those that were released. Nothing of them is shown.").Because(err)
}

var noRelease = web.NewProblem(http.StatusNotFound, "not-found", "There is no such release, or no such file of it.")

// published finds the release of the quarter that the path names.
func (r *Request) published() (statistics.Publication, error) {
	q, err := statistics.ParseQuarter(r.variable("quarter"))
	if err != nil {
		return statistics.Publication{}, noRelease
	}
	all, err := r.Desk.Releases(r.ctx)
	if err != nil {
		return statistics.Publication{}, err
	}
	p, ok := statistics.State{Releases: all}.Of(q)
	if !ok {
		return p, noRelease
	}
	return p, nil
}

// released reads the release of the quarter that the path names.
func (r *Request) released() (Publication, statistics.Release, error) {
	p, err := r.published()
	if err != nil {
		return Publication{}, statistics.Release{}, err
	}
	whole, err := r.Shelf.Read(p.Released)
	if errors.Is(err, releases.ErrChanged) || errors.Is(err, fs.ErrNotExist) {
		err = changed(err)
	}
	return publication(p), whole, err
}

// ReadRelease serves readRelease.
func (r *Request) ReadRelease(_ None) (GroupData, error) {
	p, whole, err := r.released()
	if err != nil {
		return GroupData{}, err
	}
	return GroupData{p, []Group{{Kind: GroupAll, Tables: tablesOf(whole, "")}}}, nil
}

// ReadGroupData serves readGroupData (C10). Nobody is given the rows of an organisation that is not theirs to see.
func (r *Request) ReadGroupData(_ None) (GroupData, error) {
	p, whole, err := r.released()
	if err != nil {
		return GroupData{}, err
	}
	if r.by.Role == domain.RoleToolManager {
		groups, err := r.byHelsenorge(whole)
		return GroupData{p, groups}, err
	}
	if r.by.Organisation.IsZero() {
		return GroupData{}, web.NewProblem(http.StatusForbidden, NotAllowed, "This is for who acts on behalf of an organisation.")
	}
	return GroupData{p, []Group{
		{Kind: GroupOwn, Tables: tablesOf(whole, r.by.Organisation.String())},
		{Kind: GroupAll, Tables: tablesOf(whole, "")},
	}}, nil
}

// byHelsenorge gives the organisations whose clients come by Helsenorge, together and each. A release tells of them together where there
// were others as well; where all are theirs, the total does.
func (r *Request) byHelsenorge(whole statistics.Release) ([]Group, error) {
	offices, err := r.Desk.Offices(r.ctx)
	if err != nil {
		return nil, err
	}
	own := map[string]bool{statistics.Helsenorge: true}
	all := []Group{{Kind: GroupHelsenorge, Tables: tablesOf(whole, statistics.Helsenorge)}}
	for _, o := range offices {
		if !o.Helsenorge || !slices.Contains(whole.Helsenorge, o.ID.String()) { // now, and then
			continue
		}
		own[o.ID.String()] = true
		if tables := tablesOf(whole, o.ID.String()); len(tables) > 0 {
			all = append(all, Group{GroupOrganisation, o.Name, o.Number, tables})
		}
	}
	if len(all) > 1 && !tellsOf(whole, func(organisation string) bool { return !own[organisation] }) {
		all[0].Tables = tablesOf(whole, "")
	}
	return all, nil
}

// tellsOf reports a release that has rows of such an organisation.
func tellsOf(whole statistics.Release, is func(organisation string) bool) bool {
	return slices.ContainsFunc(whole.Tables, func(t statistics.Told) bool {
		return slices.ContainsFunc(t.Rows, func(row statistics.Row) bool { return row.Organisation != "" && is(row.Organisation) })
	})
}

// tablesOf gives what a release tells of one organisation or group of them; of everybody: "".
func tablesOf(whole statistics.Release, organisation string) []GroupTable {
	all := []GroupTable{}
	for _, t := range whole.Tables {
		own := GroupTable{Table: t.Table}
		for _, row := range t.Rows {
			if row.Organisation == organisation {
				own.Rows = append(own.Rows, GroupRow{row.Class, row.Variable, row.Category, row.Persons})
			}
		}
		if organisation == "" {
			own.Means = mapped(t.Means, func(m statistics.Mean) GroupMean { return GroupMean(m) })
		}
		if len(own.Rows) > 0 {
			all = append(all, own)
		}
	}
	return all
}

// ReleaseFiles gives the files of a release that go out, by name.
func (r *Request) ReleaseFiles() (map[string][]byte, error) {
	p, err := r.published()
	if err != nil {
		return nil, err
	}
	files, err := r.Shelf.Package(p.Released)
	if err != nil {
		return nil, changed(err)
	}
	return files, nil
}

// ReleaseFile gives one of them.
func (r *Request) ReleaseFile(name string) ([]byte, error) {
	files, err := r.ReleaseFiles()
	if err != nil {
		return nil, err
	}
	b, ok := files[name]
	if !ok {
		return nil, noRelease
	}
	return b, nil
}
