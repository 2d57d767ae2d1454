package evidence

import (
	"samtykke/domain"
	"samtykke/domain/client"
	"samtykke/domain/journal"
	"samtykke/domain/oversight"
)

// A definition is a figure before anything is counted, with what it has to be.
type definition struct {
	Figure
	holds func(int64) bool // nil: it may be anything
}

func number(id, words string) definition { return definition{Figure: Figure{ID: id, Words: words}} }

// zero is a figure that shows a breach unless it is none.
func zero(id, words string) definition {
	return number(id, words).must("skal være 0", func(n int64) bool { return n == 0 })
}

func (d definition) must(words string, holds func(int64) bool) definition {
	d.Must, d.holds = words, holds
	return d
}

func (d definition) in(u Unit) definition {
	d.Unit = u
	return d
}

func (d definition) service() definition {
	d.Scope = Service
	return d
}

// definitions are all figures. What of them stands under which clause is in the table agreement.
var definitions = []definition{
	number("lookups", "Oppslag som ble tillatt, etter rolle og formål"),
	number("lookups-refused", "Oppslag som ble avvist, etter hvem som forsøkte, rolle, formål og grunn"),
	number("lookups-own", "Klientenes lesing og uttrekk av egne opplysninger"),
	zero("lookups-uncovered", "Oppslag uten et gjeldende ja"),
	zero("lookups-after-withdrawal", "Oppslag etter at et ja var trukket tilbake, uten et nytt"),
	zero("lookups-without-role", "Oppslag av noen som ikke hadde tilgang i den rollen"),
	number("lookups-overtaken", "Oppslag der tilgangen tok slutt underveis: ført, og ikke vist"),
	zero("lookups-undeclared", "Oppslag av noen som ikke hadde underskrevet taushetserklæringen"),
	number("lookups-questioned", "Oppslag som klienter har spurt om"),
	number("reviews", "Gjennomgåtte oppslag og forsøk, etter grunn og utfall"),
	number("reviews-open", "Oppslag og forsøk som venter på gjennomgang, etter grunn"),
	number("reviews-oldest", "Alder på det eldste som venter på gjennomgang").in(Days),
	number("deviations", "Gjennomganger som endte med avvik"),
	number("queries", "Spørsmål til regnskapet, etter rolle og slag").service(),
	number("queries-open", "Uttrekk der alt forseglet ble åpnet").service(),

	number("sign-ins", "Innlogginger av fagpersoner, etter rolle og måte"),
	zero("sign-ins-weak", "Innlogginger av fagpersoner uten to faktorer"),
	number("sign-ins-refused", "Avviste innlogginger med brukernavn eller kode fra virksomheten, etter grunn"),
	number("service-sign-ins", "Innlogginger av tjenestens egne ansatte og revisorer, etter rolle og måte").service(),
	zero("service-sign-ins-weak", "Innlogginger av tjenestens egne uten to faktorer").service(),
	number("service-sign-ins-refused", "Avviste innlogginger ellers: ingens brukernavn eller kode, eller tjenestens egne").service(),
	number("client-sign-ins", "Innlogginger av klienter, på nettet og i appen"),

	number("declarations", "Underskrevne taushetserklæringer, etter ordlyd"),
	zero("declarations-missing", "Aktive fagpersoner med konto, uten underskrevet erklæring"),
	number("not-accepted", "Aktive fagpersoner som ikke har tatt i bruk konto, og derfor ikke kommer inn"),
	number("service-declarations", "Underskrevne taushetserklæringer av tjenestens egne").service(),
	zero("service-declarations-missing", "Tjenestens egne med konto, uten underskrevet erklæring").service(),

	number("active", "Aktive fagpersoner ved periodens slutt, etter rolle"),
	number("staff-changes", "Endringer i listen over fagpersoner"),
	number("superusers", "Færrest superbrukere samtidig").must("skal være minst 1", func(n int64) bool { return n >= 1 }),
	number("access-reviews", "Ganger listen over fagpersoner er gått gjennom, etter dato"),
	number("staff-erased", "Fagpersoner som er slettet"),
	number("contacts", "Registreringer og rettelser av kontaktopplysninger"),
	number("names-hidden", "Valg om klienter ser navnet på den som så"),
	number("retention", "Avtalt lagringstid for logger med navn, ved periodens slutt (0: ingen grense er avtalt)").in(Months),
	number("retention-agreed", "Avtaler om lagringstid, etter dato"),

	number("registered", "Klienter som er registrert"),
	number("clients", "Klienter ved periodens slutt, og om opplysningene er personopplysninger"),
	number("first-answers", "Svar på det første spørsmålet om deling"),
	number("first-unanswered", "Klienter som ikke har svart, og derfor ikke deler"),
	number("grants", "Ja til deling, også nye, etter regelen de står under"),
	number("withdrawals", "Ja som er trukket tilbake"),
	number("questions", "Spørsmål om oppfølgingen fortsatt pågår"),
	zero("questions-astray", "Spørsmål om oppfølgingen på et annet tidspunkt enn regelen sier"),
	number("question-answers", "Svar på spørsmål om oppfølgingen"),
	number("questions-open", "Spørsmål om oppfølgingen uten svar ved periodens slutt"),
	number("lapses", "Delinger som har løpt ut av seg selv"),
	zero("lapses-astray", "Utløp på et annet tidspunkt enn regelen sier"),
	number("codes", "Koder som er byttet"),
	number("deactivated-clients", "Klienter som er deaktivert etter mer enn tolv måneder uten innlogging"),
	number("restrictions", "Begrensninger av behandlingen"),
	number("restrictions-lifted", "Begrensninger som er opphevet"),
	number("sent", "Innhold og oppgaver som er sendt til klienter"),

	number("erasures", "Klienter som er slettet"),
	number("erasure-key", "Lengste tid fra slettingen til nøkkelen var ødelagt").in(Seconds),
	number("erasure-swept", "Lengste tid fra slettingen til de forseglede opplysningene var fjernet").in(Seconds),
	number("erasures-waiting", "Slettinger der de forseglede opplysningene ikke er fjernet ennå"),
	number("reapplied", "Avslutninger som er ført på nytt etter gjenoppretting fra sikkerhetskopi"),

	number("corrections", "Krav om retting, etter hvem de kom gjennom"),
	number("correction-days", "Lengste tid fra et krav til rettingen").in(WorkingDays),
	number("corrections-late", "Rettinger etter mer enn sju virkedager"),
	number("corrections-waiting", "Krav om retting som ikke er møtt"),

	number("accesses", "Unntakstilganger som er åpnet, etter hva de åpner").service(),
	number("accesses-year", "Åpnet til produksjon i det kalenderåret i perioden som har flest").
		service().must("normalt høyst 5", func(n int64) bool { return n <= 5 }),
	number("accesses-used", "Bruk av unntakstilgang, etter hva som ble gjort").service(),
	number("accesses-reviewed", "Unntakstilganger som sikkerhetsansvarlig har gjennomgått, etter utfall").service(),
	number("accesses-unreviewed", "Unntakstilganger som er avsluttet og ikke gjennomgått").service(),

	number("sealed-gone", "Forseglede hendelser som ikke kan tidfestes, fordi nøkkelen er ødelagt: ikke regnet med noe sted"),
}

