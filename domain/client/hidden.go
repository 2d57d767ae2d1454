package client

import "fmt"

// What a person wrote does not print: each of these shows its kind and nothing of its content, whatever the verb.

func (b Labelled) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "%T", b) }

// Format does not show the hash, whatever the verb.
func (CodeHash) Format(s fmt.State, _ rune) { fmt.Fprint(s, "[keyed hash]") }
