package esdbtest

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"strconv"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

type streamsService struct {
	streams.UnimplementedStreamsServer
	n *Server
}

// Append implements the streams service.
func (s streamsService) Append(call streams.Streams_AppendServer) error {
	first, err := call.Recv()
	if err != nil {
		return err
	}
	options := first.GetOptions()
	if options == nil {
		return status.Error(codes.InvalidArgument, "the first message of an append are its options")
	}
	name := string(options.GetStreamIdentifier().GetStreamName())
	events, err := s.receive(call)
	if err != nil {
		return err
	}
	fate, err := s.n.admit(call.Context(), "append", name, call.SetTrailer)
	if err != nil {
		return err
	}
	want := expectation(options.GetRevision())
	switch options.ExpectedStreamRevision.(type) {
	case *streams.AppendReq_Options_Any:
		want = anyVersion
	case *streams.AppendReq_Options_NoStream:
		want = noStream
	case *streams.AppendReq_Options_StreamExists:
		want = streamExists
	}
	outcome, revision, position := s.n.db.append(name, want, events)
	if fate == StoredTwice && outcome == written {
		s.n.db.mu.Lock()
		s.n.db.write(s.n.db.stream(name), name, events)
		s.n.db.mu.Unlock()
	}
	if err := s.n.fail(fate, false, call.SetTrailer); err != nil {
		return err
	}
	switch outcome {
	case deleted:
		return streamDeleted(name, call.SetTrailer)
	case wrongVersion:
		return call.SendAndClose(&streams.AppendResp{
			Result: &streams.AppendResp_WrongExpectedVersion_{WrongExpectedVersion: wrong(options, revision)},
		})
	}
	return call.SendAndClose(&streams.AppendResp{Result: &streams.AppendResp_Success_{Success: &streams.AppendResp_Success{
		CurrentRevisionOption: &streams.AppendResp_Success_CurrentRevision{CurrentRevision: uint64(revision)},
		PositionOption: &streams.AppendResp_Success_Position{
			Position: &streams.AppendResp_Position{CommitPosition: position, PreparePosition: position},
		},
	}}})
}

// receive takes in an append's events, and breaks off as soon as they are too large.
func (s streamsService) receive(call streams.Streams_AppendServer) (events []*Event, err error) {
	size := 0
	for {
		m, err := call.Recv()
		if errors.Is(err, io.EOF) {
			return events, nil
		}
		if err != nil {
			return nil, err
		}
		p := m.GetProposedMessage()
		if p == nil || p.Metadata["type"] == "" || p.Metadata["content-type"] == "" || p.Id == nil {
			return nil, status.Error(codes.InvalidArgument, "an event without id, type or content type")
		}
		e := &Event{Type: p.Metadata["type"], ContentType: p.Metadata["content-type"], Data: p.Data, Metadata: p.CustomMetadata}
		id := p.Id.GetStructured()
		binary.BigEndian.PutUint64(e.ID[:8], uint64(id.GetMostSignificantBits()))
		binary.BigEndian.PutUint64(e.ID[8:], uint64(id.GetLeastSignificantBits()))
		if size += e.size(); size > s.n.db.maxBytes {
			call.SetTrailer(metadata.Pairs("exception", "maximum-append-size-exceeded", "maximum-append-size", strconv.Itoa(s.n.db.maxBytes)))
			return nil, status.Errorf(codes.InvalidArgument, "Maximum Append Size of %d Exceeded.", s.n.db.maxBytes)
		}
		events = append(events, e)
	}
}

func wrong(options *streams.AppendReq_Options, revision int64) *streams.AppendResp_WrongExpectedVersion {
	w := &streams.AppendResp_WrongExpectedVersion{
		CurrentRevisionOption: &streams.AppendResp_WrongExpectedVersion_CurrentRevision{CurrentRevision: uint64(revision)},
	}
	if revision < 0 {
		w.CurrentRevisionOption = &streams.AppendResp_WrongExpectedVersion_CurrentNoStream{CurrentNoStream: &shared.Empty{}}
	}
	switch o := options.ExpectedStreamRevision.(type) {
	case *streams.AppendReq_Options_Revision:
		w.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedRevision{ExpectedRevision: o.Revision}
	case *streams.AppendReq_Options_NoStream:
		w.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedNoStream{ExpectedNoStream: &shared.Empty{}}
	case *streams.AppendReq_Options_Any:
		w.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedAny{ExpectedAny: &shared.Empty{}}
	case *streams.AppendReq_Options_StreamExists:
		w.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedStreamExists{ExpectedStreamExists: &shared.Empty{}}
	}
	return w
}

