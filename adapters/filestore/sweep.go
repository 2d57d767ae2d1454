package filestore

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"slices"
	"sort"
	"sync"
	"time"

	"samtykke/adapters/disk"
	"samtykke/adapters/ledger"
	"samtykke/eventschema"
)

var _ ledger.Eraser = (*Store)(nil)

const (
	noteName   = "erasing"
	noteHeader = 8 + 8 + 8 + 8 // sum, kind, format, log id
	noteEntry  = 8 + 8 + 4 + 4
	// restTimes is how many times as long as a slice took a sweep rests behind it, where somebody writes: were nothing
	// written during slices at all, writers would keep four fifths of their rate.
	restTimes = 4
)

// An erasure names one record's sealed bytes.
type erasure struct {
	frame, sum   uint64 // offset in the log, and sum, of the record's frame
	from, length uint32 // of the sealed bytes, in the frame
}

func (e erasure) begin() uint64 { return e.frame + uint64(e.from) }
func (e erasure) end() uint64   { return e.begin() + uint64(e.length) }

// A sweeper does one slice after the other, whoever asked for it.
type sweeper struct {
	turn sync.Mutex // held for a slice

	// What is noted, by offset. From before it is overwritten until that is durable, readers are shown the marker there,
	// whatever stands in the file. It is changed with turn and mu held, and read with either.
	mu    sync.RWMutex
	noted []erasure
}

func (w *sweeper) set(noted []erasure) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noted = noted
}

// readAt reads from the segment's file, and shows what is noted as erased. Behind the segment's frames, where nothing is
// to be read, it may do so to zeros.
func (g *segment) readAt(b []byte, at int64) (int, error) {
	g.sweeper.mu.RLock()
	defer g.sweeper.mu.RUnlock()
	n, err := g.file.ReadAt(b, at)
	g.sweeper.cover(b[:n], g.base+uint64(at))
	return n, err
}

// cover puts the marker over what is noted of b, which was read at the offset in the log.
func (w *sweeper) cover(b []byte, offset uint64) {
	end := offset + uint64(len(b))
	i := sort.Search(len(w.noted), func(i int) bool { return w.noted[i].end() > offset })
	for ; i < len(w.noted) && w.noted[i].begin() < end; i++ {
		e := w.noted[i]
		for at := max(e.begin(), offset); at < min(e.end(), end); at++ {
			b[at-offset] = Erased[(at-e.begin())%uint64(len(Erased))]
		}
	}
}

// Erase implements ledger.Eraser: see the package comment under Erasing. Of given streams it reads what they are long, and
// else the whole log. It empties aside, whatever it is asked for. Slices of several calls take turns.
func (s *Store) Erase(ctx context.Context, choose func(*eventschema.Record) (bool, error), streams ...string) (int, error) {
	if err := s.wipeAside(); err != nil {
		return 0, err
	}
	steps := s.forwards()
	if len(streams) > 0 {
		steps = s.backwards(slices.Compact(slices.Sorted(slices.Values(streams)))) // a note names nothing twice
	}
	var (
		count, read int
		picked      []erasure
		begun, head = s.opts.Clock(), s.head()
	)
	for at, err := range steps {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			picked, err = at.frame.pick(picked, at.offset, choose)
		}
		if err != nil {
			return count, readError(err)
		}
		if read += len(at.frame.b); read < s.opts.EraseSlice {
			continue
		}
		if err := s.erase(picked); err != nil {
			return count, err
		}
		count += len(picked)
		if s.head() != head {
			if err := s.rest(ctx, restTimes*s.opts.Clock().Sub(begun)); err != nil {
				return count, err
			}
		}
		read, picked, begun, head = 0, nil, s.opts.Clock(), s.head()
	}
	if err := s.erase(picked); err != nil {
		return count, err
	}
	return count + len(picked), nil
}

func (s *Store) head() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.index.position
}

