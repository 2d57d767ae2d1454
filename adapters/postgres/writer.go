package postgres

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	maxGroup = 4 << 20 // bytes; one longer append makes a group of its own
	// gatherPart is the part of the last commit's duration for which a group may wait for callers.
	gatherPart = 8
	// gatherTurns bounds the wait where the clock does not move.
	gatherTurns = 1000

	noPartition = "23514" // SQLSTATE check_violation, which is also said of a row without a partition
)

const appendStatement = "SELECT head, others, actual FROM append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"

// plans has the server plan the writer's statements once, and so that they find each row by its index, however small or large
// the tables were then.
const plans = `SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off`

// A writer is what the writing goroutine keeps from one group to the next.
type writer struct {
	conn      *pgx.Conn // nil: to be made
	statement *pgconn.StatementDescription
	lost      backend // whose connection was lost, perhaps while it was writing
	current   backend

	known uint64 // a position that the head is at or beyond
	room  uint64 // the last position that there is a partition for

	group   []*request // no two of one stream
	streams map[string]bool
	size    int
	held    []*request // taken, and waiting for a group without their stream
	callers int        // in the last group
	took    time.Duration
	buffers [len(elements)][]byte
}

// A backend is a process of the server, serving one connection.
type backend struct {
	pid   uint32
	begun time.Time // zero: there is none
}

// write is the writing goroutine: it stores group after group until the store closes.
func (s *Store) write() {
	w := &s.writer
	w.streams = map[string]bool{}
	for s.gather() {
		begun := s.opts.Clock()
		s.commit()
		w.took = s.opts.Clock().Sub(begun)
	}
	if w.conn != nil {
		hangUp(w.conn)
	}
}

// gather takes requests into a group; it is false when there will be none.
func (s *Store) gather() bool {
	w := &s.writer
	clear(w.streams)
	w.group, w.size = w.group[:0], 0
	held := w.held
	w.held = nil
	for _, r := range held {
		w.take(r)
	}
	if len(w.group) == 0 {
		select {
		case r := <-s.requests:
			w.take(r)
		case <-s.closing:
			return false
		}
	}
	// Whoever wrote in the last group is likely on the way with the next append: let them run, but not for long.
	var begun time.Time
	for turns := 0; w.size < maxGroup; {
		select {
		case r := <-s.requests:
			w.take(r)
			continue
		default:
		}
		if turns == 0 {
			begun = s.opts.Clock()
		}
		if turns++; len(w.group)+len(w.held) >= w.callers || turns > gatherTurns || s.opts.Clock().Sub(begun) >= w.took/gatherPart {
			break
		}
		runtime.Gosched()
	}
	w.callers = len(w.group) + len(w.held)
	return true
}

// take puts a request into the group, or holds it for a later one.
func (w *writer) take(r *request) {
	if w.streams[r.stream] || w.size >= maxGroup {
		w.held = append(w.held, r)
		return
	}
	w.streams[r.stream] = true
	w.size += r.records.size()
	w.group = append(w.group, r)
}

// commit stores the group and answers its callers. Those whose stream is at another version are answered first, and the others
// are sent once more without them.
func (s *Store) commit() {
	w := &s.writer
	for len(w.group) > 0 {
		head, others, err := s.settled()
		switch {
		case err != nil:
			for _, r := range w.group {
				r.done <- verdict{err: err}
			}
			return
		case len(others) == 0:
			for _, r := range w.group {
				head += uint64(r.count)
			}
			w.known = head
			s.announce()
			for i := len(w.group) - 1; i >= 0; i-- {
				r := w.group[i]
				r.done <- verdict{position: head}
				head -= uint64(r.count)
			}
			return
		}
		rest := w.group[:0]
		for i, r := range w.group {
			if actual, other := others[i]; other {
				r.done <- verdict{actual: actual}
			} else {
				rest = append(rest, r)
			}
		}
		w.group = rest
	}
}

