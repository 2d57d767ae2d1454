package signin

// What the tests need to know of the code's form.
const (
	Alphabet  = alphabet
	GroupSize = groupSize
	CodeSize  = codeSize
)
