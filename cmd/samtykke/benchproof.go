package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"samtykke/adapters/keyring"
	"samtykke/adapters/proof"
)

// byProof measures what the tree and the sealing cost a look-up, and how long proofs and the check of a whole ledger take.
func (b *bench) byProof() error {
	b.said = append(b.said,
		"Every write is durable (fdatasync) before it is answered.",
		"Look-ups: the same path three times, in turns. The time goes until the views cover the turn, and the newest checkpoint where one is signed.",
		"As it is: a checkpoint every second, sealed content under real keys. Without one or the other: no checkpoint is signed; the keys neither seal nor open.",
		"Cores: what one of them costs all cores together, in their own time. What else the machine does moves it less than the rates.",
	)
	if err := b.upkeep(); err != nil {
		return err
	}
	if err := b.proofs(); err != nil {
		return err
	}
	return b.verifying()
}

// A variant is a ledger whose look-ups go without something.
type variant struct {
	what   string
	proofs proof.Options
	plain  bool // its keys neither seal nor open
	*populace
	turns turns
}

// upkeep measures look-ups beside such as go without the tree, and such as go without sealing.
func (b *bench) upkeep() error {
	all := []*variant{
		{what: "as it is"},
		{what: "no tree, no checkpoints", proofs: proof.Options{Every: 1000 * time.Hour}},
		{what: "nothing sealed", plain: true},
	}
	for i, v := range all {
		b.note("look-ups, " + v.what)
		b.proof, b.plain = v.proofs, v.plain
		var err error
		if v.populace, err = b.newSharing(fmt.Sprint("upkeep-", i), b.people, 24, b.journal); err != nil {
			return err
		}
		v.sys.start()
		if err := errors.Join(v.sys.settle(b.ctx), v.covered(b.ctx)); err != nil {
			return err
		}
	}
	b.proof, b.plain = proof.Options{}, false
	for _, callers := range []int{1, 256} {
		b.note(fmt.Sprintf("look-ups, %d callers", callers))
		for _, v := range all {
			v.turns = nil
		}
		for n := range 2 * b.rounds {
			for i := range all {
				v := all[(n+i)%len(all)]
				r, err := v.turn(b.ctx, callers, b.upkept)
				if err != nil {
					return err
				}
				v.turns = append(v.turns, r)
			}
		}
		section := fmt.Sprintf("look-ups, %d callers", callers)
		if callers == 1 {
			section = "look-ups, 1 caller"
		}
		as := all[0].turns
		b.add(benchLine{Section: section, What: "as it is", Figure: as.perSecond(), Unit: perSecond, Note: as.processor()}, nil)
		for _, v := range all[1:] {
			b.add(benchLine{Section: section, What: "as it is, beside: " + v.what, Figure: as.perSecond(), Unit: perSecond,
				Against: v.what, Yardstick: v.turns.perSecond(), Note: v.turns.processor()}, &aim{ratio: true, least: 0.8})
			b.add(benchLine{Section: section, What: "the same, the cores' time of a look-up", Figure: as.cores(), Unit: seconds,
				Against: v.what, Yardstick: v.turns.cores()}, &aim{ratio: true, most: 1.25})
		}
	}
	for _, v := range all {
		if err := v.sys.close(); err != nil {
			return err
		}
	}
	return nil
}

// turn has callers look up for a while, and counts the time until all that follows a look-up is done.
func (v *variant) turn(ctx context.Context, callers int, during time.Duration) (round, error) {
	begun, worked := time.Now(), processor()
	r, err := drive(callers, during, func(c, n int) error { return v.lookUp(ctx, c+n*callers) })
	if err == nil {
		err = errors.Join(v.sys.settle(ctx), v.covered(ctx))
	}
	looked := float64(len(r.took))
	return round{looked / time.Since(begun).Seconds(), (processor() - worked) / looked, r.took}, err
}

// covered signs what is not signed yet, if this one signs at all.
func (v *variant) covered(ctx context.Context) error {
	if v.proofs.Every > 0 {
		return nil
	}
	return v.sys.signAll(ctx)
}

// plainKeys neither seal nor open. What they give is as long as what is sealed.
type plainKeys struct{ keyring.Keyring }

func (plainKeys) Sealer(context.Context, keyring.Owner) (keyring.Sealer, error) {
	return plainSealer{}, nil
}

type plainSealer struct{}

func (plainSealer) Seal(plaintext, _ []byte) ([]byte, error) {
	return append(append(make([]byte, 0, len(plaintext)+keyring.Overhead), plaintext...), make([]byte, keyring.Overhead)...), nil
}

