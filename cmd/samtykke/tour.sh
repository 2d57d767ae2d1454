#!/bin/sh
# Makes a lived-in ledger that ends today, unless one is there already, and serves it or shows what an auditor would ask of it.
set -eu
samtykke=$1
data=$2
then=$3 # serve or ask
said=$data.txt # what the demo said, beside its data

say() {
	printf '\n$ samtykke'
	printf ' %s' "$@"
	printf '\n'
	"$samtykke" "$@"
}

if [ -e "$data/demo-unfinished" ]; then
	rm -rf "$data" # an earlier run was interrupted
fi
if [ -f "$said" ] && [ -n "$(find "$said" -mtime +7)" ]; then
	rm -rf "$data" "$said" # what was lived in then has lapsed by now
fi
if [ ! -d "$data" ]; then
	say demo --data "$data" >"$said"
fi
if [ "$then" = serve ]; then
	sed '/^Try:/d' "$said"
	exec "$samtykke" serve --dev --data "$data"
fi
cat "$said"
label=$(sed -n 's/.*--client //p' "$said")

# What is sealed is opened under an exceptional access only, by whoever opened it and signed in for it. Here the employee of the demo does,
# whose login, password and one-time code the demo knows.
printf '\n$ samtykke demo-login --data %s | samtykke access open --data %s --reason "A tour of the demo." --hours 1\n' "$data" "$data"
opened=$("$samtykke" demo-login --data "$data" | "$samtykke" access open --data "$data" --reason 'A tour of the demo.' --hours 1) || {
	echo 'A one-time code is good once: if this is the second tour within a minute, wait for the next.' >&2
	exit 1
}
printf '%s.(a secret)\n' "${opened%%.*}"
eval "$opened"
leave() {
	"$samtykke" demo-login --data "$data" --next | say access close --data "$data" "${SAMTYKKE_ACCESS%%.*}"
}
trap leave EXIT
say who-saw --data "$data" --client "$label"
last=$("$samtykke" who-saw --data "$data" --client "$label" | awk '/saw up to/ { p = $1 " " $2 } END { print p }')
position=${last% *}
say why --data "$data" "$position"
say state --data "$data" --client "$label" --at "${last#* }"
say state --data "$data" --client "$label"
trap - EXIT
leave
say access list --data "$data"
say verify --data "$data"
say rebuild --data "$data"
printf '\nMore: %s --help\n' "$samtykke"
