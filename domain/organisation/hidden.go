package organisation

import "fmt"

// What a person wrote does not print: each of these shows its kind and nothing of its content, whatever the verb.

func (b Contact) Format(s fmt.State, _ rune)           { fmt.Fprintf(s, "%T", b) }
func (b Professional) Format(s fmt.State, _ rune)      { fmt.Fprintf(s, "%T", b) }
func (b ContactRecorded) Format(s fmt.State, _ rune)   { fmt.Fprintf(s, "%T", b) }
func (b ProfessionalNamed) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "%T", b) }
func (b RetentionAgreed) Format(s fmt.State, _ rune)   { fmt.Fprintf(s, "%T", b) }
