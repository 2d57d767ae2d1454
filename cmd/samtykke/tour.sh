#!/bin/sh
# Makes a lived-in ledger, unless it is there already, and shows what an auditor would ask of it.
set -eu
samtykke=$1
data=$2
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
if [ ! -d "$data" ]; then
	say demo --data "$data" >"$said"
fi
cat "$said"
label=$(sed -n 's/.*--client //p' "$said")

say who-saw --data "$data" --client "$label" --to 2025-05-01
position=$("$samtykke" who-saw --data "$data" --client "$label" | awk '/saw up to/ { p = $1 } END { print p }')
say why --data "$data" "$position"
say state --data "$data" --client "$label" --at 2025-06-01
say state --data "$data" --client "$label"
say verify --data "$data"
say rebuild --data "$data"
printf '\nMore: %s --help\n' "$samtykke"
