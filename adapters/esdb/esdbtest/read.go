package esdbtest

import (
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// page is how many events of a stream the server reads at a time. What is appended while it sends a page, it sends too.
const page = 32

// firstMessages is how many messages a subscription sends that is to be lost.
const firstMessages = 3

// Read implements the streams service.
func (s streamsService) Read(r *streams.ReadReq, call streams.Streams_ReadServer) error {
	o := r.GetOptions()
	name := "$all"
	if o.GetStream() != nil {
		name = string(o.GetStream().GetStreamIdentifier().GetStreamName())
	}
	method := "read"
	if o.GetSubscription() != nil {
		method = "subscribe"
	}
	fate, err := s.n.admit(call.Context(), method, name, call.SetTrailer)
	if err != nil {
		return err
	}
	switch _, counted := o.GetCountOption().(*streams.ReadReq_Options_Count); {
	case !counted:
		return s.subscribe(o, name, fate, call)
	case o.GetStream() != nil:
		err = s.readStream(o, name, call)
	default:
		err = s.readAll(o, call)
	}
	if failure := s.n.fail(fate, false, call.SetTrailer); failure != nil {
		return failure
	}
	return err
}

func (s streamsService) readStream(o *streams.ReadReq_Options, name string, call streams.Streams_ReadServer) error {
	from, limit := o.GetStream().GetRevision(), o.GetCount()
	backwards := o.GetReadDirection() == streams.ReadReq_Options_Backwards
	if o.GetStream().GetEnd() != nil {
		from = math.MaxInt64
	}
	if from > math.MaxInt64 {
		return status.Error(codes.InvalidArgument, "a revision beyond all")
	}
	for sent := uint64(0); sent < limit; {
		s.n.db.mu.Lock()
		there, shown := s.n.db.stream(name), slices.Clone(s.n.db.visible(name))
		softly := s.n.db.metadata(name).before == math.MaxInt64 && len(shown) == 0
		tombstoned, never := there.tombstoned, there.next == 0
		s.n.db.mu.Unlock()
		switch {
		case tombstoned:
			return streamDeleted(name, call.SetTrailer)
		case never || softly:
			return call.Send(&streams.ReadResp{Content: &streams.ReadResp_StreamNotFound_{StreamNotFound: &streams.ReadResp_StreamNotFound{
				StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte(name)},
			}}})
		}
		if backwards {
			slices.Reverse(shown)
		}
		shown = slices.DeleteFunc(shown, func(e *Event) bool {
			return !backwards && e.Revision < from || backwards && e.Revision > from
		})
		if len(shown) == 0 {
			return nil
		}
		for _, e := range shown[:min(uint64(len(shown)), page, limit-sent)] {
			if err := call.Send(s.n.response(e, true)); err != nil {
				return err
			}
			sent++
			if from = e.Revision + 1; backwards {
				if e.Revision == 0 {
					return nil
				}
				from = e.Revision - 1
			}
		}
	}
	return nil
}

func (s streamsService) readAll(o *streams.ReadReq_Options, call streams.Streams_ReadServer) error {
	passes, err := filter(o.GetFilter())
	if err != nil {
		return err
	}
	all, _ := s.n.db.behind(0)
	backwards := o.GetReadDirection() == streams.ReadReq_Options_Backwards
	a := o.GetAll()
	if p := a.GetPosition(); p != nil && !s.n.lies(p.CommitPosition) {
		return invalidPosition()
	}
	all = slices.DeleteFunc(slices.Clone(all), func(e *Event) bool {
		switch p := a.GetPosition(); {
		case !passes(e):
			return true
		case p != nil && backwards:
			return e.Position >= p.CommitPosition
		case p != nil:
			return e.Position < p.CommitPosition
		}
		return backwards == (a.GetStart() != nil)
	})
	if backwards {
		slices.Reverse(all)
	}
	for _, e := range all[:min(uint64(len(all)), o.GetCount())] {
		if err := call.Send(s.n.response(e, false)); err != nil {
			return err
		}
	}
	return nil
}

// lies tells whether an event was ever written at the position.
func (n *Server) lies(position uint64) bool {
	n.db.mu.Lock()
	defer n.db.mu.Unlock()
	return n.db.places[position]
}

func invalidPosition() error {
	return status.Error(codes.InvalidArgument, "Trying to read from an invalid position.")
}

// filter makes of a request's filter what tells whether an event passes.
func filter(f *streams.ReadReq_Options_FilterOptions) (func(*Event) bool, error) {
	if f == nil {
		return func(*Event) bool { return true }, nil
	}
	by, text := f.GetStreamIdentifier(), func(e *Event) string { return e.Stream }
	if by == nil {
		by, text = f.GetEventType(), func(e *Event) string { return e.Type }
	}
	if prefixes := by.GetPrefix(); len(prefixes) > 0 {
		return func(e *Event) bool {
			return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(text(e), p) })
		}, nil
	}
	re, err := regexp.Compile(by.GetRegex())
	if err != nil || by.GetRegex() == "" {
		return nil, status.Error(codes.InvalidArgument, "a filter without prefix and expression")
	}
	return func(e *Event) bool { return re.MatchString(text(e)) }, nil
}