// rest leaves the disk and the processors to others.
func (s *Store) rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-s.closed:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// forwards yields all frames there are now. A frame is good until the next is asked for.
func (s *Store) forwards() iter.Seq2[step, error] {
	s.mu.RLock()
	t, end := newTape(s.id, s.segments, segmentHeader), s.index.end
	s.mu.RUnlock()
	t.reuse = true
	return func(yield func(step, error) bool) {
		for {
			f, err := t.next(end)
			if errors.Is(err, io.EOF) || !yield(step{t.offset - uint64(len(f.b)), f}, err) {
				return
			}
		}
	}
}

// backwards yields each stream's frames, the last first.
func (s *Store) backwards(streams []string) iter.Seq2[step, error] {
	return func(yield func(step, error) bool) {
		for _, stream := range streams {
			s.mu.RLock()
			h, b := s.index.head(stream), backtrack{id: s.id, segments: s.segments, stream: stream}
			s.mu.RUnlock()
			for h.version > 0 {
				f, before, err := b.back(h)
				if !yield(step{h.offset, f}, err) {
					return
				}
				h = before
			}
		}
	}
}

// pick adds what choose picks of the frame's sealed bytes. The frame is at the offset in the log.
func (f *frame) pick(picked []erasure, offset uint64, choose func(*eventschema.Record) (bool, error)) (_ []erasure, err error) {
	i, from := 0, f.covered
	f.records(0, func(r eventschema.Record) bool {
		n, _ := f.entry(i).sealed()
		chosen := false
		if len(r.Sealed) > 0 {
			if chosen, err = choose(&r); err != nil {
				return false
			}
		}
		if chosen {
			picked = append(picked, erasure{offset, f.sum, uint32(from), uint32(n)})
		}
		i, from = i+1, from+n
		return true
	})
	return picked, err
}

// erase overwrites the picked sealed bytes, and what a slice that failed had noted before, durably.
func (s *Store) erase(picked []erasure) error {
	slices.SortFunc(picked, func(a, b erasure) int { return cmp.Compare(a.begin(), b.begin()) })
	s.sweeper.turn.Lock()
	defer s.sweeper.turn.Unlock()
	if err := s.queue.failure(); err != nil {
		return err
	}
	if err := s.finish(); err != nil || len(picked) == 0 {
		return err
	}
	if err := replace(s.disk, noteName, encodeNote(s.id, picked)); err != nil {
		return err
	}
	s.sweeper.set(picked)
	return s.finish()
}