func (plainSealer) Open(ciphertext, _ []byte) ([]byte, error) {
	if len(ciphertext) < keyring.Overhead {
		return nil, keyring.ErrNoMatch
	}
	return ciphertext[:len(ciphertext)-keyring.Overhead], nil
}

// proofs measures how long it takes to sign the tree over a whole ledger, and to prove events of it.
func (b *bench) proofs() error {
	if err := b.newHistory(); err != nil {
		return err
	}
	b.note("signing and proving")
	s, err := b.world(b.history, new(benchClock)).open(b.ctx)
	if err != nil {
		return err
	}
	head, err := s.store.Head(b.ctx)
	if err != nil {
		return err
	}
	read, err := timed(func() error { return readAll(b.ctx, s, head) })
	if err != nil {
		return err
	}
	grown, err := timed(func() error { return s.signAll(b.ctx) })
	if err != nil {
		return err
	}
	section := "proofs, " + grouped(float64(head)) + " events"
	b.add(benchLine{Section: section, What: "the tree from the first event, with its tiles", Figure: float64(head) / grown, Unit: perSecond,
		Against: "reading alone", Yardstick: float64(head) / read}, nil)
	var path, document, checked []float64
	for range 200 * b.rounds {
		position := 1 + rand.Uint64N(head)
		var text []byte
		for _, way := range []struct {
			into *[]float64
			do   func() error
		}{
			{&path, func() error { _, err := s.proof.Inclusion(b.ctx, position); return err }},
			{&document, func() (err error) { text, err = s.proof.Prove(b.ctx, position); return err }},
			{&checked, func() error { _, err := proof.VerifyProof(text, s.signer.Verifier()); return err }},
		} {
			took, err := timed(way.do)
			if err != nil {
				return err
			}
			*way.into = append(*way.into, took)
		}
	}
	line := func(what string, of []float64, a *aim) {
		b.add(benchLine{Section: section, What: what, Figure: median(of), Unit: seconds, Note: "p99 " + seconds.show(quantile(of, 0.99))}, a)
	}
	line("an inclusion proof", path, &aim{most: 1e-3})
	line("the same with its event, as a document", document, nil)
	line("checking that document", checked, nil)
	return s.closeFiles()
}

// verifying measures the check of the whole ledger from its files: of open events, of a part of them for the memory beside it, and
// of one that is mostly sealed.
func (b *bench) verifying() error {
	b.note("verifying")
	var took, heap, rss []float64
	var v verdict
	for range b.reads {
		t, h, r, err := b.verifyOnce(b.history, &v)
		if err != nil {
			return err
		}
		took, heap, rss = append(took, t), append(heap, h), append(rss, r)
	}
	section := fmt.Sprintf("verify, %s events of %s clients", grouped(float64(v.Events)), grouped(float64(v.Clients)))
	b.add(benchLine{Section: section, What: "everything, with keys", Figure: median(took), Unit: seconds,
		Note: perSecond.show(float64(v.Events) / median(took))}, &aim{most: 10})
	b.memory(section, heap, rss)

	p, err := b.newSharing("verified", b.people, 24, b.journal)
	if err != nil {
		return err
	}
	if err := errors.Join(p.sys.signAll(b.ctx), p.sys.closeFiles()); err != nil {
		return err
	}
	t, h, r, err := b.verifyOnce("verified", &v)
	if err != nil {
		return err
	}
	section = fmt.Sprintf("verify, %s events of %s clients, most of them sealed", grouped(float64(v.Events)), grouped(float64(v.Clients)))
	b.add(benchLine{Section: section, What: "everything, with keys", Figure: t, Unit: seconds, Note: perSecond.show(float64(v.Events) / t)}, nil)
	b.memory(section, []float64{h}, []float64{r})
	return nil
}

func (b *bench) verifyOnce(dir string, v *verdict) (took, heap, rss float64, err error) {
	debug.FreeOSMemory()
	heap, rss, err = watchMemory(func() (err error) {
		took, err = timed(func() (err error) {
			*v, err = b.world(dir, new(benchClock)).verifyFiles(b.ctx, "", nil, func(uint64, uint64) {})
			return err
		})
		return err
	})
	if err == nil && v.Found > 0 {
		err = fmt.Errorf("%w: %s", errWrong, v.Problems[0])
	}
	return took, heap, rss, err
}

func (b *bench) memory(section string, heap, rss []float64) {
	b.add(benchLine{Section: section, What: "most heap beyond what was there before", Figure: median(heap), Unit: bytesHeld}, nil)
	if r := median(rss); r > 0 {
		b.add(benchLine{Section: section, What: "most memory resident, the whole process", Figure: r, Unit: bytesHeld}, nil)
	}
}
