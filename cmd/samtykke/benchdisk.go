package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"samtykke/adapters/disk"
)

// A pacedDisk is the disk that is measured. Its syncs can be put off, while a ledger is made that nobody relies on, or
// made to take longer, as on a slower disk.
type pacedDisk struct {
	disk.Disk
	pace *pace
}

// pace is how the syncs of a pacedDisk go, for all its files.
type pace struct {
	off   atomic.Bool
	extra atomic.Int64 // nanoseconds that each sync takes longer
}

func (d pacedDisk) Open(name string, create bool) (disk.File, error) {
	f, err := d.Disk.Open(name, create)
	if err != nil {
		return nil, err
	}
	return pacedFile{f, d.pace}, nil
}

func (d pacedDisk) SyncDir(dir string) error {
	if d.pace.off.Load() {
		return nil
	}
	return d.Disk.SyncDir(dir)
}

type pacedFile struct {
	disk.File
	pace *pace
}

func (f pacedFile) Sync() error {
	if f.pace.off.Load() {
		return nil
	}
	err := f.File.Sync()
	if extra := f.pace.extra.Load(); extra > 0 {
		time.Sleep(time.Duration(extra))
	}
	return err
}

// What an event of 300 bytes takes in a log of package filestore: a frame's header, the stream's name, an entry for the
// record, and the event, up to a multiple of eight.
const (
	eventBytes = 300
	frameBytes = (64 + len("client-1b4e28ba-2fa1-41d2-883f-0016d3cca427") + 32 + eventBytes + 7) / 8 * 8
)

// A rawLog is the least that group commit takes: callers leave their bytes with one goroutine, which writes all that
// wait over zeros in one piece, syncs once, and answers all. It begins again at the file's start when that is full.
//
// Before it takes what waits, it lets others run for up to an eighth of the time of a sync, until as many wait as it
// answered last. Without that, those it has just answered miss the next sync, and the limit would be half as high.
type rawLog struct {
	file disk.File
	wake chan struct{}

	mu      sync.Mutex
	bytes   []byte
	waiting []chan error
}

const rawBytes = 64 << 20

func newRawLog(d disk.Disk, name string) (*rawLog, error) {
	f, err := d.Open(name, true)
	if err != nil {
		return nil, err
	}
	if _, err := f.WriteAt(make([]byte, rawBytes), 0); err != nil {
		return nil, err
	}
	l := &rawLog{file: f, wake: make(chan struct{}, 1)}
	go l.run()
	return l, f.Sync()
}

// append returns when the bytes are durable. The channel is the caller's own, with room for one.
func (l *rawLog) append(b []byte, done chan error) error {
	l.mu.Lock()
	l.bytes, l.waiting = append(l.bytes, b...), append(l.waiting, done)
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return <-done
}

func (l *rawLog) close() error {
	close(l.wake)
	return l.file.Close()
}

func (l *rawLog) run() {
	var bytes []byte
	var callers []chan error
	var lastSync time.Duration
	at := int64(0)
	for range l.wake {
		l.gather(len(callers), lastSync/8)
		l.mu.Lock()
		bytes, l.bytes = l.bytes, bytes[:0]
		callers, l.waiting = l.waiting, callers[:0]
		l.mu.Unlock()
		if len(callers) == 0 {
			continue
		}
		if at+int64(len(bytes)) > rawBytes {
			at = 0
		}
		_, err := l.file.WriteAt(bytes, at)
		at += int64(len(bytes))
		if err == nil {
			begun := time.Now()
			err = l.file.Sync()
			lastSync = time.Since(begun)
		}
		for _, done := range callers {
			done <- err
		}
	}
}

func (l *rawLog) gather(callers int, patience time.Duration) {
	for begun := time.Now(); time.Since(begun) < patience; runtime.Gosched() {
		l.mu.Lock()
		n := len(l.waiting)
		l.mu.Unlock()
		if n >= callers {
			return
		}
	}
}
