package journal

import (
	"fmt"

	"samtykke/domain"
)

// An Instrument is a questionnaire with items answered by numbers.
type Instrument string

const (
	PHQ9    Instrument = "phq-9"
	GAD7    Instrument = "gad-7"
	CheckIn Instrument = "check-in" // the service's own short form: four items, 0 to 10, higher is better
)

// Severity is the band that a score falls into, in the instrument's own words; empty where it has none.
type Severity string

const (
	Minimal          Severity = "minimal"
	Mild             Severity = "mild"
	Moderate         Severity = "moderate"
	ModeratelySevere Severity = "moderately-severe"
	Severe           Severity = "severe"
)

// A Band is a severity and the lowest score that has it.
type Band struct {
	From     int
	Severity Severity
}

// A Form is what is known of an instrument: how many items, the highest answer to each (the lowest is 0), the bands
// from the lowest up, and which item raises the safety flag when it is above zero (from 1; 0: none).
type Form struct {
	Items, Highest int
	Bands          []Band
	Safety         int
	Difficulty     bool // has a question on difficulty, 0 to 3, outside the score
	Reliable       int  // points by which a sum has to change before that is more than the form's own uncertainty; 0: no limit is published
	Source         string
}

// Forms are the instruments the ledger takes. Their item texts are data of the pages and are not here.
//
// A change is reliable by the index of Jacobson and Truax (1991): 1.96 times the standard error of a difference, SD × √2 ×
// √(1 − reliability), and the next whole point above. The limits are those that NHS Talking Therapies (IAPT) uses and publishes: NHS
// Talking Therapies for anxiety and depression manual; Gyani, Shafran, Layard, Clark: Enhancing recovery rates: lessons from year one
// of IAPT, Behaviour Research and Therapy 51 (2013) 597-606. Other samples give other limits: Bischoff et al. (2020) come to 6 for
// the GAD-7.
var Forms = map[Instrument]Form{
	PHQ9: {
		Items: 9, Highest: 3, Safety: 9, Difficulty: true, Reliable: 6,
		Bands:  []Band{{0, Minimal}, {5, Mild}, {10, Moderate}, {15, ModeratelySevere}, {20, Severe}},
		Source: "Kroenke, Spitzer, Williams 2001: cut-offs 5, 10, 15, 20; item 9 asks about thoughts of death or self-harm.",
	},
	GAD7: {
		Items: 7, Highest: 3, Difficulty: true, Reliable: 4,
		Bands:  []Band{{0, Minimal}, {5, Mild}, {10, Moderate}, {15, Severe}},
		Source: "Spitzer, Kroenke, Williams, Löwe 2006: cut-offs 5, 10, 15.",
	},
	CheckIn: {Items: 4, Highest: 10, Source: "The service's own form, without bands."},
}

// A Score is what a completed form amounts to.
type Score struct {
	Sum      int
	Severity Severity
	Safety   bool // the item that calls for attention is above zero
}

// Score adds up the answers. Only complete forms are scored: no published rule for missing answers is adopted here.
// The refusal names the item, never the answer.
func (i Instrument) Score(items []int) (Score, error) {
	f, ok := Forms[i]
	if !ok {
		return Score{}, domain.Refuse(BadInput, "This form is not known.")
	}
	if len(items) != f.Items {
		return Score{}, domain.Refuse(BadInput, fmt.Sprintf("The form has %d questions, and all must be answered.", f.Items))
	}
	var s Score
	for n, a := range items {
		if a < 0 || a > f.Highest {
			return Score{}, domain.Refuse(BadInput, fmt.Sprintf("Question %d takes an answer from 0 to %d.", n+1, f.Highest))
		}
		s.Sum += a
	}
	for _, b := range f.Bands {
		if s.Sum >= b.From {
			s.Severity = b.Severity
		}
	}
	s.Safety = f.Safety > 0 && items[f.Safety-1] > 0
	return s, nil
}
