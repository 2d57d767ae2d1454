package audit

import (
	"context"
	"strconv"
	"strings"

	"samtykke/domain"
	"samtykke/domain/oversight"
	"samtykke/eventschema"
)

// A Feed is all events behind a position, in total order and without a gap. What is sealed stays closed.
type Feed struct {
	Opened uint64 // the position of the event that records its opening, by which ContinueFeed goes on with it
	After  uint64 // what has been read up to

	records Records
}

// The words by which an opened feed is recorded. The number behind them is where it begins.
const (
	feedQuery = "feed"
	feedAbout = "all events, sealed content closed, behind position "
)

// OpenFeed opens a feed of what stands behind a position, which may be one that the ledger has not reached yet. The opening is
// recorded, once.
func (a *Auditor) OpenFeed(ctx context.Context, reason string, after uint64) (Feed, error) {
	own, err := a.ask(ctx, feedQuery, feedAbout+strconv.FormatUint(after, 10), reason)
	if err != nil {
		return Feed{}, err
	}
	return Feed{Opened: own, After: after, records: a.Records}, nil
}

// ContinueFeed goes on, behind a position, with a feed that this person opened in this session: nothing is recorded. It
// refuses with NotFound where there is no such feed, and with BadInput a position before the feed's beginning.
func (a *Auditor) ContinueFeed(ctx context.Context, opened, after uint64) (Feed, error) {
	none := domain.Refuse(NotFound, "no feed of yours was opened there")
	head, err := a.Records.Head(ctx)
	if err != nil {
		return Feed{}, err
	}
	if opened < 1 || opened > head {
		return Feed{}, none
	}
	f, err := a.fact(ctx, opened)
	if err != nil {
		return Feed{}, err
	}
	q, ok := f.Body.(oversight.Queried)
	begin, feed := strings.CutPrefix(q.About, feedAbout)
	if !ok || !feed || q.Query != feedQuery || f.Act.Actor != a.Actor || f.Act.Session != a.Session {
		return Feed{}, none
	}
	if first, err := strconv.ParseUint(begin, 10, 64); err != nil || after < first {
		return Feed{}, domain.Refuse(BadInput, "the feed begins behind that position: open another")
	}
	return Feed{Opened: opened, After: after, records: a.Records}, nil
}

// Next reads on: so many events, or fewer where the ledger ends. None: the reader has come to its end for now. A limit of 0 or
// less is DefaultLimit, and none is above MaxLimit.
func (f *Feed) Next(ctx context.Context, most int) ([]eventschema.Fact, error) {
	head, err := f.records.Head(ctx)
	if err != nil {
		return nil, err
	}
	facts := []eventschema.Fact{}
	for r, err := range between(ctx, f.records, f.After, head) {
		if err != nil {
			return nil, err
		}
		fact, err := eventschema.Today.Decode(&r, nil)
		if err != nil {
			return nil, err
		}
		fact.Closed = nil
		if facts = append(facts, fact); len(facts) == limit(most) {
			break
		}
	}
	if n := len(facts); n > 0 {
		f.After = facts[n-1].Position
	}
	return facts, nil
}
