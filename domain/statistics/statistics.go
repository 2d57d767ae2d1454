// Package statistics is what the ledger tells about groups of clients, and never about one: which tables there are, how clients are
// counted in them, what is released of them, and the record that it was.
//
// # Who is counted
//
// Whoever came, used the service, answered the question about follow-up or let it pass, or was given a new code in a closed quarter, and
// has not had everything erased (A17): each table counts those of its universe. Who has access and does nothing is counted in none. A
// restriction stops every use but storage, and so this one too. Nothing is counted twice in a table. What a client contributes is coarse
// from the start (Contribution): by quarter, never by day, with no text, no code and no place but the organisation.
//
// # What is released
//
// One release for each quarter, once: periods are closed and disjoint, so that no release can be subtracted from another. A
// specification is data with a version; a release names it, the position of the ledger up to which it was made, the rules and the
// hashes of what went out, as an event (G03). The same ledger up to the same position, the same specification and the same key for
// the noise make the same bytes again. After an erasure among those counted they cannot be made again, by design: then the kept file,
// its hash in the ledger and the signed checkpoint prove what was released.
//
// # How people are protected
//
// Package disclosure does, and says how. Here it is decided what goes into one problem: all tables of a release at once, those by
// organisation included, whoever may see which. A cell that two tables share is one cell. Each organisation is an insider, who knows
// its own clients; where the rest without that organisation would be too small, that remainder has to be protected too. Universes of which
// one is part of the other are tied together, so that few who are in the larger one only are protected like any other few; so is what
// follows from two categories for a third (Table.Implied), what everybody knows of who is where (Specification.Flows), and numbers that no
// table tells and that follow from those of several (Specification.Behind). What everybody knows to be impossible is told as zero, and
// protects nothing (Table.Never).
//
// # What was released before
//
// Numbers of one quarter say as little as possible of another's. What is counted is what people do in a quarter, never how many have
// access or share at its end: such a number counts the same people again each time, and its changes are few people, by whom every release
// would be bound to all before it. What is left is what lasts (Specification.Pools): everybody came once, and cannot have come back more often
// than they came; whose first question is not answered now had not answered it then; sharing that has run out did so once. Of the
// people of a pool everybody is taken to know how many there are, whether or not releases told it; but where they are few, or few beside those
// of one organisation, they never were told. Those of a pool who are not in what is told now are protected where they are few, or nobody.
//
// So a release needs nothing of those before it: a pool is counted among the people themselves, without those who have been erased, who are
// in no number any more. And what an earlier release hid stays hidden: whoever takes its hidden numbers for others that fit changes no
// number of a later one, but how many of a pool stayed away, which can always be more, and fewer as long as there are some. Where there are
// few, or none, it is hidden how many came back, and they can be fewer as well. That it is so for several organisations at once is not
// proved, but tried: a solver attacks releases together in a test. Where a restriction was lifted, a pool has somebody of whom no release told.
//
// Where there is hardly anybody, it may be that no suppression is found that protects a cell. Then the table that it stands in is withheld
// as a whole, and in the end all of them.
//
// Means of scores are shown over large groups only (Specification.FewestForMean), and where nobody dominates them (the p% rule);
// noise of the size of one client's possible part is added to the sum.
//
// # Adding a table or a variable
//
// A new version of the specification: a row in Quarterly, and the variable beside the others. A version that a release was made under
// is never changed.
package statistics

import (
	"fmt"
	"strconv"
	"time"

	"samtykke/domain"
	"samtykke/domain/disclosure"
)

// A Quarter is a quarter of a year in Europe/Oslo: the finest period there is. The zero Quarter is none.
type Quarter int32

// NewQuarter gives the quarter of a year, from 1 to 4.
func NewQuarter(year, quarter int) Quarter { return Quarter(4*year + quarter - 1) }

// QuarterOf gives the quarter of an instant.
func QuarterOf(t time.Time) Quarter {
	t = t.In(domain.Oslo)
	return NewQuarter(t.Year(), (int(t.Month())+2)/3)
}