// finish overwrites what is noted, and removes the note. That need not be durable: a note that comes back is only done
// again.
func (s *Store) finish() error {
	if len(s.sweeper.noted) == 0 {
		return nil
	}
	s.mu.RLock()
	segments := s.segments
	s.mu.RUnlock()
	for rest := s.sweeper.noted; len(rest) > 0; {
		k, n := segmentOf(segments, rest[0].frame), 1
		for n < len(rest) && segmentOf(segments, rest[n].frame) == k {
			n++
		}
		if err := segments[k].overwrite(s.disk, rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	if err := s.disk.Remove(noteName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.sweeper.set(nil)
	return nil
}

// overwrite puts the marker over sealed bytes in the segment. It does so through a handle of its own, for the reason that
// zeros have one: its sync must not be told of a failure that hit records.
func (g *segment) overwrite(d disk.Disk, of []erasure) (err error) {
	f, err := d.Open(g.name, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var marker []byte
	for _, e := range of {
		for len(marker) < int(e.length) {
			marker = append(marker, Erased[:]...)
		}
		if _, err := f.WriteAt(marker[:e.length], int64(e.begin()-g.base)); err != nil {
			return err
		}
	}
	return f.Sync()
}

// wipeAside overwrites the files in aside, and removes them.
func (s *Store) wipeAside() error {
	s.sweeper.turn.Lock()
	defer s.sweeper.turn.Unlock()
	if err := s.queue.failure(); err != nil {
		return err
	}
	names, err := s.disk.Names(asideDir)
	if err != nil || len(names) == 0 {
		return err
	}
	for _, name := range names {
		if err := wipe(s.disk, asideDir+"/"+name); err != nil {
			return err
		}
	}
	return s.disk.SyncDir(asideDir)
}

// wipe overwrites a file with zeros, and removes it.
func wipe(d disk.Disk, name string) error {
	f, err := d.Open(name, false)
	if err != nil {
		return err
	}
	size, err := f.Size()
	for at := int64(0); err == nil && at < size; at += int64(len(zeros)) {
		_, err = f.WriteAt(zeros[:min(int64(len(zeros)), size-at)], at)
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return d.Remove(name)
}

// readNote reads the note of a slice; there is none where it is nil.
func readNote(d disk.Disk) ([]byte, error) {
	b, err := disk.ReadFile(d, noteName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// resume takes up the slice that an interruption left noted, before anything is read of the log: a writer finishes it, a
// reader shows it as done. It gives the number of records.
func (s *Store) resume(note []byte, readOnly bool) (int, error) {
	if note == nil {
		return 0, nil
	}
	var err error
	noted, what := decodeNote(note, s.id)
	if what == "" {
		s.sweeper.set(noted)
		what, err = s.checkNote()
	}
	if what != "" {
		err = &DamageError{noteName, 0, what}
	}
	if err != nil || readOnly {
		return len(noted), err
	}
	return len(noted), s.finish()
}

// checkNote tells what of the note names anything but a record's sealed bytes.
func (s *Store) checkNote() (what string, err error) {
	b := backtrack{id: s.id, segments: s.segments}
	var f frame
	for i, e := range s.sweeper.noted {
		if i == 0 || e.frame != s.sweeper.noted[i-1].frame {
			if f, err = b.read(e.frame); err != nil {
				return "", err
			}
		}
		if f.sum != e.sum || !f.hasSealed(int(e.from), int(e.length)) {
			return "the note of a sweep does not fit the log", nil
		}
	}
	return "", nil
}

// hasSealed tells whether these are the sealed bytes of one of the frame's records.
func (f *frame) hasSealed(from, length int) bool {
	at := f.covered
	for i := range f.count {
		n, isSealed := f.entry(i).sealed()
		if isSealed && at == from && n == length {
			return true
		}
		at += n
	}
	return false
}

// The note: sum of what follows, "samerase", format, log id; then per record its frame's offset and sum (u64 each), and
// from where in the frame the sealed bytes are, and how many (u32 each), in the order of the log.

func encodeNote(id uint64, of []erasure) []byte {
	b := append(make([]byte, 8, noteHeader+noteEntry*len(of)), "samerase"...)
	b = le.AppendUint64(b, format)
	b = le.AppendUint64(b, id)
	for _, e := range of {
		b = le.AppendUint64(b, e.frame)
		b = le.AppendUint64(b, e.sum)
		b = le.AppendUint32(b, e.from)
		b = le.AppendUint32(b, e.length)
	}
	return seal(b)
}

func decodeNote(b []byte, id uint64) (of []erasure, what string) {
	if got, ok := opened(b, "samerase"); !ok || (len(b)-noteHeader)%noteEntry != 0 {
		return nil, "the note of a sweep does not hold"
	} else if got != id {
		return nil, "the note of a sweep is of another log"
	}
	for b = b[noteHeader:]; len(b) > 0; b = b[noteEntry:] {
		e := erasure{le.Uint64(b), le.Uint64(b[8:]), le.Uint32(b[16:]), le.Uint32(b[20:])}
		if n := len(of); e.end() < e.begin() || n > 0 && e.begin() < of[n-1].end() {
			return nil, "the note of a sweep contradicts itself"
		}
		of = append(of, e)
	}
	return of, ""
}
