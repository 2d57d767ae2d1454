// Package web is the server's shell: how connections come in, what every request passes before it reaches a route, and how
// answers and refusals go out. It knows no routes. What comes in from the network is hostile until shown otherwise.
//
// # The way of a request
//
// Handler puts these around the routes, the first outermost:
//
//  1. number: a random reference, in the header Samtykke-Reference and in the context. All that follows can name it.
//  2. record: one line in the log when the request is done, whatever became of it: reference, method, route, status,
//     duration, bytes, role. No address, no browser, no path and no query: handles stand there. The route is the template
//     that the router gives to Name. Config.Addresses is told of it as well, with the address: for incidents, and apart.
//     Config.Observe is told less than the log, and already when it begins: for figures and traces (package operations).
//  3. strict: the headers that tell a browser to be strict. They stand on refusals of the shell as well.
//  4. catch: a panic becomes a problem 500 with the reference; the log gets its type and where it was, not its words. After the
//     first byte it cuts the connection instead, so that nobody takes half an answer for a whole one.
//  5. known: over plain HTTP on the machine itself, only names of the machine itself are answered to. A page from elsewhere
//     whose name was made to point at 127.0.0.1 has another.
//  6. sameSite: what changes something is refused when another site's page sends it. There are no exceptions and no tokens.
//  7. bound: the body has a largest size, and the context a deadline before that of the connection, so that an answer is still
//     possible.
//
// # Answers
//
// An answer is made whole, then the checks of BeforeAnswering run, then it is sent. Every refusal is a Problem (RFC 9457). The
// status follows from the code by one table. The refusal "not-registered" has one wording, whoever it was that is not there:
// the answers differ in the reference and in nothing else.
//
// # Bodies
//
// Decode is strict, since what is ignored silently was meant by somebody: no unknown member, none missing, none twice, no null
// where a value belongs, nothing after the end. Its problems say where and what, and never repeat what was sent: not a value,
// and not a member's name either unless the server knows it.
//
// # Limits
//
// Every step of a connection has a time limit: the headers, the body, the answer, the silence between requests. At most
// Config.Connections are open. When they are, new ones wait in the system's queue until one ends, and the limits see to it
// that one does; nobody's request under way is cut for another's. One address may have a quarter of them, so that one machine
// cannot take them all, and an institution or a mobile network behind one address does not get there: a browser needs one
// connection. Behind a proxy all come from one address, and how many each client may have is the proxy's to say. Connections
// from the machine itself are not counted by address either.
//
// # Stopping
//
// When the context of Serve ends, no connection is taken any more, and requests under way have Config.StopWithin to finish.
// Then they are cut and Serve says so. Whatever was answered was finished before.
package web
