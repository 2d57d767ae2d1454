package staff

import "fmt"

// What a person wrote does not print: each of these shows its kind and nothing of its content, whatever the verb.

func (b Named) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "%T", b) }
