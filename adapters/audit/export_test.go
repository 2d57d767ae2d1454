package audit

// For tests.
var AllKinds = allKinds

const Reading = reading
