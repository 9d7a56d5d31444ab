#!/bin/sh
# demo BUILD: the main job on real data: fit, report, save, check, predict.
set -eu
build=${1:-build}
out=$build/demo
data=$(dirname "$0")
mkdir -p "$out"

# The command as one would type it.
say() {
    printf '\n$ bnorm'
    for word in "$@"; do
        case $word in
        *[!A-Za-z0-9_./,=-]*) printf " '%s'" "$word" ;;
        *) printf ' %s' "${word#"$data"/}" ;;
        esac
    done
    printf '\n'
}
run() {
    say "$@"
    "$build/bnorm" "$@"
}

run fit 'log(gsp) ~ log(pcap) + log(pc) + log(emp) + unemp + factor(region)' "$data/produc.csv" \
    --hidden 16,8 --validate 0.2 --seed 1 --out "$out/produc.safetensors" --plot "$out/produc.svg"
run check "$out/produc.safetensors" "$data/produc.csv"
run predict "$out/produc.safetensors" "$data/produc.csv" --out "$out/produc.csv"
run fit 'log(gsp) ~ log(pcap) + log(pc) + log(emp) + unemp + nn(log(pc), log(emp), unemp, year) | state' \
    "$data/produc.csv" --period year --hidden 8,4 --penalty 1e-4 --penalty-top 1e-4 --cluster state \
    --out "$out/panel.safetensors" --plot "$out/panel.svg"
run fit 'digit ~ .' "$data/digits.csv" --loss softmax --constant drop --hidden 64 \
    --optimizer adam --epochs 40 --dropout 0.1 --validate 0.2 --seed 1 \
    --out "$out/digits.safetensors" --plot "$out/digits.svg"
run check "$out/digits.safetensors" "$data/digits.csv"

printf '\nWritten to %s:\n' "$out"
ls -l "$out" | awk 'NR > 1 {printf "  %-20s %8d bytes\n", $NF, $5}'
