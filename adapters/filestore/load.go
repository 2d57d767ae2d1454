package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

const asideDir = "aside"

// load reads what is stored, and mends what an interruption left unless readOnly.
func (s *Store) load(readOnly bool) (Report, error) {
	var err error
	if s.segments, s.id, err = openSegments(s.disk, readOnly); err != nil {
		return Report{}, err
	}
	if len(s.segments) == 0 {
		if err := s.found(readOnly); err != nil {
			return Report{}, err
		}
	} else if g := s.segments[len(s.segments)-1]; !readOnly {
		if g.pad, err = s.disk.Open(g.name, false); err != nil {
			return Report{}, err
		}
	}
	for _, g := range s.segments {
		g.sweeper = &s.sweeper
	}
	report := Report{}
	note, err := readNote(s.disk)
	if err != nil {
		return Report{}, err
	}
	if report.Finished, err = s.resume(note, readOnly); err != nil {
		return Report{}, err
	}
	checkpoint, err := readCheckpoint(s.disk, s.id)
	if err != nil {
		return Report{}, err
	}
	if s.index, report.NoIndex, err = readIndex(s.disk, s.id, s.segments); err != nil {
		return Report{}, err
	}
	if s.index == nil {
		s.index = newIndex(s.id)
	}
	known := s.index.position
	s.keeper.last, s.keeper.stored = known, s.index.mark
	if report.Cut, err = s.readOn(checkpoint, readOnly); err != nil {
		return Report{}, err
	}
	report.Records, report.Scanned, report.Segments = s.index.position, s.index.position-known, len(s.segments)
	if report.Records == 0 {
		report.NoIndex = ""
	}
	if readOnly {
		return report, s.segments[len(s.segments)-1].file.Sync()
	}
	return report, s.harden()
}

// found begins a new log. A checkpoint, an index or a note where there is no segment belongs to a log that was lost.
func (s *Store) found(readOnly bool) error {
	names, err := s.disk.Names("")
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == checkpointName || name == indexName || name == noteName {
			return &DamageError{segmentName(1), 0, "the log is missing, though there is a file " + name}
		}
	}
	if readOnly {
		return &fs.PathError{Op: "open", Path: segmentName(1), Err: fs.ErrNotExist}
	}
	if s.id, err = s.newID(); err != nil {
		return err
	}
	s.index = newIndex(s.id)
	return s.roll()
}

// readOn takes into the index what the log holds beyond it, and cuts what was never promised to anybody.
func (s *Store) readOn(checkpoint mark, readOnly bool) (*Cut, error) {
	last := s.segments[len(s.segments)-1]
	t := newTape(s.id, s.segments, s.index.end)
	met := checkpoint.position <= s.index.position
	err := scan(t, s.index, last.base+uint64(last.filled.Load()), func(*frame) error {
		if s.index.position == checkpoint.position {
			if met = s.index.last == checkpoint.last && s.index.sum == checkpoint.sum; !met {
				return t.damage("the log is not the one of its checkpoint")
			}
		}
		return nil
	})
	damage := new(DamageError)
	if errors.As(err, &damage) && t.k == len(s.segments)-1 && damage.Segment == last.name && s.index.end == t.offset {
		var cut *Cut
		if cut, err = s.examineTail(damage, !met); err == nil && cut != nil && !readOnly {
			err = s.cutTail(cut)
		}
		if err == nil && met {
			return cut, nil
		}
	}
	if err == nil && !met {
		err = t.damage(fmt.Sprintf("the log ends before its checkpoint, which is at position %d", checkpoint.position))
	}
	return nil, err
}

// examineTail tells what stands at the place in the last segment where no frame continues the log: nothing (nil), a
// batch that was never promised (a Cut), or damage.
func (s *Store) examineTail(damage *DamageError, belowCheckpoint bool) (*Cut, error) {
	g := s.segments[len(s.segments)-1]
	end, err := lastUsed(g, damage.Offset)
	if err != nil {
		return nil, err
	}
	if end == damage.Offset {
		return nil, nil
	}
	if belowCheckpoint {
		return nil, damage
	}
	tail := make([]byte, end-damage.Offset)
	if _, err := g.file.ReadAt(tail, damage.Offset); err != nil {
		return nil, err
	}
	// A frame whose last bytes are zeros ends behind the last byte that is not.
	tail = append(tail, make([]byte, max(frameHeader, min(MaxAppend, g.filled.Load()-end)))...)
	for at := 0; at < int(end-damage.Offset); at += 8 {
		if [4]byte(tail[at+16:]) != frameMark {
			continue
		}
		f, what := parseFrame(tail[at:], s.id)
		switch {
		case what != "":
		case at == 0:
			return nil, damage // the frame holds, and is not the one that belongs here
		case f.back < at && f.position > s.index.position:
			return nil, g.damage(damage.Offset, "%s, and at offset %d stands a frame that was written later",
				damage.What, damage.Offset+int64(at))
		}
	}
	return &Cut{Segment: g.name, Offset: damage.Offset, Bytes: end - damage.Offset, What: damage.What}, nil
}

// cutTail copies the cut bytes to a file aside, and overwrites them with zeros.
func (s *Store) cutTail(cut *Cut) error {
	g := s.segments[len(s.segments)-1]
	b := make([]byte, cut.Bytes)
	if _, err := g.file.ReadAt(b, cut.Offset); err != nil {
		return err
	}
	var err error
	if cut.Aside, err = s.asideName(cut); err != nil {
		return err
	}
	if err := writeFile(s.disk, cut.Aside, b); err != nil {
		return err
	}
	if err := s.disk.SyncDir(asideDir); err != nil {
		return err
	}
	clear(b)
	if _, err := g.file.WriteAt(b, cut.Offset); err != nil {
		return err
	}
	return g.file.Sync()
}

// asideName is a name no file in aside has: a cut that was itself interrupted is made again, of what is left.
func (s *Store) asideName(cut *Cut) (string, error) {
	if err := s.disk.MakeDir(asideDir); err != nil {
		return "", err
	}
	names, err := s.disk.Names(asideDir)
	if err != nil {
		return "", err
	}
	taken := map[string]bool{}
	for _, name := range names {
		taken[name] = true
	}
	base := fmt.Sprintf("%s-%d", strings.TrimPrefix(cut.Segment, segmentDir+"/"), cut.Offset)
	name := base
	for i := 2; taken[name]; i++ {
		name = fmt.Sprintf("%s-%d", base, i)
	}
	return asideDir + "/" + name, nil
}

// harden makes durable what the log shows: the last batch, which alone can be written and not synced, and the entries of
// the folder. It writes the batch again, since after a failed sync the system takes the file for clean.
func (s *Store) harden() error {
	g := s.segments[len(s.segments)-1]
	if s.index.last > g.base {
		f, err := (&backtrack{id: s.id, segments: s.segments}).read(s.index.last)
		if err != nil {
			return err
		}
		first := int64(s.index.last-g.base) - int64(f.back)
		if first < segmentHeader {
			return g.damage(int64(s.index.last-g.base), "the frame's batch begins before the segment")
		}
		b := make([]byte, int64(s.index.end-g.base)-first)
		if _, err := g.file.ReadAt(b, first); err != nil {
			return err
		}
		if _, err := g.file.WriteAt(b, first); err != nil {
			return err
		}
	}
	if err := g.file.Sync(); err != nil {
		return err
	}
	if err := s.disk.Remove(nextName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return errors.Join(s.disk.SyncDir(segmentDir), s.disk.SyncDir(""))
}