// ParseQuarter reads a quarter as String writes it: 2026Q3.
func ParseQuarter(s string) (Quarter, error) {
	if len(s) == 6 && s[4] == 'Q' && '1' <= s[5] && s[5] <= '4' {
		if year, err := strconv.ParseUint(s[:4], 10, 16); err == nil && year > 0 {
			return NewQuarter(int(year), int(s[5]-'0')), nil
		}
	}
	return 0, fmt.Errorf("%q is no quarter: expected a year and a quarter, as in 2026Q3", s)
}

// Start gives the quarter's first day.
func (q Quarter) Start() domain.Date {
	return domain.NewDate(int(q/4), time.Month(3*(q%4)+1), 1)
}

// End gives the day after the quarter's last.
func (q Quarter) End() domain.Date { return (q + 1).Start() }

func (q Quarter) String() string { return fmt.Sprintf("%04dQ%d", q/4, q%4+1) }

// MarshalText writes what String does.
func (q Quarter) MarshalText() ([]byte, error) { return []byte(q.String()), nil }

// UnmarshalText reads what String writes.
func (q *Quarter) UnmarshalText(b []byte) (err error) {
	*q, err = ParseQuarter(string(b))
	return err
}

// Words are one thing's name in each language.
type Words struct {
	NB string `json:"nb"`
	NN string `json:"nn"`
	EN string `json:"en"`
}

// A Specification says what a release holds. It is data, with a version.
type Specification struct {
	Name          string
	Version       int
	Rule          string // the version of the rules of protection, named in the event
	Rules         disclosure.Rules
	FewestForMean int // persons behind a mean
	Tables        []Table
	Behind        []Table // what follows from those together: counted and protected like them, and never shown
	Same          []Same
	Flows         []Flow
	Pools         []Pool
}

// A Table counts the persons of a universe by what they are.
type Table struct {
	Name     string
	Label    Words
	Universe *Universe
	By       *Variable   // classifies; nil: nobody is classified
	Over     bool        // also by organisation
	Of       []*Variable // what is told of each class. Several have two categories each, and are told one beside the other
	Mean     *Measure    // of each class, without organisations; nil: none
	Never    [][2]string // categories of By and Of that nobody can be in together, as everybody knows
	Implied  [][3]string // category of By, of Of, and of the variable of another table by the same, which follows from these two
}

// Same are two groups of the same people, as everybody knows.
type Same [2]Group

// A Flow is what everybody knows of who is where: whoever is in some groups is in as many of others at least. A group can be there twice.
type Flow struct {
	Of, In []Group
	Times  bool // what is left is how often somebody is, and no number of persons: it binds, and is nothing to protect
}

// A Pool is people of whom everybody is taken to know how many there are, since earlier releases told of them, and groups of which nobody
// is in two, and whose people all are among them.
type Pool struct {
	Name    string
	Of      []Group
	In      func(Person) bool
	Deleted bool // those who had everything deleted in the quarter as well
	Empty   bool // nobody in it is nobody in its groups, as everybody knows
}

// A Group is those of a universe who are in a category of each of some variables.
type Group struct {
	Universe *Universe
	Is       []Is
}

// Is is a category of a variable, by its name.
type Is struct {
	Variable *Variable
	Category string
}

// A Universe is who is in a table.
type Universe struct {
	Name  string
	Label Words
	Of    *Universe // which everybody in it is in as well; nil: none
	in    func(Person) bool
}

// A Variable puts each person of a universe into one category.
type Variable struct {
	Name       string
	Label      Words
	Categories []Category
	of         func(Person) int
}

// A Category is one value of a variable.
type Category struct {
	Name  string
	Label Words
}

// A Measure is a number of each person of a universe, of which means are told. No person's is further from zero than Bound.
type Measure struct {
	Name  string
	Label Words
	Bound int
	of    func(Person) int
}
