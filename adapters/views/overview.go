package views

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"samtykke/adapters/ledger"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/eventschema"
	"samtykke/projections"
)

// A Row is one client in the organisation's overview. Until is the day at whose start sharing ends; zero: not shared.
type Row struct {
	Handle domain.ID
	Label  string
	Until  domain.Date
	Asked  bool   // the client has been asked whether follow-up goes on
	Shown  *Shown // what is registered, for a client that shares; nil where its look-up was not recorded
}

// Caseload lists the clients of the caller's organisation by label, with the state of sharing now. It shows nothing
// that is registered.
func (d *Door) Caseload(ctx context.Context, by ledger.Caller) ([]Row, error) {
	if err := d.Standing(ctx, by); err != nil {
		if reason := domain.Refused(err); reason != "" {
			if failed := d.refuse(ctx, by, meant{}, client.Overview, nil, reason); failed != nil {
				return nil, failed
			}
		}
		return nil, err
	}
	now := d.Ledger.Now()
	cases, err := d.Keeper.Caseload.List(ctx, by.Organisation)
	if err != nil {
		return nil, err
	}
	// A login only ever puts a deactivation off (rules.Row.IdleMonths), so it is asked for only where a client has done nothing else for long.
	var unused []domain.ID
	for id, c := range cases {
		if c.State.Idle(d.Books, time.Time{}, now) {
			unused = append(unused, id)
		}
	}
	var idle map[domain.ID]bool
	var idleErr error
	var asking sync.WaitGroup
	asking.Go(func() { idle, idleErr = d.Keeper.Idle.DueAmong(ctx, unused, domain.DateOf(now)) })
	labels, err := d.labels(ctx, cases)
	asking.Wait()
	if err := errors.Join(err, idleErr); err != nil {
		return nil, err
	}
	rows := make([]Row, 0, len(labels))
	for id, label := range labels {
		if idle[id] {
			continue
		}
		c := cases[id]
		row := Row{Handle: c.State.Handle, Label: label}
		if s := c.State.At(d.Books, now); s.Status == client.Shared && !s.Restricted {
			row.Until, row.Asked = s.Terms.LapseOn, s.Asked
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b Row) int {
		if a.Label != b.Label {
			if a.Label < b.Label {
				return -1
			}
			return 1
		}
		return slices.Compare(a.Handle[:], b.Handle[:])
	})
	return rows, nil
}

func openLabel(c projections.Case, keys eventschema.Keys) (string, error) {
	if c.Label == nil {
		return "", eventschema.ErrGone
	}
	f, err := eventschema.Today.Decode(c.Label, keys)
	if err != nil {
		return "", err
	}
	l, ok := f.Body.(client.Labelled)
	if !ok {
		return "", eventschema.ErrGone
	}
	return l.Label, nil
}

// HasLabel tells whether one of the organisation's clients has the label, or had it and is on record. It costs one look into a list.
func (d *Door) HasLabel(ctx context.Context, organisation domain.ID, label string) (bool, error) {
	return d.Keeper.Labels.Lists(ctx, projections.LabelKey(organisation, label))
}

// Label gives the label that the organisation knows a client by.
func (d *Door) Label(ctx context.Context, id domain.ID) (string, error) {
	c, _, err := d.Keeper.Caseload.Get(ctx, id)
	if err != nil {
		return "", err
	}
	return openLabel(c, d.Ledger.Sealing(ctx))
}

// Labels gives the labels of clients, with one question to where documents lie and one to where keys do. Who has none is left out.
func (d *Door) Labels(ctx context.Context, ids []domain.ID) (map[domain.ID]string, error) {
	cases, err := d.Keeper.Caseload.Among(ctx, ids)
	if err != nil {
		return nil, err
	}
	return d.labels(ctx, cases)
}

// labels opens the labels of cases. A client whose key is gone has none.
func (d *Door) labels(ctx context.Context, cases map[domain.ID]projections.Case) (map[domain.ID]string, error) {
	owners := make([]eventschema.Owner, 0, len(cases))
	for id, c := range cases {
		if c.Label != nil {
			owners = append(owners, clientKey(id))
		}
	}
	if err := d.Ledger.Fetch(ctx, owners); err != nil {
		return nil, err
	}
	keys := d.Ledger.Sealing(ctx)
	labels := make(map[domain.ID]string, len(owners))
	for id, c := range cases {
		label, err := openLabel(c, keys)
		if errors.Is(err, eventschema.ErrGone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		labels[id] = label
	}
	return labels, nil
}

const (
	// atOnce is how many look-ups of one overview wait for the disk together, unless the door says otherwise.
	atOnce = 128
	// foundTogether is how many clients of one overview are found together, and have what is registered about them in memory, sealed.
	foundTogether = 200
)

// Overview is the caseload with what is registered about each client that shares.
func (d *Door) Overview(ctx context.Context, by ledger.Caller, kinds []client.Kind) ([]Row, error) {
	rows, err := d.Caseload(ctx, by)
	if err != nil {
		return nil, err
	}
	if err := d.Fill(ctx, by, rows, kinds); err != nil {
		return nil, err
	}
	return rows, nil
}

// Fill adds what is registered to rows of the caseload, for each client that shares: one look-up for each, in an append of
// its own. A client whose look-up is refused or fails shows nothing; the error is that of the reader's standing, or says that the views
// cannot be read.
func (d *Door) Fill(ctx context.Context, by ledger.Caller, rows []Row, kinds []client.Kind) error {
	byHandle := map[domain.ID]*Row{}
	var handles []domain.ID
	for i := range rows {
		if rows[i].Until != 0 {
			byHandle[rows[i].Handle] = &rows[i]
			handles = append(handles, rows[i].Handle)
		}
	}
	var wait sync.WaitGroup
	defer wait.Wait()
	slots := make(chan struct{}, cmp.Or(d.AtOnce, atOnce))
	for together := range slices.Chunk(handles, foundTogether) {
		clients, err := d.find(ctx, by, together...)
		if err != nil {
			return err
		}
		for _, m := range clients {
			slots <- struct{}{}
			wait.Go(func() {
				defer func() { <-slots }()
				row := byHandle[m.handle]
				s, err := d.show(ctx, by, m, client.Overview, kinds)
				switch {
				case err == nil:
					row.Shown = &s
				case domain.Refused(err) != "":
					row.Until, row.Asked = 0, false
				}
			})
		}
	}
	wait.Wait()
	if err := d.Standing(ctx, by); err != nil {
		return err
	}
	if err := d.halted(); err != nil {
		return err
	}
	for _, row := range byHandle {
		if row.Shown != nil {
			row.Until = row.Shown.Until
		}
		if row.Until != 0 && d.ended(row.Until) {
			row.Until, row.Asked, row.Shown = 0, false, nil
		}
	}
	return nil
}
