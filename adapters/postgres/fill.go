package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"samtykke/adapters/ledger"
	"samtykke/eventschema"
)

// Fill implements ledger.Filler: all records in one transaction.
func (s *Store) Fill(ctx context.Context, records ...eventschema.Record) error {
	head, err := ledger.Fits(ctx, s, records)
	if err != nil {
		return err
	}
	for _, run := range ledger.Runs(records) {
		if err := admit(run[0].Stream, run); err != nil {
			return err
		}
	}
	last := head + uint64(len(records))
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, strings.ReplaceAll(plans, "SET ", "SET LOCAL ")); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "SELECT room($1, $2)", last, s.opts.Partition); err != nil {
			return err
		}
		statement, err := tx.Prepare(ctx, "", appendStatement)
		if err != nil {
			return err
		}
		binaryFormat := []int16{pgx.BinaryFormatCode}
		rows := tx.Conn().PgConn().ExecStatement(ctx, statement, fillArguments(head, records), binaryFormat, binaryFormat)
		fits := false
		for rows.NextRow() {
			v := rows.Values()
			fits = v[0] != nil && number(v[0]) == head
		}
		if _, err := rows.Close(); err != nil {
			return err
		}
		if !fits {
			return misfit
		}
		return nil
	})
	if err == misfit {
		return fmt.Errorf("filling in position %d: others have appended, or a stream is at another version: %w", head+1, ledger.ErrRefused)
	}
	if err != nil {
		return s.failure(plain(ctx, err))
	}
	s.announce()
	return nil
}

var misfit = errors.New("the records do not stand behind the head")

// fillArguments encodes records of any streams, in their order, for the function append.
func fillArguments(known uint64, records []eventschema.Record) [][]byte {
	var buffers [len(elements)][]byte
	var arrays [len(elements)]array
	for i, oid := range elements {
		arrays[i] = newArray(oid, buffers[i])
	}
	var streams []string
	versions := map[string][2]uint64{} // the first and last of each
	var c columns
	for i := range records {
		r := &records[i]
		v, known := versions[r.Stream]
		if !known {
			streams, v[0] = append(streams, r.Stream), r.Version
		}
		v[1] = r.Version
		versions[r.Stream] = v
		c.add(r.Stream, r.Version, r)
	}
	for _, name := range streams {
		v := versions[name]
		arrays[0].add(appendElement(nil, name, false), 1)
		arrays[1].add(appendNumber(nil, v[0]-1), 1)
		arrays[2].add(appendNumber(nil, v[1]), 1)
	}
	for i, column := range [][]byte{c.names, c.versions, c.ids, c.datas, c.secret, c.seals} {
		arrays[3+i].add(column, len(records))
	}
	args := [][]byte{binary.BigEndian.AppendUint64(nil, known)}
	for i := range arrays {
		args = append(args, arrays[i].bytes())
	}
	if !c.sealed {
		args[len(args)-1] = nil
	}
	return args
}
