package journal

import "fmt"

// What a person wrote does not print: each of these shows its kind and nothing of its content, whatever the verb.

func (b LoggedIn) Format(s fmt.State, _ rune)        { fmt.Fprintf(s, "%T", b) }
func (b TimeSpent) Format(s fmt.State, _ rune)       { fmt.Fprintf(s, "%T", b) }
func (b ContentOpened) Format(s fmt.State, _ rune)   { fmt.Fprintf(s, "%T", b) }
func (b ContentFinished) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "%T", b) }
func (b Answered) Format(s fmt.State, _ rune)        { fmt.Fprintf(s, "%T", b) }
func (b Assessed) Format(s fmt.State, _ rune)        { fmt.Fprintf(s, "%T", b) }
func (b Rated) Format(s fmt.State, _ rune)           { fmt.Fprintf(s, "%T", b) }
func (b CorrectionAsked) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "%T", b) }
func (b CorrectionMade) Format(s fmt.State, _ rune)  { fmt.Fprintf(s, "%T", b) }
func (b ContentSent) Format(s fmt.State, _ rune)     { fmt.Fprintf(s, "%T", b) }
func (b NoteWritten) Format(s fmt.State, _ rune)     { fmt.Fprintf(s, "%T", b) }
func (b Feedback) Format(s fmt.State, _ rune)        { fmt.Fprintf(s, "%T", b) }
