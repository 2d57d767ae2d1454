// Package filestore is the embedded event store: append-only, checksummed segment files on a disk.Disk, durable by group
// commit, with no server beside it. It is a ledger.Eraser and passes ledgertest.TestStore. This comment specifies what it
// writes.
//
// # Files
//
//	lock                            held alone by the one Store that writes, shared by those who only read
//	segments/00000000000000000001   the log, in segments named by the position of their first record (20 digits)
//	segments/next                   the segment to come, being filled with zeros; worthless
//	checkpoint                      how far the log is known to reach; a log that ends before it is refused
//	index                           where each stream ends; if it is lost or damaged, the log is read again
//	erasing                         the note: what a slice of a sweep is overwriting, as long as it is
//	aside/…                         bytes that Open cut from the end of the log, for whoever wants to know, until Erase is called
//
// All numbers are little endian, all sums xxhash64. An offset in the log counts through all segments: segment k+1 begins
// at the offset at which the last frame of segment k ends, and its header takes part in the count. Offset 0 is the first
// segment's header, so no frame has offset 0, and 0 can stand for "none".
//
// # Segments
//
// A segment is a header of 64 bytes, frames without a gap, and zeros to the end of the file. The zeros are written ahead
// of use, so that an append changes bytes of the file and none of its metadata: fdatasync is then one write of the disk.
//
//	 0  u64  sum of bytes 8 to 63
//	 8  8    "samtykke"
//	16  u64  format, 1
//	24  u64  log id: random, not 0, the same in all segments of a log
//	32  u64  number of the segment, from 1
//	40  u64  offset in the log at which it begins
//	48  u64  position of its first record
//	56  u64  sum of the last frame before it; in the first segment the log id
//
// A segment gets its name when its header is durable, and its first frame when its name is.
//
// # Frames
//
// One call of Append is one frame, so that it is stored whole or not at all. A frame's length is a multiple of 8.
//
//	 0  u64  sum of bytes 8 to the end of the covered part, exclusive-or the log id
//	 8  u64  sum of the frame before (the chain); for the first frame of a log the log id
//	16  u32  "fram"
//	20  u32  length of the frame, padding included
//	24  u32  distance back to the first frame of the batch it was written in; 0 for that one
//	28  u32  length of the covered part, from byte 0
//	32  u64  position of the first record
//	40  u64  offset in the log of the stream's frame before, 0 if there is none
//	48  u64  version of the first record in its stream
//	56  u32  number of records
//	60  u32  length of the stream's name
//	64       the name; for each record 32 bytes: its id (16), length of Data (u32), length of Sealed (u32, 0xffffffff
//	         for an open record), sum of Sealed (u64); then all Data. Here the covered part ends.
//	         Then all Sealed, and zeros up to a multiple of 8.
//
// The sum covers everything but the sealed bytes, and these have sums of their own in the covered part. So a sweep can
// overwrite sealed bytes in place after their key was destroyed, and touches no chain. Sealed bytes that do not match their
// sum and are the marker of Erased, over the whole length, are erased: the record is yielded with a nil Sealed. Sealed
// bytes that are neither are damage, a marker with one bit flipped as well; zeros, which a torn write leaves, always are.
//
// # Writing
//
// One goroutine writes. It takes all appends that wait, judges each against the stream's version in order of arrival,
// appends that stand before it in the same batch included, and writes the frames of the batch with one write and one
// sync. Only then readers see them, and only then callers hear, those too who were refused because of what was being
// written. A batch lies in one segment.
//
// When a batch had several callers, the next one waits a moment for as many, but for no more than an eighth of the time
// the last sync took. Someone who writes alone never waits.
//
// A write or sync that fails ends the writing for good, since nobody knows what is stored: every later Append answers
// ledger.ErrEnded. Opening anew settles it. A disk without room is noticed when the zeros ahead are written, before any
// record is: such appends are refused, and the store goes on when there is room again.
//
// # Opening
//
// Open reads on from the index, or the whole log without it, and checks sum, chain, positions and versions. If a frame
// in the last segment does not hold and something other than zeros stands there, it looks for whole frames behind:
//
//   - One of a later batch means that the batch at the damaged place had been synced, and promised to somebody. That is
//     damage, and Open refuses.
//   - None, or only frames of the same batch: that batch was never promised. Its bytes are copied to a file in aside,
//     then overwritten by zeros, and the Report says so. Frames of it before the damaged place are kept: nobody was told
//     that they were not stored.
//
// Nothing before the checkpoint is ever cut. Whatever else does not hold is a *DamageError. The last batch is written
// again in place and synced before anybody may read it: after a failed sync, or a kill, a file can show bytes that the
// disk does not have.
//
// # Erasing
//
// Erase overwrites the chosen sealed bytes slice by slice, a stretch of the log or of streams at a time. For each slice
// it first makes the note durable, which names them by their frames' offsets and sums; then it writes the markers, syncs
// them, and removes the note. What is noted counts as erased: whoever reads is shown the marker there, whatever stands in
// the file. So no reader meets bytes half overwritten, be it beside the sweep or after a write that failed. Open does
// again what is noted before it reads anything else of the log, and a store open for reading shows it as done. A note that
// does not hold, or names anything but sealed bytes of this log, is damage, and nothing is overwritten.
//
// A sweep takes no turn in the writer's order, and any segment will do, the one being written too. Behind a slice during
// which somebody appended it rests four times as long as the slice took.
//
// In aside lie pieces of appends that nobody was promised. Whose sealed bytes they hold cannot be told where they are torn,
// so Erase overwrites and removes all of them, whatever was chosen; the Report of the Open that cut them had said what
// and where. Sealed bytes are in no other file: the zeros ahead are never made of old segments, and index, checkpoint and
// note hold names, offsets and sums.
//
// Flash and file systems that copy on write keep the old blocks for a while: that the bytes cannot be read rests on the
// key's destruction, before. A copy of the files made beside a sweep may have a slice half done and no note: copy those of
// a store that is closed or open for reading.
//
// # Memory
//
// Per stream its name, version and the offset of its last frame; per thousand records one entry to find a position by.
// A frame points back to the one before it in its stream: reading a stream's end costs what the end is long.
//
// # Why
//
// Sums find decay and torn writes, not forgers: whoever can write the files can compute a sum. Against forgers stands the
// Merkle tree of package proof, over the same records.
package filestore
