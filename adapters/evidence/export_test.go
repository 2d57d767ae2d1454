package evidence

// For tests.
var Definitions = definitions