// settled sends the group until it has an answer. When an answer is lost with its connection, it sends the group once more over
// another one: what the first attempt stored is then found at its place, with its ids.
func (s *Store) settled() (head uint64, others map[int]uint64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), s.opts.Patience)
	defer cancel()
	doubt, moved := false, false
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		sent := false
		if s.writer.conn == nil {
			err = s.connectWriter(ctx)
		}
		if s.writer.conn != nil {
			if err = s.makeRoom(ctx); err == nil {
				sent = true
				head, others, err = s.send(ctx)
			}
		}
		if err == nil {
			return head, others, nil
		}
		if ctx.Err() != nil {
			err = errSlow
		}
		var answer *serverError
		known := errors.As(err, &answer) && !answer.fatal // that nothing was written by this attempt
		switch {
		case known && sent && answer.code == noPartition && !moved:
			// Others have gone on beyond the partitions that are known here.
			moved, s.writer.room = true, 0
			s.writer.known, err = s.Head(ctx)
			continue
		case !doubt && (known || !sent):
			return 0, nil, refused(err)
		case known:
			return 0, nil, openOutcome(err)
		}
		doubt = true
		s.opts.Warn(fmt.Errorf("appending: %w", err))
		if pause(ctx, wait) != nil {
			return 0, nil, openOutcome(err)
		}
	}
}

// errSlow stands for the end of a group's time, which is none of a caller's context.
const errSlow = awayError("the database has not answered in time")

func openOutcome(err error) error { return fmt.Errorf("the outcome of the append is open: %w", err) }

// send has the server append the group. Others are the appends, by their place in the group, that found another version;
// if there are any, nothing was written. The connection is given up after an error that it may not have survived.
func (s *Store) send(ctx context.Context) (head uint64, others map[int]uint64, err error) {
	w := &s.writer
	binary := []int16{pgx.BinaryFormatCode}
	rows := w.conn.PgConn().ExecStatement(ctx, w.statement, arguments(&w.buffers, w.known, w.group), binary, binary)
	for rows.NextRow() {
		v := rows.Values()
		if v[0] != nil {
			head = number(v[0])
		}
		actual := numbers(v[2])
		for i, ask := range numbers(v[1]) {
			if others == nil {
				others = map[int]uint64{}
			}
			others[int(ask)-1] = actual[i]
		}
	}
	// The server has committed when it says that it is ready for more, which is what Close waits for.
	_, err = rows.Close()
	return head, others, s.dropBroken(plain(ctx, err))
}

// dropBroken gives the writer's connection up if the error may have broken it.
func (s *Store) dropBroken(err error) error {
	w := &s.writer
	if err != nil && w.conn != nil && (w.conn.IsClosed() || passing(err)) {
		hangUp(w.conn)
		w.conn, w.lost = nil, w.current
		s.backend.Store(0)
	}
	return err
}

// makeRoom sees to it that there are partitions for the group, and for half a partition behind it.
func (s *Store) makeRoom(ctx context.Context) error {
	w := &s.writer
	end := w.known
	for _, r := range w.group {
		end += uint64(r.count)
	}
	if end+s.opts.Partition/2 <= w.room {
		return nil
	}
	var room uint64
	err := w.conn.QueryRow(ctx, "SELECT room($1, $2)", end+s.opts.Partition/2, s.opts.Partition).Scan(&room)
	if err = s.dropBroken(plain(ctx, err)); err != nil {
		return fmt.Errorf("making room for events: %w", err)
	}
	w.room = room
	return nil
}

// connectWriter makes the writer's connection. It first ends the backend of the one before, if that still runs: then nothing that
// was sent over it can be written any more.
func (s *Store) connectWriter(ctx context.Context) error {
	w := &s.writer
	c, err := s.server.connect(ctx)
	if err != nil {
		return err
	}
	ended := true
	if w.lost.pid != 0 {
		err = c.QueryRow(ctx, `SELECT coalesce(bool_and(pg_terminate_backend(pid, 10000)), true) FROM pg_stat_activity
			WHERE pid = $1 AND backend_start = $2`, w.lost.pid, w.lost.begun).Scan(&ended)
	}
	if err == nil && !ended {
		err = fmt.Errorf("%w: the backend of the one before does not end", errGone)
	}
	now := backend{}
	if err == nil {
		err = c.QueryRow(ctx, "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()").Scan(&now.pid, &now.begun)
	}
	if err == nil {
		_, err = c.Exec(ctx, plans)
	}
	if err == nil {
		w.statement, err = c.Prepare(ctx, "append", appendStatement)
	}
	if err != nil {
		hangUp(c)
		return plain(ctx, err)
	}
	w.conn, w.current, w.lost = c, now, backend{}
	s.backend.Store(c.PgConn().PID())
	return nil
}