// A section is a clause with the figures that show it, and what of it this ledger does not hold.
type section struct {
	id, words string
	figures   []string
	notKept   string
}

const nothing = "Føres ikke i dette regnskapet."

// agreement is the data processing agreement in its order, and behind it what of clients and organisations the ledger can show.
var agreement = []section{
	{"D01", "En protokoll over behandlingene kan legges fram.", nil, nothing},
	{"D02", "Virksomheten har innsyn i det som behandles for den.", of("lookups", "clients"), ""},
	{"D03", "Instrukser og sletterutiner er ført, og utføres.", of("retention", "retention-agreed", "staff-erased", "names-hidden"),
		"Andre instrukser enn lagringstid og visning av navn føres ikke i dette regnskapet."},
	{"D04", "Krav fra myndigheter om utlevering er ført, og venter på samtykke.", nil, nothing},
	{"D05", "Tilgang følger rolle og behov, gås gjennom, og krever sterk innlogging.",
		of("active", "staff-changes", "access-reviews", "sign-ins", "sign-ins-weak", "service-sign-ins", "service-sign-ins-weak"), ""},
	{"D06", "Hvert oppslag, tillatt eller avvist, kan føres tilbake til én person. Det som ikke er ført, er ikke vist.",
		of("lookups", "lookups-refused", "lookups-own", "lookups-uncovered", "lookups-without-role", "lookups-overtaken", "queries", "queries-open",
			"accesses-used"), ""},
	{"D07", "Hvor lenge logger lagres med navn, er avtalt for hver virksomhet.", of("retention", "retention-agreed", "staff-erased"), ""},
	{"D08", "Forsøk på uautorisert tilgang oppdages, føres, meldes og lukkes.",
		of("lookups-refused", "sign-ins-refused", "service-sign-ins-refused", "lookups-questioned", "reviews", "reviews-open", "reviews-oldest"),
		"Meldinger om brudd føres ikke i dette regnskapet."},
	{"D09", "Avvik er dokumentert med fakta, virkning og tiltak.", of("deviations"),
		"At en gjennomgang endte med avvik, står her. Fakta, virkning og tiltak føres ikke i dette regnskapet."},
	{"D10", "En melding om brudd har det innholdet den skal ha, i tide.", nil,
		nothing + " Antall berørte og perioden kan telles fra det."},
	{"D11", "Svakere sikkerhet krever skriftlig samtykke på forhånd.", nil, nothing},
	{"D12", "Underleverandører står i et register, og brukes først etter at de er varslet.", nil, nothing},
	{"D13", "Opplysningene blir i Norge, om ikke annet er avtalt.", nil, nothing},
	{"D14", "Ingen har tilgang uten underskrevet taushetserklæring.",
		of("declarations", "declarations-missing", "not-accepted", "lookups-undeclared", "service-declarations", "service-declarations-missing"), ""},
	{"D15", "En revisjon får alt den trenger, og funn følges opp.", of("queries", "queries-open"),
		"Funn og pålegg om stans føres ikke i dette regnskapet."},
	{"D16", "Tilgang til produksjon er sjelden, begrunnet, tidsbegrenset, loggført, avsluttet, gjennomgått og talt.",
		of("accesses", "accesses-year", "accesses-used", "accesses-reviewed", "accesses-unreviewed"), ""},
	{"D17", "I datasett til folkehelseformål kan ingen kjennes igjen.", nil, nothing},
	{"D18", "Sikkerhetskopier finnes et annet sted, gjenoppretting er øvd, og ingen slettet kommer tilbake med en kopi.", of("reapplied"),
		"Sikkerhetskopier og øvelser føres ikke i dette regnskapet; samtykke drill viser dem."},
	{"D19", "Fagpersoner ser registreringer bare så lenge oppfølgingen pågår og klienten deler.",
		of("lookups-uncovered", "lookups-after-withdrawal", "lapses", "lapses-astray", "question-answers"), ""},
	{"D20", "Det som ikke kan slettes straks, gjøres uleselig til det er overskrevet.",
		of("erasures", "erasure-key", "erasure-swept", "erasures-waiting"), ""},
	{"D21", "Databehandleren hjelper med riktighet, krav fra registrerte og vurderinger, og kan vise tiltakene.",
		of("corrections", "correction-days", "corrections-late", "corrections-waiting", "restrictions", "lookups-own"),
		"Vurderinger av personvernkonsekvenser føres ikke i dette regnskapet."},
	{"D22", "En uautorisert utlevering meldes til virksomheten uten opphold.", nil, nothing},

	{"A01", "Om en klient lagres ingenting som sier hvem det er.", of("registered"),
		"Tekst som er stanset fordi den kunne identifisere noen, er ikke lagret og ikke talt."},
	{"A02", "Den første innloggingen spør om deling. Bare et ja åpner noe.", of("first-answers", "first-unanswered", "lookups-uncovered"), ""},
	{"A03", "Et ja kan trekkes når som helst, og det virker før svaret er gitt.", of("withdrawals", "lookups-after-withdrawal"), ""},
	{"A04", "Etter 22 uker spørres klienten. Uten ja innen utgangen av uke 26 løper delingen ut.",
		of("questions", "questions-astray", "question-answers", "questions-open", "lapses", "lapses-astray"), ""},
	{"A05", "Hvert ja står under regelen som gjaldt den dagen.", of("grants"), ""},
	{"A06", "En ny kode stenger den gamle straks.", of("codes"), ""},
	{"A07", "For hver klient kan det sies om opplysningene er personopplysninger.", of("clients"), ""},
	{"A08", "Den som sletter seg, er slettet for godt og overalt.", of("erasures", "erasure-key", "erasure-swept", "erasures-waiting"), ""},
	{"A09", "Klienten ser alt som er lagret, og kan ta det ut.", of("lookups-own"), ""},
	{"A12", "Adresser er ikke knyttet til noe. Unntak under en hendelse er selv ført.", of("accesses"), ""},
	{"A13", "Krav om retting møtes normalt innen sju virkedager.",
		of("corrections", "correction-days", "corrections-late", "corrections-waiting"), ""},
	{"A16", "Etter mer enn tolv måneder uten innlogging deaktiveres klienten.", of("deactivated-clients"), ""},
	{"A18", "Klienter logger inn med kode på nettet og i appen.", of("client-sign-ins", "sign-ins-refused"), ""},
	{"A21", "Begrensning stanser all bruk annet enn lagring.", of("restrictions", "restrictions-lifted"),
		"Andre krav etter personvernforordningen føres ikke i dette regnskapet."},

	{"C01", "Virksomheten er registrert med kontrollert nummer og rettet kontakt.", of("contacts"), ""},
	{"C03", "Fagpersoner logger inn med sterk innlogging.", of("sign-ins", "sign-ins-weak"), ""},
	{"C05", "Det er alltid minst én superbruker.", of("superusers", "active"), ""},
	{"C06", "En fagperson som er deaktivert, er ute straks.", of("staff-changes", "lookups-without-role", "lookups-overtaken"), ""},
	{"C07", "Oversikten viser klienter ved etikett, og registreringer bare under et gjeldende ja.", of("lookups", "lookups-uncovered"), ""},
	{"C08", "Oppslag er til forberedelse, arbeid imellom, eller nytte over tid.", of("lookups"), ""},
	{"C09", "En fagperson kan sende innhold og oppgaver.", of("sent"), ""},
	{"C12", "Fagpersoner kan få slettet det som er lagret om dem.", of("staff-erased", "sealed-gone"), ""},
}

