package postgres

import (
	"encoding/binary"

	"github.com/jackc/pgx/v5/pgtype"

	"samtykke/eventschema"
)

// The protocol's binary formats, as far as they are needed here. Numbers are big-endian.

func number(b []byte) uint64 { return binary.BigEndian.Uint64(b) }

// An array is a parameter of an array type.
type array struct {
	raw   []byte
	count uint32
}

const arrayHeader = 20

func newArray(element uint32, into []byte) array {
	raw := append(into[:0], make([]byte, arrayHeader)...)
	binary.BigEndian.PutUint32(raw[0:], 1) // dimensions
	binary.BigEndian.PutUint32(raw[4:], 1) // there may be nulls
	binary.BigEndian.PutUint32(raw[8:], element)
	binary.BigEndian.PutUint32(raw[16:], 1) // the first index
	return array{raw: raw}
}

// add adds so many elements.
func (a *array) add(elements []byte, count int) {
	a.raw = append(a.raw, elements...)
	a.count += uint32(count)
}

func (a *array) bytes() []byte {
	binary.BigEndian.PutUint32(a.raw[12:], a.count)
	return a.raw
}

// appendElement appends an element of an array; nil is null.
func appendElement[T []byte | string](b []byte, element T, null bool) []byte {
	if null {
		return binary.BigEndian.AppendUint32(b, ^uint32(0))
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(element)))
	return append(b, element...)
}

func appendNumber(b []byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(b, 8), n)
}

// numbers reads an array of bigint without nulls; null is empty.
func numbers(b []byte) (all []uint64) {
	for at := arrayHeader + 4; at+8 <= len(b); at += 12 {
		all = append(all, number(b[at:]))
	}
	return all
}

// columns are records as elements of arrays.
type columns struct {
	names, versions, ids, datas, secret, seals []byte
	sealed                                     bool // one of them is
}

func (c *columns) add(stream string, version uint64, r *eventschema.Record) {
	c.names = appendElement(c.names, stream, false)
	c.versions = appendNumber(c.versions, version)
	c.ids = appendElement(c.ids, r.ID[:], false)
	c.datas = appendElement(c.datas, r.Data, false)
	c.secret = appendElement(c.secret, flag[r.Sealed != nil], false)
	c.seals = appendElement(c.seals, r.Sealed, r.Sealed == nil)
	c.sealed = c.sealed || r.Sealed != nil
}

var flag = map[bool]string{false: "\x00", true: "\x01"}

// size is what the records take in a message.
func (c *columns) size() int {
	return len(c.names) + len(c.versions) + len(c.ids) + len(c.datas) + len(c.secret) + len(c.seals)
}

// elements are the types of the arrays that the function append takes, in its order.
var elements = [...]uint32{
	pgtype.TextOID, pgtype.Int8OID, pgtype.Int8OID,
	pgtype.TextOID, pgtype.Int8OID, pgtype.UUIDOID, pgtype.ByteaOID, pgtype.BoolOID, pgtype.ByteaOID,
}

// arguments encodes a group of requests for the function append. The buffers are used again.
func arguments(buffers *[len(elements)][]byte, known uint64, group []*request) [][]byte {
	var arrays [len(elements)]array
	for i, oid := range elements {
		arrays[i] = newArray(oid, buffers[i])
	}
	var one []byte
	sealed := false
	for _, r := range group {
		one = appendElement(one[:0], r.stream, false)
		arrays[0].add(one, 1)
		one = appendNumber(one[:0], r.after)
		arrays[1].add(one, 1)
		one = appendNumber(one[:0], r.last())
		arrays[2].add(one, 1)
		c := &r.records
		for i, column := range [][]byte{c.names, c.versions, c.ids, c.datas, c.secret, c.seals} {
			arrays[3+i].add(column, r.count)
		}
		sealed = sealed || c.sealed
	}
	args := [][]byte{binary.BigEndian.AppendUint64(nil, known)}
	for i := range arrays {
		buffers[i] = arrays[i].bytes()
		args = append(args, buffers[i])
	}
	if !sealed {
		args[len(args)-1] = nil
	}
	return args
}