// A subscription follows the log and sends what passes.
type subscription struct {
	n        *Server
	call     streams.Streams_ReadServer
	fate     Fate
	sent     int
	ofStream string // empty: of $all
	passes   func(*Event) bool
	every    int // events considered between checkpoints, 0: no checkpoints
}

func (s streamsService) subscribe(o *streams.ReadReq_Options, name string, fate Fate, call streams.Streams_ReadServer) error {
	passes, err := filter(o.GetFilter())
	if err != nil {
		return err
	}
	sub := &subscription{n: s.n, call: call, fate: fate, passes: passes}
	if f := o.GetFilter(); f != nil {
		sub.every = int(max(f.GetMax(), 1) * max(f.GetCheckpointIntervalMultiplier(), 1))
	}
	from, err := sub.begin(o, name)
	if err != nil {
		return err
	}
	err = call.Send(&streams.ReadResp{Content: &streams.ReadResp_Confirmation{
		Confirmation: &streams.ReadResp_SubscriptionConfirmation{SubscriptionId: "00000000-0000-0000-0000-000000000001"},
	}})
	if err != nil {
		return err
	}
	return sub.follow(from)
}

// begin gives the position in the log from which on the subscription considers events.
func (sub *subscription) begin(o *streams.ReadReq_Options, name string) (from uint64, err error) {
	db := sub.n.db
	if o.GetStream() == nil {
		switch p := o.GetAll().GetPosition(); {
		case p != nil && !sub.n.lies(p.CommitPosition):
			return 0, invalidPosition()
		case p != nil && sub.n.opts.Repeats:
			return p.CommitPosition, nil
		case p != nil:
			return p.CommitPosition + 1, nil
		case o.GetAll().GetEnd() != nil:
			db.mu.Lock()
			defer db.mu.Unlock()
			return db.end, nil
		}
		return 0, nil
	}
	sub.ofStream = name
	after := int64(-1)
	switch o := o.GetStream().GetRevisionOption().(type) {
	case *streams.ReadReq_Options_StreamOptions_Revision:
		after = int64(o.Revision)
	case *streams.ReadReq_Options_StreamOptions_End:
		db.mu.Lock()
		after = db.stream(name).current()
		db.mu.Unlock()
	}
	inner := sub.passes
	sub.passes = func(e *Event) bool { return e.Stream == name && int64(e.Revision) > after && inner(e) }
	return 0, nil
}

func (sub *subscription) follow(from uint64) error {
	considered, caughtUp := 0, false
	sub.n.mu.Lock()
	stopped := sub.n.stopped
	sub.n.mu.Unlock()
	for last := from; ; {
		events, changed := sub.n.db.behind(last)
		for _, e := range events {
			if err := sub.consider(e); err != nil {
				return err
			}
			last = e.Position + 1
			if considered++; sub.every > 0 && considered%sub.every == 0 {
				if err := sub.send(checkpoint(e.Position)); err != nil {
					return err
				}
			}
		}
		if !caughtUp || sub.n.opts.CaughtUpTwice {
			times := 1
			if sub.n.opts.CaughtUpTwice {
				times = 2
			}
			for range times {
				if err := sub.send(&streams.ReadResp{Content: &streams.ReadResp_CaughtUp_{CaughtUp: &streams.ReadResp_CaughtUp{}}}); err != nil {
					return err
				}
			}
			caughtUp = true
		}
		select {
		case <-changed:
		case <-sub.call.Context().Done():
			return sub.call.Context().Err()
		case <-stopped:
			return status.Error(codes.Unavailable, "Server Is Shutting Down")
		}
	}
}

func (sub *subscription) consider(e *Event) error {
	if sub.ofStream == e.Stream && e.Revision == tombstoneRevision {
		return streamDeleted(e.Stream, sub.call.SetTrailer)
	}
	if !sub.passes(e) {
		return nil
	}
	return sub.send(sub.n.response(e, sub.ofStream != ""))
}

func (sub *subscription) send(m *streams.ReadResp) error {
	if sub.sent++; sub.sent > firstMessages {
		if err := sub.n.fail(sub.fate, false, sub.call.SetTrailer); err != nil {
			return err
		}
	}
	return sub.call.Send(m)
}

func checkpoint(position uint64) *streams.ReadResp {
	return &streams.ReadResp{Content: &streams.ReadResp_Checkpoint_{
		Checkpoint: &streams.ReadResp_Checkpoint{CommitPosition: position, PreparePosition: position},
	}}
}