func of(figures ...string) []string { return figures }

// norwegian are the words for what the ledger has codes for; what is not here is shown as it is.
var norwegian = map[string]string{
	string(domain.RoleClient): "klient", string(domain.RoleProfessional): "fagperson", string(domain.RoleSuperuser): "superbruker",
	string(domain.RoleAuditor): "revisor", string(domain.RoleEmployee): "ansatt i tjenesten", string(domain.RoleSafetyManager): "sikkerhetsansvarlig",
	string(domain.RoleToolManager): "verktøyansvarlig",

	string(client.Overview): "oversikten", string(client.Appointment): "før en avtale", string(client.Workload): "arbeid mellom avtaler",
	string(client.Effect): "nytte over tid", string(client.Together): "registrering sammen", string(client.OnBehalf): "registrering på vegne av",
	string(client.Contact): "kontakt", string(client.SelfService): "egen side", string(client.Export): "eget uttrekk",

	client.NotShared: "ikke delt", client.NotRegistered: "ikke registrert der", client.IsDeactivated: "deaktivert", "not-active": "ikke aktiv",
	"restricted": "begrenset", "own": "virksomhetens egne", "others": "andre",

	string(client.AskedByClient): "klienten spurte", string(client.OutsideHours): "utenom arbeidstid", string(client.ManyAtOnce): "mange på en gang",
	string(client.AfterRefusal): "etter et avslag", string(client.LongAfter): "lenge etter siste avtale", string(client.WasRefused): "avvist forsøk",
	string(client.InOrder): "i orden", string(client.Mistake): "feil", string(client.Deviation): "avvik",

	string(client.IdentifiableByLabel):   "personopplysninger: virksomheten kan ha etiketten i sin journal",
	string(client.IdentifiableBySharing): "personopplysninger: klienten deler",
	string(client.NothingLeft):           "ikke personopplysninger: klienten er slettet",
	string(client.Anonymous):             "ikke personopplysninger overfor noen virksomhet: koden er byttet, og ingenting deles",

	"yes": "ja", "no": "nei", "added": "lagt til", "role-changed": "ny rolle", "left": "deaktivert", "returned": "aktiv igjen",
	string(oversight.AsStaff): "ansatt", string(oversight.Production): "produksjon", string(oversight.Addresses): "klare adresser",
	string(journal.OnBehalf): "virksomheten", string(journal.Web): "nettet", string(journal.App): "appen",

	"password+otp": "passord og engangskode", "confidentiality": "taushetserklæring",
	"wrong-password": "feil passord", "wrong-one-time-code": "feil engangskode", client.WrongCode: "feil kode",
}
