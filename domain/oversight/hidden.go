package oversight

import "fmt"

// What a person wrote does not print: each of these shows its kind and nothing of its content, whatever the verb.

func (b Queried) Format(s fmt.State, _ rune)        { fmt.Fprintf(s, "%T", b) }
func (b AccessOpened) Format(s fmt.State, _ rune)   { fmt.Fprintf(s, "%T", b) }
func (b AccessUsed) Format(s fmt.State, _ rune)     { fmt.Fprintf(s, "%T", b) }
func (b AccessReviewed) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "%T", b) }