// Delete implements the streams service: it deletes a stream softly.
func (s streamsService) Delete(ctx context.Context, r *streams.DeleteReq) (*streams.DeleteResp, error) {
	o := r.GetOptions()
	want := expectation(o.GetRevision())
	switch o.GetExpectedStreamRevision().(type) {
	case *streams.DeleteReq_Options_Any:
		want = anyVersion
	case *streams.DeleteReq_Options_NoStream:
		want = noStream
	case *streams.DeleteReq_Options_StreamExists:
		want = streamExists
	}
	position, err := s.remove(ctx, "delete", string(o.GetStreamIdentifier().GetStreamName()), want, false)
	if err != nil {
		return nil, err
	}
	if s.n.opts.NoDeleted {
		return &streams.DeleteResp{PositionOption: &streams.DeleteResp_NoPosition{NoPosition: &shared.Empty{}}}, nil
	}
	return &streams.DeleteResp{PositionOption: &streams.DeleteResp_Position_{
		Position: &streams.DeleteResp_Position{CommitPosition: position, PreparePosition: position},
	}}, nil
}

// Tombstone implements the streams service: it deletes a stream for good.
func (s streamsService) Tombstone(ctx context.Context, r *streams.TombstoneReq) (*streams.TombstoneResp, error) {
	o := r.GetOptions()
	want := expectation(o.GetRevision())
	switch o.GetExpectedStreamRevision().(type) {
	case *streams.TombstoneReq_Options_Any:
		want = anyVersion
	case *streams.TombstoneReq_Options_NoStream:
		want = noStream
	case *streams.TombstoneReq_Options_StreamExists:
		want = streamExists
	}
	position, err := s.remove(ctx, "tombstone", string(o.GetStreamIdentifier().GetStreamName()), want, true)
	if err != nil {
		return nil, err
	}
	if s.n.opts.NoDeleted {
		return &streams.TombstoneResp{PositionOption: &streams.TombstoneResp_NoPosition{NoPosition: &shared.Empty{}}}, nil
	}
	return &streams.TombstoneResp{PositionOption: &streams.TombstoneResp_Position_{
		Position: &streams.TombstoneResp_Position{CommitPosition: position, PreparePosition: position},
	}}, nil
}

func (s streamsService) remove(ctx context.Context, method, name string, want expectation, forGood bool) (uint64, error) {
	trailer := func(md metadata.MD) { _ = grpc.SetTrailer(ctx, md) }
	fate, err := s.n.admit(ctx, method, name, trailer)
	if err != nil {
		return 0, err
	}
	outcome, actual, position := s.n.db.remove(name, want, forGood)
	if err := s.n.fail(fate, false, trailer); err != nil {
		return 0, err
	}
	switch outcome {
	case deleted:
		return 0, streamDeleted(name, trailer)
	case wrongVersion:
		trailer(metadata.Pairs("exception", "wrong-expected-version", "stream-name", name))
		return 0, status.Errorf(codes.FailedPrecondition,
			"Delete failed due to WrongExpectedVersion. Stream: %s, Expected version: %d, Actual version: %d", name, want, actual)
	}
	return position, nil
}

func recorded(e *Event, position uint64) *streams.ReadResp_ReadEvent_RecordedEvent {
	revision := e.Revision
	return &streams.ReadResp_ReadEvent_RecordedEvent{
		Id: &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{
			MostSignificantBits:  int64(binary.BigEndian.Uint64(e.ID[:8])),
			LeastSignificantBits: int64(binary.BigEndian.Uint64(e.ID[8:])),
		}}},
		StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte(e.Stream)},
		StreamRevision:   revision, CommitPosition: position, PreparePosition: position,
		Metadata: map[string]string{
			"type": e.Type, "content-type": e.ContentType, "created": strconv.FormatInt(e.Created.UnixNano()/100, 10),
		},
		CustomMetadata: e.Metadata, Data: e.Data,
	}
}

// response makes the message that carries an event.
func (n *Server) response(e *Event, ofStream bool) *streams.ReadResp {
	if ofStream && n.opts.NoPositions {
		return &streams.ReadResp{Content: &streams.ReadResp_Event{Event: &streams.ReadResp_ReadEvent{
			Event: recorded(e, math.MaxUint64), Position: &streams.ReadResp_ReadEvent_NoPosition{NoPosition: &shared.Empty{}},
		}}}
	}
	return &streams.ReadResp{Content: &streams.ReadResp_Event{Event: &streams.ReadResp_ReadEvent{
		Event: recorded(e, e.Position), Position: &streams.ReadResp_ReadEvent_CommitPosition{CommitPosition: e.Position},
	}}}
}
