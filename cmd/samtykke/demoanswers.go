package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"samtykke/domain/journal"
)

// readForm reads one form of a file of answers.
func readForm(row []string) (answered, error) {
	var n [13]int
	for i := 1; i < len(n); i++ {
		v, err := strconv.Atoi(row[i])
		if err != nil {
			return answered{}, fmt.Errorf("column %d is not a whole number", i+1)
		}
		n[i] = v
	}
	f := answered{items: slices.Clone(n[2:11]), difficulty: n[11]}
	score, err := journal.PHQ9.Score(f.items)
	switch {
	case err != nil:
		return f, err
	case f.difficulty < 0 || f.difficulty > 3:
		return f, errors.New("difficulty goes from 0 to 3")
	case score.Sum != n[12]:
		return f, errors.New("the total is not the sum of the items")
	}
	return f, nil
}
