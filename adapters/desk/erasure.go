package desk

import (
	"context"
	"errors"
	"time"

	"samtykke/adapters/keyring"
	"samtykke/adapters/ledger"
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/organisation"
	"samtykke/eventschema"
)

// CopyDays is for how many days at the most a copy made before an erasure could be opened: an epoch of keys (package keyring).
const CopyDays = 14

// Erase erases the caller, a client, for good. When it returns without an error the erasure is final: the client's key is gone,
// and every sealed byte about the client is removed from the store in use. The first event is the client's own act and ends every
// session; what comes after it is resumed by FinishErasures after a crash, so an error behind that event leaves nothing to repeat.
func (d *Desk) Erase(ctx context.Context, by ledger.Caller) (ledger.Position, error) {
	if _, err := d.Act(ctx, by, client.Erase{}); err != nil {
		return 0, err
	}
	return d.finishErasure(context.WithoutCancel(ctx), by.Actor) // whether or not the client waits for it
}

// finishErasure does what is left to do about an erased client: the key, its record, the sweep, its record. Each step may be
// repeated.
func (d *Desk) finishErasure(ctx context.Context, id domain.ID) (ledger.Position, error) {
	if err := d.Ledger.Keys.Destroy(ctx, keyring.Owner{Kind: keyring.Client, ID: id}); err != nil {
		return 0, err
	}
	d.Journals.Forget(id)
	if _, err := d.Clients.Do(ctx, id, ledger.System, client.RecordKeyDestroyed{}); err != nil {
		return 0, err
	}
	swept, err := d.sweep(ctx, eventschema.Owner{Kind: eventschema.KeyClient, ID: id},
		eventschema.JournalStream.Stream(id), eventschema.ClientStream.Stream(id))
	if err != nil {
		return 0, err
	}
	done, err := d.Clients.Do(ctx, id, ledger.System, client.RecordSwept{Records: swept})
	return done.Position, err
}

// FinishErasures finishes what was begun and interrupted.
func (d *Desk) FinishErasures(ctx context.Context) error {
	due, failed := d.Keeper.Erasures.DueBy(ctx, domain.DateOf(d.Ledger.Now()))
	for _, id := range due {
		e, _, err := d.Keeper.Erasures.Get(ctx, id)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		if e.Professional {
			err = d.finishProfessional(ctx, e.Organisation, id)
		} else {
			_, err = d.finishErasure(ctx, id)
		}
		failed = errors.Join(failed, err) // and nobody else waits for this one
	}
	return failed
}

// EraseProfessional erases what is known of a professional who is off the list of the caller's organisation, once the agreed time
// since the last look-up has passed. What was looked at stays on record under a random id.
func (d *Desk) EraseProfessional(ctx context.Context, by ledger.Caller, id domain.ID) error {
	last, err := d.lastLook(ctx, id)
	if err != nil {
		return err
	}
	if _, err := d.Organisations.Do(ctx, by.Organisation, by, organisation.EraseProfessional{Professional: id, LastLook: last}); err != nil {
		return err
	}
	return d.finishProfessional(ctx, by.Organisation, id)
}

// finishProfessional does what is left to do about an erased professional: the key, the sweep, and their record.
func (d *Desk) finishProfessional(ctx context.Context, office, id domain.ID) error {
	if err := d.Ledger.Keys.Destroy(ctx, keyring.Owner{Kind: keyring.Staff, ID: id}); err != nil {
		return err
	}
	d.Staff.Forget(id)
	_, err := d.sweep(ctx, eventschema.Owner{Kind: eventschema.KeyStaff, ID: id},
		eventschema.StaffStream.Stream(id), eventschema.OrganisationStream.Stream(office))
	if err != nil {
		return err
	}
	_, err = d.Organisations.Do(ctx, office, ledger.System, organisation.RecordKeyDestroyed{Professional: id})
	return err
}

// Former is somebody who is off an organisation's list.
type Former struct {
	LastLook time.Time   // zero: there was none
	From     domain.Date // from whose start the name may be erased; 0: never, since no time was agreed, or at once
	Erasable bool        // now
}

// Former tells from when a professional who is off the list may be erased.
func (d *Desk) Former(ctx context.Context, office, id domain.ID) (f Former, err error) {
	o, _, err := d.Organisations.State(ctx, office)
	if err != nil {
		return f, err
	}
	if f.LastLook, err = d.lastLook(ctx, id); err != nil || o.Members[id].Active || o.Members[id].Erased {
		return f, err
	}
	if f.LastLook.IsZero() {
		f.Erasable = true
		return f, nil
	}
	if from, agreed := o.ErasableFrom(domain.DateOf(f.LastLook)); agreed {
		f.From, f.Erasable = from, !d.Ledger.Now().Before(from.Start())
	}
	return f, nil
}

// sweep removes the sealed bytes of an owner whose key is gone from streams, and says how many records had such, those that were
// removed before included.
func (d *Desk) sweep(ctx context.Context, owner eventschema.Owner, streams ...string) (uint64, error) {
	e, ok := d.Ledger.Store.(ledger.Eraser)
	if !ok {
		return 0, errors.New("the store cannot remove sealed bytes")
	}
	n := uint64(0)
	_, err := e.Erase(ctx, func(r *eventschema.Record) (bool, error) {
		f, err := eventschema.Today.Decode(r, nil)
		if f.Owner == owner {
			n++
		}
		return f.Owner == owner, err
	}, streams...)
	return n, err
}

// lastLook is when somebody looked, tried to or asked for the last time; zero: never.
func (d *Desk) lastLook(ctx context.Context, id domain.ID) (time.Time, error) {
	head, err := d.Ledger.Store.Head(ctx)
	if err == nil {
		err = d.Keeper.Wait(ctx, head)
	}
	if err != nil {
		return time.Time{}, err
	}
	t, _, err := d.Keeper.Audit.Get(ctx, id)
	if err != nil || t.Count == 0 {
		return time.Time{}, err
	}
	for r, err := range d.Ledger.Store.After(ctx, t.Last-1) {
		if err != nil {
			return time.Time{}, err
		}
		f, err := eventschema.Today.Decode(&r, nil)
		return f.Act.At, err
	}
	return time.Time{}, ctx.Err()
}
